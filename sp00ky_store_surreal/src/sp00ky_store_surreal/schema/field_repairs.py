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
    """

    field: str
    problem: str
    consequence: str


def weaknesses(table: JobTable, layout: TableLayout) -> Iterator[Weakness]:
    """List what is weak about a job table, and can be repaired."""
    yield from _weak_definitions(layout)
    if layout.needs_parent:
        problem = f"its type is {layout.type_of('assigned_to')}"
        yield Weakness("assigned_to", problem, "a job without it is refused")
    if refused := layout.refused_strategies(table.strategies):
        problem = f"its ASSERT doesn't allow {', '.join(refused)}"
        yield Weakness("retry_strategy", problem, "a job with such a strategy is refused")
    if layout.is_changeable("max_retries"):
        yield Weakness(
            "max_retries", "clients may change it", "a client has a job sent again that must not be"
        )
    if layout.takes_old_jobs:
        consequence = "a client can make a job that looks delivered, or failed, and never was sent"
        yield Weakness("status", "it takes a client's new row as anything but a new job", consequence)
    for field in layout.writable_leases:
        consequence = "a client can make its row unreclaimable, or have it sent twice"
        yield Weakness(field, "clients may write it", consequence)


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
        repair: Whether what a user has defined is changed, too.
    """
    why = {weakness.field: weakness.consequence for weakness in weaknesses(table, layout)} if repair else {}
    for field in layout.unindexed_for_users if repair else ():
        why.setdefault(
            field, "with WHERE true a record user's queries read the whole table; FULL means the same"
        )
    fields = filter(None, (_FIELD.match(statement) for statement, _ in definitions))
    types = {match[1]: match[2] for match in fields}
    return [_step(layout, field, types, consequence) for field, consequence in why.items()]


def _step(layout: TableLayout, field: str, types: Mapping[str, str], why: str) -> MigrationStep:
    """Define a field anew; permissions are kept, but for a lease's, and that to change ``max_retries``."""
    name, before = (field, field) if field != "errors" else ("errors.*", layout.entry)
    permissions = _LEASE if field in layout.writable_leases else _permissions(layout, before)
    instead = f" (instead of {layout.texts[before]})" if before in layout.texts else ""
    statement = f"DEFINE FIELD OVERWRITE {name} ON TABLE {quoted(layout.name)} {types[name]} {permissions}"
    return MigrationStep(
        table=layout.name, statement=f"{statement.rstrip()};", why=f"As it is, {why}{instead}."
    )


def _permissions(layout: TableLayout, field: str) -> str:
    """Write a field's permissions as they are, with ``FULL`` for ``WHERE true``: it means the same."""
    granted = {**layout.permissions_of(field), **({"update": False} if field == "max_retries" else {})}
    actions = [action for action in ("create", "select", "update") if action in granted]
    grants = [f"FOR {action} {_grant(granted[action])}" for action in actions]
    return f"PERMISSIONS {' '.join(grants)}" if grants else ""


def _grant(granted: Any) -> str:
    if granted in {True, "true"}:
        return "FULL"
    return f"WHERE {granted}" if granted else "NONE"
