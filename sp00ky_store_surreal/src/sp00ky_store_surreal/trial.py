"""Try on a table what a runner writes to it, and take all of it back."""

from __future__ import annotations

import re

from surrealdb import RecordID

from sp00ky_core.errors import RowRefused
from sp00ky_store_surreal.connection import Connection
from sp00ky_store_surreal.errors import reason_of
from sp00ky_store_surreal.layout import TableLayout
from sp00ky_store_surreal.queries import quoted, surql

__all__ = ["refusal"]

DONE = "sp00ky: nothing was refused"
"""What the trial throws at its end, so that nothing of it is kept."""

WRITES = ("trial_success", "trial_failure")
"""What runners write, each from a pending row on: transitions of the state machine and no others, for a
guard of the user's may refuse those."""

_OF_TABLE = re.compile(r"record<\W*(\w+)")


async def refusal(connection: Connection, layout: TableLayout) -> str | None:
    """Why the database won't let a runner change a job; None: it will, or the table can't be tried.

    A row is made for it, or, where the table wants more of one than we know, one that is there and hasn't
    ended is taken. The user's events aren't set off: a table that has some isn't tried.
    """
    if layout.has_events:
        return None
    table = quoted(layout.name)
    for row in ("trial_row", "any_row"):
        there = {"row": surql(row, table=table).strip()}
        if await _tried(connection, surql("trial_begins", **there), layout) is None:
            return await _first_refused(connection, layout, there)
    return None


async def _first_refused(connection: Connection, layout: TableLayout, there: dict[str, str]) -> str | None:
    for each in WRITES:
        reason = await _tried(connection, surql("trial", writes=surql(each).strip(), **there), layout)
        if reason is not None:
            return reason
    return None


async def _tried(connection: Connection, statement: str, layout: TableLayout) -> str | None:
    found = _OF_TABLE.search(layout.type_of("assigned_to"))
    parent = RecordID(found[1], "sp00ky_check") if found else None
    try:
        await connection.write(statement, done=DONE, parent=parent)
    except RowRefused as error:
        reason = reason_of(error)
        return None if DONE in reason else reason
    return None
