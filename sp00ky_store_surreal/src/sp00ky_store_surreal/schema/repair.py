"""Repair weak fields of a job table: a fixed definition for each, shown before it is carried out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

from sp00ky_core.ports import LONGEST_TEXT, JobTable, MigrationStep
from sp00ky_store_surreal.schema.introspection import TableLayout
from sp00ky_store_surreal.surql.loader import quoted

ANY_JSON = "option<string | object | array | number | bool | null> FLEXIBLE"
"""``any`` before 3.0, where an object in it would be stored empty. (3.2 refuses one with parts.)"""

ANY_RESULT = "any"
"""What ``result`` takes, as Sp00ky's own does; before 3.0 it is text, which is kept there."""

DUE = """(time::now() + IF delay > 0 AND delay <= 315360000000 {
    <duration>(<string>(<int>delay) + 'ms') } ELSE { 0ns })"""
"""When a client's job is due: what it delays isn't met by a claim before."""

FITS = f"$value = NONE OR string::len($value) <= {LONGEST_TEXT} OR $before = $value"
"""A text that isn't refused: what is there already, too, or the row couldn't be written any more."""

LEASE = "PERMISSIONS FOR select FULL FOR create, update NONE"
"""Permissions of a lease: runners, who are no record users, write it."""

DEFINITIONS: Mapping[str, str] = {
    "errors.*": "TYPE object FLEXIBLE",
    "payload": f"TYPE {ANY_JSON}",
    "created_at": "TYPE datetime DEFAULT time::now() READONLY",
    "assigned_to": "TYPE option<record>",
    "path": f"TYPE string ASSERT {FITS}",
    "lease_epoch": "TYPE option<int> DEFAULT 0",
    "lease_until": "TYPE option<datetime>",
    "runner_id": "TYPE option<string>",
    "result": f"TYPE {ANY_RESULT}",
    "run_at": f"TYPE option<datetime> DEFAULT {DUE}",
    "deferred_since": "TYPE option<datetime>",
}
"""A weak field becomes this; its permissions are kept, but for a lease's."""


@attrs.frozen(kw_only=True)
class Weakness:
    """Says what is weak about a field of a job table.

    Attributes:
        field: Its name.
        problem: What it is.
        consequence: What comes of it.
    """

    field: str
    problem: str
    consequence: str


@attrs.frozen(kw_only=True)
class _Problem(Weakness):
    is_in: Callable[[TableLayout], bool]


_PROBLEMS = (
    _Problem(
        field="errors",
        is_in=lambda layout: not layout.holds_entries,
        problem="its entries can't have fields",
        consequence="why an attempt failed isn't kept on the row",
    ),
    _Problem(
        field="payload",
        is_in=lambda layout: not layout.keeps_payload_objects,
        problem="its objects can't have fields",
        consequence="a payload that is an object is stored empty (JSON text is kept)",
    ),
    _Problem(
        field="created_at",
        is_in=lambda layout: layout.created_at_moves,
        problem="it moves at each update",
        consequence="the newest job of a parent isn't found after a retry",
    ),
    _Problem(
        field="result",
        is_in=lambda layout: layout.result_is_text,
        problem="it takes text alone",
        consequence="a runner of Sp00ky's own loses each result that is an object, should you go back to it",
    ),
    _Problem(
        field="path",
        is_in=lambda layout: layout.path_is_boundless,
        problem=f"it takes a text of more than {LONGEST_TEXT} characters",
        consequence="one of 300 MB holds up all jobs for as long as the database reads it",
    ),
    _Problem(
        field="run_at",
        is_in=lambda layout: layout.delays_are_met,
        problem="its default doesn't know delay",
        consequence="claims meet jobs that a client delays, and move them, at a price for all others",
    ),
)


def weaknesses(table: JobTable, layout: TableLayout) -> Iterator[Weakness]:
    """List what is weak about a job table, and can be repaired."""
    yield from (problem for problem in _PROBLEMS if problem.is_in(layout))
    if layout.needs_parent:
        problem = f"its type is {layout.type_of('assigned_to')}"
        yield Weakness(field="assigned_to", problem=problem, consequence="a job without it is refused")
    refused = layout.refused_strategies(table.strategies)
    if refused:
        problem = f"its ASSERT doesn't allow {', '.join(refused)}"
        consequence = "a job with such a strategy is refused"
        yield Weakness(field="retry_strategy", problem=problem, consequence=consequence)
    for field in layout.writable_leases:
        consequence = "a client can make its row unreclaimable, or have it sent twice"
        yield Weakness(field=field, problem="clients may write it", consequence=consequence)


def repairs(table: JobTable, layout: TableLayout) -> list[MigrationStep]:
    """List the steps for what is weak about a job table."""
    why = {weakness.field: weakness.consequence for weakness in weaknesses(table, layout)}
    for field in layout.unindexed_for_users:
        why.setdefault(
            field, "with WHERE true a record user's queries read the whole table; FULL means the same"
        )
    return [_step(table, layout, field, consequence) for field, consequence in why.items()]


def _step(table: JobTable, layout: TableLayout, field: str, why: str) -> MigrationStep:
    name, before = (field, field) if field != "errors" else ("errors.*", layout.entry)
    permissions = LEASE if field in layout.writable_leases else _permissions(layout, before)
    strategies = f'TYPE string DEFAULT ALWAYS "linear" ASSERT $value IN {listed(table.strategies)}'
    definition = f"{DEFINITIONS.get(name, strategies)} {permissions}".rstrip()
    instead = f" (instead of {layout.texts[before]})" if before in layout.texts else ""
    return MigrationStep(
        table=table.table,
        statement=f"DEFINE FIELD OVERWRITE {name} ON TABLE {quoted(table.table)} {definition};",
        why=f"As it is, {why}{instead}.",
    )


def _permissions(layout: TableLayout, field: str) -> str:
    """Write a field's permissions as they are, on 3.x with ``FULL`` for ``WHERE true``: it means the same."""
    granted = layout.permissions_of(field)
    actions = [action for action in ("create", "select", "update") if action in granted]
    grants = [f"FOR {action} {_grant(granted[action], is_older=layout.is_older)}" for action in actions]
    return f"PERMISSIONS {' '.join(grants)}" if grants else ""


def _grant(granted: Any, *, is_older: bool) -> str:
    if granted is True or (granted == "true" and not is_older):
        return "FULL"
    return f"WHERE {granted}" if granted else "NONE"


def listed(strategies: frozenset[str]) -> str:
    """Write strategies as a list in a definition."""
    ordered = ["linear", "exponential", *sorted(strategies - {"linear", "exponential"})]
    return f"[{', '.join(map(_text, ordered))}]"


def _text(strategy: str) -> str:
    return '"' + strategy.replace("\\", "\\\\").replace('"', '\\"') + '"'
