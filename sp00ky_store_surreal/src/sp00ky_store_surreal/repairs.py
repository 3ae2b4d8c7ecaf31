"""What ``migrate --repair`` changes of a table that was there: one definition a step, with its reason."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sp00ky_core.ports import JobTable, MigrationStep
from sp00ky_store_surreal.clauses import Clauses, text_of
from sp00ky_store_surreal.layout import TableLayout
from sp00ky_store_surreal.queries import quoted

__all__ = ["repairs", "listed"]

ANY_PAYLOAD = (
    "option<string | object | array | number | bool | null | bytes | datetime | duration | uuid | record"
    " | geometry | range | function>"
)
"""``any`` that can be FLEXIBLE, which 3.x refuses for ``any``; a row that is there stays writable."""

LEASE = "FOR select FULL FOR create, update NONE"
"""Who may write a lease: runners, who are no record users."""

_ALLOWED = re.compile(r"(\$value (?:IN|INSIDE) \[)([^\[\]]*)\]")


def repairs(table: JobTable, layout: TableLayout) -> list[MigrationStep]:
    """The steps for what is weak about a job table. The rest stays; permissions mean what they meant."""
    changes = {field: (clauses, why) for field, clauses, why in _changes(table, layout)}
    for field in layout.unindexed_for_users:
        why = "With WHERE true a record user's queries read the whole table; FULL means the same"
        changes.setdefault(field, (layout.clauses_of(field), why))
    for field in layout.writable_leases:
        why = "A client that can write the lease can make its row unreclaimable, or have it sent twice"
        changes[field] = layout.clauses_of(field), why
    return [_step(table, layout, field, clauses, why) for field, (clauses, why) in changes.items()]


def _step(table: JobTable, layout: TableLayout, field: str, clauses: Clauses, why: str) -> MigrationStep:
    leased = field in layout.writable_leases
    permissions = LEASE if leased else layout.permissions_of(field)
    gone = " ".join(
        f"{keyword} {text}".strip()
        for keyword, text in layout.clauses_of(field).items()
        if keyword != "PERMISSIONS" and clauses.get(keyword) != text
    )
    definition = text_of(clauses | ({"PERMISSIONS": permissions} if permissions else {}))
    name = "errors.*" if field == layout.entry else field
    return MigrationStep(
        table=table.table,
        statement=f"DEFINE FIELD OVERWRITE {name} ON TABLE {quoted(table.table)} {definition};",
        why=f"{why} (instead of {gone})." if gone else f"{why}.",
    )


def _changes(table: JobTable, layout: TableLayout) -> Iterator[tuple[str, Clauses, str]]:
    """What each weak field becomes: its own definition, but for what is weak."""
    if not layout.holds_entries:
        why = "Entries of errors have fields: as it is they are stored empty, or refused"
        yield layout.entry, layout.clauses_of(layout.entry) | {"TYPE": "object FLEXIBLE"}, why
    if not layout.keeps_payload_objects:
        kind = layout.type_of("payload")
        kind = ANY_PAYLOAD if "any" in kind else kind
        why = "A payload that is an object has fields: as it is, it is stored empty"
        yield "payload", layout.clauses_of("payload") | {"TYPE": f"{kind} FLEXIBLE"}, why
    if layout.created_at_moves:
        why = "created_at moves at each update: the newest job of a parent isn't found after a retry"
        yield "created_at", _set_once(layout.clauses_of("created_at")), why
    if not layout.links_any_record:
        why = "A job without assigned_to, or with a parent in another table, is refused"
        yield "assigned_to", layout.clauses_of("assigned_to") | {"TYPE": "option<record>"}, why
    refused = layout.refused_strategies(table.strategies)
    if refused:
        clauses = layout.clauses_of("retry_strategy")
        allowed = {"ASSERT": _allowing(clauses["ASSERT"], refused, table.strategies)}
        yield "retry_strategy", clauses | allowed, f"A job with {', '.join(refused)} is refused"


def _set_once(created_at: Clauses) -> Clauses:
    kept = {keyword: text for keyword, text in created_at.items() if keyword != "VALUE"}
    return {"TYPE": "datetime", "DEFAULT": "time::now()", "READONLY": ""} | kept


def _allowing(condition: str, refused: list[str], strategies: frozenset[str]) -> str:
    """The ASSERT with these in its list too; where it has none, one that has a list."""
    found = _ALLOWED.search(condition)
    if found is None:
        return f"$value IN {listed(strategies)}"
    others = [each for each in [found[2].strip(), *map(_text, refused)] if each]
    return f"{condition[: found.start()]}{found[1]}{', '.join(others)}]{condition[found.end() :]}"


def listed(strategies: frozenset[str]) -> str:
    """Strategies as a list in a definition."""
    ordered = ["linear", "exponential", *sorted(strategies - {"linear", "exponential"})]
    return f"[{', '.join(map(_text, ordered))}]"


def _text(strategy: str) -> str:
    return '"' + strategy.replace("\\", "\\\\").replace('"', '\\"') + '"'
