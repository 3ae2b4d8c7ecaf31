"""Try on a table what is written to it, and take all of it back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import Any

import attrs
from surrealdb import RecordID

from sp00ky_core.errors import StoreError, StoreUnavailable
from sp00ky_core.ports import JobTable
from sp00ky_store_surreal.connection import Connection
from sp00ky_store_surreal.errors import Conflict, DuplicateKey, StatementInvalid, reason_of
from sp00ky_store_surreal.layout import TableLayout
from sp00ky_store_surreal.queries import quoted, surql

__all__ = ["Refusal", "Tried", "refusal_of_all", "refusals"]

DONE = "sp00ky: nothing was refused"
"""What a trial throws at its end, so that nothing of it is kept."""

LOST = "what is written isn't kept, and no error says so"
"""What a trial throws that finds nothing of what it wrote."""

PATH = "/sp00ky/check"
"""The trial job's, where no route is known."""

_NO_REFUSAL = (StoreUnavailable, StatementInvalid, Conflict)
"""What can't come from a table's definitions; anything else can."""

_OF_TABLE = re.compile(r"record<\W*(\w+)")
_MADE_UP = re.compile(
    r"Found (?!NONE\b).* for field `(path|payload|assigned_to)`.*, but field must conform to: "
)
"""An ASSERT that isn't met by a value that the trial made up; a job's own may meet it."""


class Tried(Enum):
    """What was tried."""

    FUNCTIONS = auto()
    RIGHTS = auto()
    READ = auto()
    NEW = auto()
    KEPT = auto()
    CHANGE = auto()  # what a job can't be delivered without
    RESULT = auto()
    ENTRY = auto()
    REDRIVE = auto()


@attrs.frozen(kw_only=True)
class Refusal:
    """What the database won't do, in its own words."""

    tried: Tried
    reason: str


WRITES = ("trial_success", "trial_failure")
"""What runners write, each from a pending row on: transitions of the state machine and no others, for a
guard of the user's may refuse those."""

MORE = {Tried.RESULT: "trial_result", Tried.ENTRY: "trial_entry", Tried.REDRIVE: "trial_redrive"}
"""What jobs are delivered without, where it is refused."""


async def refusal_of_all(connection: Connection, *, writes: bool) -> Refusal | None:
    """Why nobody, or not who signed in, can do anything on any table; None: nothing is in the way.

    ``writes`` is whether writing is tried too, to a table of ours, which must be there.
    """
    reason = await _tried(connection, surql("trial_functions"))
    if reason is not None:
        return Refusal(tried=Tried.FUNCTIONS, reason=reason)
    reason = await _tried(connection, surql("trial_write")) if writes else None
    return None if reason is None else Refusal(tried=Tried.RIGHTS, reason=reason)


async def refusals(connection: Connection, table: JobTable, layout: TableLayout) -> list[Refusal]:
    """What the database won't let be written; empty where it lets it all, or the table can't be tried.

    A row is made for it, or, where the table wants more of one than we know, one that is there and hasn't
    ended is taken. The user's events aren't set off: a table that has some isn't tried.
    """
    unread = await _unread(connection, layout)
    if unread is not None:
        return [unread]  # what writes such a row reads it, too
    if layout.has_events:
        return []
    row, values = surql("trial_row", table=quoted(layout.name)).strip(), _values(table, layout)
    reason = await _tried(connection, surql("trial_made", row=row), **values)
    if reason is None:
        return await _refused(connection, layout, row, values)
    others = await _refused(connection, layout, surql("any_row", table=quoted(layout.name)).strip(), {})
    if _MADE_UP.match(reason):
        return others
    if reason == LOST:
        return [Refusal(tried=Tried.KEPT, reason=reason), *others]
    perhaps = f" (or {_computed(layout)})" if layout.computed else ""
    return [Refusal(tried=Tried.NEW, reason=reason + perhaps), *others]


async def _unread(connection: Connection, layout: TableLayout) -> Refusal | None:
    """Why one of the first thousand rows that wait can't be read, which fails a claim as a whole."""
    if not layout.computed:
        return None
    fields = ", ".join(map(quoted, layout.computed))
    reason = await _tried(connection, surql("trial_read", table=quoted(layout.name), fields=fields))
    return None if reason is None else Refusal(tried=Tried.READ, reason=f"{_computed(layout)}: {reason}")


def _computed(layout: TableLayout) -> str:
    return f"one of its computed fields ({', '.join(layout.computed)}) fails"


def _values(table: JobTable, layout: TableLayout) -> dict[str, Any]:
    """Of the row that is made: as near to a job's as we know."""
    found = _OF_TABLE.search(layout.type_of("assigned_to"))
    allowed = table.strategies - {*layout.refused_strategies(table.strategies)}
    return {
        "path": min(table.routes, default=PATH),
        "strategy": max(allowed, default="linear"),
        "parent": RecordID(found[1], "sp00ky_check") if found else None,
    }


async def _refused(
    connection: Connection, layout: TableLayout, row: str, values: dict[str, Any]
) -> list[Refusal]:
    refused: list[Refusal] = []
    for tried, writes in _trials(layout):
        statement = surql("trial", row=row, writes=surql(writes).strip())
        reason = await _tried(connection, statement, **values)
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


async def _tried(connection: Connection, statement: str, **values: Any) -> str | None:
    try:
        await connection.write(statement, done=DONE, lost=LOST, **values)
    except _NO_REFUSAL:
        raise
    except DuplicateKey:  # by another row, in an index of the user's
        return None
    except StoreError as error:
        reason = reason_of(error)
        return None if DONE in reason else LOST if LOST in reason else reason
    return None
