"""Try on a table what is written to it, and take all of it back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto

import attrs
from surrealdb import RecordID

from sp00ky_core.errors import RowRefused
from sp00ky_store_surreal.connection import Connection
from sp00ky_store_surreal.errors import reason_of
from sp00ky_store_surreal.layout import TableLayout
from sp00ky_store_surreal.queries import quoted, surql

__all__ = ["Refusal", "Tried", "refusals"]

DONE = "sp00ky: nothing was refused"
"""What the trial throws at its end, so that nothing of it is kept."""

_OF_TABLE = re.compile(r"record<\W*(\w+)")


class Tried(Enum):
    """What was tried."""

    CHANGE = auto()  # what a job can't be delivered without
    RESULT = auto()
    ENTRY = auto()
    REDRIVE = auto()


@attrs.frozen(kw_only=True)
class Refusal:
    """What the database won't have written, in its own words."""

    tried: Tried
    reason: str


WRITES = ("trial_success", "trial_failure")
"""What runners write, each from a pending row on: transitions of the state machine and no others, for a
guard of the user's may refuse those."""

MORE = {Tried.RESULT: "trial_result", Tried.ENTRY: "trial_entry", Tried.REDRIVE: "trial_redrive"}
"""What jobs are delivered without, where it is refused."""


async def refusals(connection: Connection, layout: TableLayout) -> list[Refusal]:
    """What the database won't let a runner write; empty where it lets it all, or the table can't be tried.

    A row is made for it, or, where the table wants more of one than we know, one that is there and hasn't
    ended is taken. The user's events aren't set off: a table that has some isn't tried.
    """
    if layout.has_events:
        return []
    table = quoted(layout.name)
    for row in ("trial_row", "any_row"):
        there = surql(row, table=table).strip()
        if await _tried(connection, surql("trial_begins", row=there), layout) is None:
            return await _refused(connection, layout, there)
    return []


async def _refused(connection: Connection, layout: TableLayout, row: str) -> list[Refusal]:
    refused: list[Refusal] = []
    for tried, writes in _trials(layout):
        reason = await _tried(connection, surql("trial", row=row, writes=surql(writes).strip()), layout)
        if reason is not None:
            refused.append(Refusal(tried=tried, reason=reason))
        if reason is not None and tried is Tried.CHANGE:
            break  # the rest would be refused for the same reason
    return refused


def _trials(layout: TableLayout) -> Iterator[tuple[Tried, str]]:
    yield from ((Tried.CHANGE, each) for each in WRITES)
    for tried, writes in MORE.items():
        if tried is not Tried.ENTRY or layout.holds_entries:
            yield tried, writes


async def _tried(connection: Connection, statement: str, layout: TableLayout) -> str | None:
    found = _OF_TABLE.search(layout.type_of("assigned_to"))
    parent = RecordID(found[1], "sp00ky_check") if found else None
    try:
        await connection.write(statement, done=DONE, parent=parent)
    except RowRefused as error:
        reason = reason_of(error)
        return None if DONE in reason else reason
    return None
