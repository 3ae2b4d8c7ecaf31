"""Write to a table what runners write, take all of it back, and report what the database says."""

from __future__ import annotations

import re
from typing import Any

from surrealdb import RecordID

from sp00ky_core.errors import StoreError, StoreUnavailable
from sp00ky_core.ports import Finding, JobTable
from sp00ky_store_surreal.connection.executor import Connection
from sp00ky_store_surreal.errors import (
    FUNCTIONS,
    Conflict,
    DuplicateKey,
    StatementInvalid,
    needs_function,
    reason_of,
)
from sp00ky_store_surreal.schema.introspection import TableLayout
from sp00ky_store_surreal.surql.loader import quoted, surql

DONE = "sp00ky: nothing was refused"
"""Thrown at the end of a dry run, so that nothing of it is kept."""

LOST = "what is written isn't kept, and no error says so"
"""Thrown by a dry run that finds nothing of what it wrote."""

PATH = "/sp00ky/check"
"""The path of its job, where no route is known."""

ALLOW = f"start the server with --allow-funcs {FUNCTIONS}, and with what your own definitions call"
EDITOR = "sign in as a user with ROLES EDITOR"

_NO_REFUSAL = (StoreUnavailable, StatementInvalid, Conflict)
"""Errors that can't come from a table's definitions; any other can."""

_OF_TABLE = re.compile(r"record<\W*(\w+)")
_MADE_UP = re.compile(
    r"Found (?!NONE\b).* for field `(path|payload|assigned_to)`.*, but field must conform to: "
)
"""An ASSERT that isn't met by a value that the dry run made up; a job's own may meet it."""


async def dry_run_of_all(connection: Connection, *, writes: bool) -> list[Finding]:
    """Report what keeps this user, or all, from doing anything on any table.

    ``writes`` is whether writing is tried too, to a table of the store's own, which must exist.
    """
    reason = await _refusal(connection, surql("dry_run_functions"))
    if reason is not None:
        return [Finding.stopping("functions", reason, "jobs can't be made or delivered", ALLOW)]
    reason = await _refusal(connection, surql("dry_run_write_own_table")) if writes else None
    if reason is None:
        return []
    problem = f"whoever signs in here may not write ({reason})"
    return [Finding.stopping("user", problem, "jobs can't be made or delivered", EDITOR)]


async def dry_run(connection: Connection, table: JobTable, layout: TableLayout) -> list[Finding]:
    """Make a job and take it through its life; report the first refusal.

    The user's events aren't set off: a table that has some isn't tried.
    """
    if layout.has_events:
        return []
    row, values = surql("dry_run_job", table=quoted(layout.name)).strip(), _values(table, layout)
    reason = await _refusal(connection, surql("dry_run_read", table=quoted(layout.name)))
    if reason is not None:  # a claim reads its rows, all or none
        return [_stopping(layout.name, reason)]
    reason = await _refusal(connection, surql("dry_run_create", row=row), **values)
    if reason is None:
        reason = await _refusal(connection, surql("dry_run_transitions", row=row), **values)
        return [] if reason is None else [_stopping(layout.name, reason)]
    if _MADE_UP.match(reason):
        return []
    return [_stopping(layout.name, reason) if _is_anyones(reason) else _unmade(layout.name, reason)]


def _is_anyones(reason: str) -> bool:
    """Whether it is refused whoever makes the job."""
    return reason == LOST or needs_function(reason)


def _stopping(table: str, reason: str) -> Finding:
    return Finding.stopping(
        table,
        f"a dry run of a job was refused: {reason}",
        "its jobs can't be claimed, delivered, or kept once they have ended",
        "change the definition that the database names (docs/row-contract.md says what runners write); "
        "a table that keeps nothing has DROP",
    )


def _unmade(table: str, reason: str) -> Finding:
    return Finding.warning(
        table,
        f"a job that has only the outbox's fields was refused: {reason}",
        "outbox.run() and sp00ky call can't make jobs, nor can clients that write no more",
        "give what is refused a default, or let it be absent; no change is needed where every job is made "
        "by who meets it",
    )


def _values(table: JobTable, layout: TableLayout) -> dict[str, Any]:
    """Make up a job, as near to the table's as can be known."""
    found = _OF_TABLE.search(layout.type_of("assigned_to"))
    allowed = table.strategies - {*layout.refused_strategies(table.strategies)}
    return {
        "path": min(table.routes, default=PATH),
        "strategy": max(allowed, default="linear"),
        "parent": RecordID(found[1], "sp00ky_check") if found else None,
    }


async def _refusal(connection: Connection, statement: str, **values: Any) -> str | None:
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
