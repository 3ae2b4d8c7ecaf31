"""Repair weak fields of a job table: a fixed definition for each, shown before it is carried out."""

from __future__ import annotations

from collections.abc import Mapping

from sp00ky_core.ports import JobTable, MigrationStep
from sp00ky_store_surreal.schema.introspection import TableLayout
from sp00ky_store_surreal.surql.loader import quoted

__all__ = ["ANY_JSON", "listed", "repairs"]

ANY_JSON = "option<string | object | array | number | bool | null> FLEXIBLE"
"""``any`` before 3.0, where an object in it would be stored empty. (3.2 refuses one with parts.)"""

LEASE = "FOR select FULL FOR create, update NONE"
"""Permissions of a lease: runners, who are no record users, write it."""

DEFINITIONS: Mapping[str, str] = {
    "errors.*": "TYPE object FLEXIBLE",
    "errors[*]": "TYPE object FLEXIBLE",
    "payload": f"TYPE {ANY_JSON}",
    "created_at": "TYPE datetime DEFAULT time::now() READONLY",
    "assigned_to": "TYPE option<record>",
    "path": "TYPE string",
    "lease_epoch": "TYPE option<int> DEFAULT 0",
    "lease_until": "TYPE option<datetime>",
    "runner_id": "TYPE option<string>",
    "deferred_since": "TYPE option<datetime>",
}
"""A weak field becomes this; its permissions are kept, but for a lease's."""


def repairs(table: JobTable, layout: TableLayout) -> list[MigrationStep]:
    """List the steps for what is weak about a job table."""
    return [_step(table, layout, field, why) for field, why in _weak(table, layout).items()]


def _step(table: JobTable, layout: TableLayout, field: str, why: str) -> MigrationStep:
    permissions = LEASE if field in layout.writable_leases else layout.permissions_of(field)
    strategies = f'TYPE string DEFAULT ALWAYS "linear" ASSERT $value IN {listed(table.strategies)}'
    definition = DEFINITIONS.get(field, strategies) + (f" PERMISSIONS {permissions}" if permissions else "")
    name = "errors.*" if field == layout.entry else field
    before = layout.fields.get(field)
    return MigrationStep(
        table=table.table,
        statement=f"DEFINE FIELD OVERWRITE {name} ON TABLE {quoted(table.table)} {definition};",
        why=f"{why} (instead of {before})." if before else f"{why}.",
    )


def _weak(table: JobTable, layout: TableLayout) -> dict[str, str]:
    """Name each weak field, and say why."""
    why: dict[str, str] = {}
    if not layout.holds_entries:
        why[layout.entry] = "Entries of errors have fields: as it is they are stored empty, or refused"
    if not layout.keeps_payload_objects:
        why["payload"] = "A payload that is an object has fields: as it is, it is stored empty"
    if layout.created_at_moves:
        why["created_at"] = (
            "created_at moves at each update: the newest job of a parent isn't found after a retry"
        )
    if layout.needs_parent:
        why["assigned_to"] = "A job without assigned_to is refused"
    refused = layout.refused_strategies(table.strategies)
    if refused:
        why["retry_strategy"] = f"A job with {', '.join(refused)} is refused"
    for field in layout.unindexed_for_users:
        why.setdefault(
            field, "With WHERE true a record user's queries read the whole table; FULL means the same"
        )
    for field in layout.writable_leases:
        why[field] = "A client that can write the lease can make its row unreclaimable, or have it sent twice"
    return why


def listed(strategies: frozenset[str]) -> str:
    """Write strategies as a list in a definition."""
    ordered = ["linear", "exponential", *sorted(strategies - {"linear", "exponential"})]
    return f"[{', '.join(map(_text, ordered))}]"


def _text(strategy: str) -> str:
    return '"' + strategy.replace("\\", "\\\\").replace('"', '\\"') + '"'
