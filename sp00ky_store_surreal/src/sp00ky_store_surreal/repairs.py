"""What ``migrate --repair`` changes of a table that was there: one definition a step, with its reason."""

from __future__ import annotations

from collections.abc import Iterator

from sp00ky_core.ports import JobTable, MigrationStep
from sp00ky_store_surreal.layout import TableLayout
from sp00ky_store_surreal.queries import quoted

__all__ = ["repairs", "listed"]

ANY_PAYLOAD = (
    "option<string | object | array | number | bool | null | bytes | datetime | duration | uuid | record"
    " | geometry | range | function>"
)
"""``any`` that can be FLEXIBLE, which 3.x refuses for ``any``; a row that is there stays writable."""

LEASE = "PERMISSIONS FOR select FULL FOR create, update NONE"
"""Who may write a lease: runners, who are no record users."""


def repairs(table: JobTable, layout: TableLayout) -> list[MigrationStep]:
    """The steps for what is weak about a job table; permissions mean what they meant."""
    return [
        _step(
            table,
            field,
            definition,
            LEASE if field in layout.writable_leases else layout.permissions_of(field),
            why,
        )
        for field, (definition, why) in _wanted(table, layout).items()
    ]


def _wanted(table: JobTable, layout: TableLayout) -> dict[str, tuple[str, str]]:
    wanted = {field: (definition, why) for field, definition, why in _definitions(table, layout)}
    for field in layout.unindexed_for_users:
        why = "With WHERE true a record user's queries read the whole table; FULL means the same."
        wanted.setdefault(field, (layout.definition_of(field), why))
    for field in layout.writable_leases:
        why = "A client that can write the lease can make its row unreclaimable, or have it sent twice."
        wanted[field] = (layout.definition_of(field), why)
    return wanted


def _step(table: JobTable, field: str, definition: str, permissions: str, why: str) -> MigrationStep:
    statement = f"DEFINE FIELD OVERWRITE {field} ON TABLE {quoted(table.table)} {definition} {permissions}"
    return MigrationStep(table=table.table, statement=f"{statement.strip()};", why=why)


def _definitions(table: JobTable, layout: TableLayout) -> Iterator[tuple[str, str, str]]:
    if not layout.holds_entries:
        why = "Entries of errors have fields: as it is they are stored empty, or refused."
        yield "errors.*", "TYPE object FLEXIBLE", why
    if not layout.keeps_payload_objects:
        kind = layout.type_of("payload")
        kind = ANY_PAYLOAD if "any" in kind else kind
        why = "A payload that is an object has fields: as it is, it is stored empty."
        yield "payload", f"TYPE {kind} FLEXIBLE", why
    if layout.created_at_moves:
        why = "created_at moves at each update: the newest job of a parent isn't found after a retry."
        yield "created_at", "TYPE datetime DEFAULT time::now() READONLY", why
    if not layout.links_any_record:
        why = "A job without assigned_to, or with a parent in another table, is refused."
        yield "assigned_to", "TYPE option<record>", why
    refused = layout.refused_strategies(table.strategies)
    if refused:
        definition = f'TYPE string DEFAULT ALWAYS "linear" ASSERT $value IN {listed(table.strategies)}'
        yield "retry_strategy", definition, f"A job with {', '.join(refused)} is refused."


def listed(strategies: frozenset[str]) -> str:
    """Strategies as a list in a definition."""
    ordered = ["linear", "exponential", *sorted(strategies - {"linear", "exponential"})]
    return (
        "[" + ", ".join('"' + each.replace("\\", "\\\\").replace('"', '\\"') + '"' for each in ordered) + "]"
    )
