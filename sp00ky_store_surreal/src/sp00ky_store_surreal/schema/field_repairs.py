"""Repair weak fields of a job table: each is defined as in a new one, and shown before it is carried out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs

from sp00ky_core.ports import LONGEST_TEXT, JobTable, MigrationStep
from sp00ky_store_surreal.schema.table_definitions import TableLayout
from sp00ky_store_surreal.surql.loader import quoted

_FIELD = re.compile(
    r"DEFINE FIELD .+? (\S+) ON TABLE (?:`[^`]+`|\S+) (TYPE .*?)\s*(?:PERMISSIONS .*)?;", re.DOTALL
)
_LEASE = "PERMISSIONS FOR select FULL FOR create, update NONE"
"""Runners, who are no record users, write it."""


@attrs.frozen
class Weakness:
    """Says what is weak about a field of a job table.

    Attributes:
        field: Its name.
        problem: What it is.
        consequence: What comes of it.
        breaks_promise: A client can break what is promised of jobs; any migration closes it.
    """

    field: str
    problem: str
    consequence: str
    breaks_promise: bool = False


def weaknesses(table: JobTable, layout: TableLayout) -> Iterator[Weakness]:
    """List what is weak about a job table, and can be repaired."""
    yield from _weak_definitions(layout)
    if layout.needs_parent:
        problem = f"its type is {layout.type_of('assigned_to')}"
        yield Weakness("assigned_to", problem, "a job without it is refused")
    if refused := layout.refused_strategies(table.strategies):
        problem = f"its ASSERT doesn't allow {', '.join(refused)}"
        yield Weakness("retry_strategy", problem, "a job with such a strategy is refused")
    yield from _open(layout)


def _open(layout: TableLayout) -> Iterator[Weakness]:
    if layout.is_changeable("max_retries"):
        consequence = "a client has a job sent again that must not be"
        yield Weakness("max_retries", "clients may change it", consequence, breaks_promise=True)
    if layout.takes_old_jobs:
        problem = "it takes a client's new row as anything but a new job"
        consequence = "a client can make a job that looks delivered, or failed, and never was sent"
        yield Weakness("status", problem, consequence, breaks_promise=True)
    for field in layout.writable_leases:
        consequence = "a client can make its row unreclaimable, or have it sent twice"
        yield Weakness(field, "clients may write it", consequence, breaks_promise=True)


def _weak_definitions(layout: TableLayout) -> Iterator[Weakness]:
    if not layout.holds_entries:
        yield Weakness(
            "errors", "its entries can't have fields", "why an attempt failed isn't kept on the row"
        )
    if "value" in layout.fields.get("created_at", {}):
        consequence = "the newest job of a parent isn't found after a retry"
        yield Weakness("created_at", "it moves at each update", consequence)
    if not layout.is_older and layout.type_of("result") in {"none | string", "option<string>"}:  # as in 0.2
        consequence = "a runner of Sp00ky's own loses each result that is an object, should you go back to it"
        yield Weakness("result", "it takes text alone", consequence)
    path = layout.fields.get("path", {})
    if path.get("kind") == "string" and not {"assert", "value", "default"} & path.keys():
        yield Weakness(
            "path",
            f"it takes a text of more than {LONGEST_TEXT} characters",
            "one of 300 MB holds up all jobs for as long as the database reads it",
        )
    if (
        "delay" in layout.fields and layout.fields.get("run_at", {}).get("default") == "time::now()"
    ):  # as in 0.2
        consequence = "claims meet jobs that a client delays, and move them, at a price for all others"
        yield Weakness("run_at", "its default doesn't know delay", consequence)


def repairs(
    table: JobTable, layout: TableLayout, definitions: Iterable[tuple[str, str]], *, repair: bool
) -> list[MigrationStep]:
    """List the steps for what is weak about a job table.

    Args:
        table: The table.
        layout: Its own.
        definitions: The statements that define a new one, each with its reason.
        repair: Whether what a user has defined is changed, too. What clients could break a promise with is
            closed in any case, and nothing else of its definition is changed.
    """
    found = [one for one in weaknesses(table, layout) if repair or one.breaks_promise]
    why = {one.field: one.consequence for one in found if not one.breaks_promise}
    for field in layout.unindexed_for_users if repair else ():
        why.setdefault(
            field, "with WHERE true a record user's queries read the whole table; FULL means the same"
        )
    fields = filter(None, (_FIELD.match(statement) for statement, _ in definitions))
    types = {match[1]: match[2] for match in fields}
    closed = [_closed(layout, one, types) for one in found if one.breaks_promise]
    return [*closed, *(_mended(layout, field, types, consequence) for field, consequence in why.items())]


def _mended(layout: TableLayout, field: str, types: Mapping[str, str], why: str) -> MigrationStep:
    """Define a field as in a new table; its permissions are kept."""
    name, before = (field, field) if field != "errors" else ("errors.*", layout.entry)
    return _step(layout, name, f"{types[name]} {_permissions(layout.permissions_of(before))}", why, before)


def _closed(layout: TableLayout, weakness: Weakness, types: Mapping[str, str]) -> MigrationStep:
    """Define a field as it is, but for what it lets clients do."""
    field, granted = weakness.field, layout.permissions_of(weakness.field)
    _, _, placed = layout.texts[field].rpartition(" PERMISSIONS ")[0].partition(" ON ")
    own = placed.partition(" ")[2]
    if field == "status":
        asked, new = layout.fields[field].get("assert"), types[field].partition("AND ")[2]
        own = (
            own.replace(f"ASSERT {asked}", f"ASSERT ({asked}) AND {new}") if asked else f"{own} ASSERT {new}"
        )
    elif field == "max_retries":
        granted = {**granted, "update": False}
    permissions = _LEASE if field in layout.writable_leases else _permissions(granted)
    return _step(layout, field, f"{own} {permissions}", weakness.consequence, field)


def _step(layout: TableLayout, name: str, definition: str, why: str, before: str) -> MigrationStep:
    instead = f" (instead of {layout.texts[before]})" if before in layout.texts else ""
    statement = f"DEFINE FIELD OVERWRITE {name} ON TABLE {quoted(layout.name)} {definition}"
    return MigrationStep(
        table=layout.name, statement=f"{statement.rstrip()};", why=f"As it is, {why}{instead}."
    )


def _permissions(granted: Mapping[str, Any]) -> str:
    """Write a field's permissions as they are, with ``FULL`` for ``WHERE true``: it means the same."""
    actions = [action for action in ("create", "select", "update") if action in granted]
    grants = [f"FOR {action} {_grant(granted[action])}" for action in actions]
    return f"PERMISSIONS {' '.join(grants)}" if grants else ""


def _grant(granted: Any) -> str:
    if granted in {True, "true"}:
        return "FULL"
    return f"WHERE {granted}" if granted else "NONE"
