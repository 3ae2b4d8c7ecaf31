"""Build indexes beside writers, compare them with their tables, rebuild those that differ.

What a server (3.0 to 3.3) does while an index is built:

- ``DEFINE INDEX`` indexes what it sees at its start. What others write meanwhile isn't in the index, and what
  they take away stays in it: a row that has ended is shown as pending for good.
- ``DEFINE INDEX ... CONCURRENTLY`` follows writes that begin after it. Of those under way the same is lost.
- ``REBUILD INDEX`` of an index that is defined follows all writes, but for some under way at its end.

So an index is defined, compared with its table once the writes under way may have ended, and rebuilt where it
differs. Embedded there is one writer at a time, and none of this.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from sp00ky_core.errors import RowRefused, SchemaError, StoreError
from sp00ky_core.ports import JobTable, MigrationStep
from sp00ky_core.stores.subscription import Backoff
from sp00ky_store_surreal.connection.executor import Connection
from sp00ky_store_surreal.errors import reason_of
from sp00ky_store_surreal.rows import count_of
from sp00ky_store_surreal.schema.introspection import OUR_INDEXES
from sp00ky_store_surreal.surql.loader import quoted, surql

EXACT = 100_000
"""Rows of a table up to which all are compared (0.3 s); of a larger one their number and a sample."""

LATE = 1.0
"""Seconds in which a transaction that was under way while an index was built is reckoned to end."""

ROUNDS = 5
"""How often an index is rebuilt that differs from its table again."""

STALLED = 60.0
"""Seconds without progress after which a build is given up."""

_READY = "ready"

_Counted = tuple[str, str, int | None, int | None]
"""An index, what was counted, how many rows have it by the table, and by the index."""


@attrs.frozen(kw_only=True)
class Difference:
    """Says how an index isn't what its table holds.

    Attributes:
        table: The table.
        index: The index.
        problem: What differs, in one line.
    """

    table: str
    index: str
    problem: str


async def differences(connection: Connection, tables: Iterable[JobTable]) -> list[Difference]:
    """Compare the indexes of migrated tables with their rows; of each index the first difference."""
    if connection.target.embedded:
        return []
    names = dict.fromkeys(table.table for table in tables)  # two backends may share one
    return [difference for name in names for difference in await _differences(connection, name)]


async def _differences(connection: Connection, table: str) -> list[Difference]:
    by_index = {
        index: Difference(table=table, index=index, problem=f"its build hasn't ended ({state.get('status')})")
        for index, state in (await _states(connection, table)).items()
        if state.get("status") != _READY
    }
    comparison = "index_compare" if await _rows_of(connection, table) <= EXACT else "index_sample"
    for difference in differences_in(table, await _compared(connection, comparison, table)):
        by_index.setdefault(difference.index, difference)
    return list(by_index.values())


async def _compared(connection: Connection, comparison: str, table: str) -> list[Any]:
    reply = await connection.read(surql(comparison, table=quoted(table)))
    rows: list[Any] = reply[-1]
    return rows


async def looked_at(connection: Connection, table: str) -> list[Difference]:
    """Compare what the index of claims shows first with the rows: it costs a few milliseconds."""
    return differences_in(table, await _compared(connection, "index_look", table))


def differences_in(table: str, compared: Iterable[_Counted]) -> list[Difference]:
    """List what differs of what each index and its table count."""
    counts = [(index, f"rows with {what}", held or 0, shown or 0) for index, what, held, shown in compared]
    return [
        Difference(table=table, index=index, problem=f"{rows}: {shown} by it, {held} in truth")
        for index, rows, held, shown in counts
        if held != shown
    ]


async def _states(connection: Connection, table: str) -> Mapping[str, Mapping[str, Any]]:
    """Read how far each index of the store's has been built; one that was never stopped is ready."""
    names = sorted(OUR_INDEXES)
    infos = "".join(f"INFO FOR INDEX {name} ON TABLE {quoted(table)};" for name in names)
    replies = await connection.read(infos)
    return {
        name: reply.get("building") or {"status": _READY} for name, reply in zip(names, replies, strict=True)
    }


async def define(connection: Connection, step: MigrationStep, index: str) -> None:
    """Define an index, and wait until it is built. Raises ``SchemaError`` where rows can't be in it."""
    try:
        await connection.write(step.statement)
        if not connection.target.embedded:
            await _built(connection, step.table, index)
    except RowRefused as error:
        raise _unfit(step.table, connection, error.problem) from error


async def rebuild(connection: Connection, table: str, index: str) -> None:
    """Rebuild an index, beside writers too."""
    try:
        await connection.write(f"REBUILD INDEX {index} ON TABLE {quoted(table)};")
    except RowRefused as error:
        raise _unfit(table, connection, error.problem) from error
    except StoreError as error:
        if "currently building" not in reason_of(error):  # by another migration
            raise
    await _built(connection, table, index)


def _unfit(table: str, connection: Connection, problem: str) -> SchemaError:
    return SchemaError(
        store=connection.target.location,
        problem=f"table {table!r} has rows that an index can't hold ({problem}): "
        "delete those whose path holds NUL, or that share a dedup_live, and run it again",
    )


async def _built(connection: Connection, table: str, index: str) -> None:
    """Wait until an index is built, as long as the build gets on."""
    seen, since, backoff = None, time.monotonic(), Backoff(first=0.01, limit=0.5)
    statement = f"INFO FOR INDEX {index} ON TABLE {quoted(table)};"
    while True:
        state = (await connection.read(statement))[-1].get("building") or {"status": _READY}
        if state.get("status") == _READY:
            return
        if state.get("error"):
            raise _unfit(table, connection, str(state["error"]))
        if state != seen:
            seen, since = state, time.monotonic()
        if time.monotonic() - since > STALLED:
            problem = (
                f"index {index} of {table!r} isn't built ({state.get('status')}): run sp00ky migrate again"
            )
            raise SchemaError(store=connection.target.location, problem=problem)
        await backoff.wait()


async def make_true(connection: Connection, tables: Iterable[JobTable], *, built: bool) -> None:
    """Compare the indexes of these tables with their rows, and rebuild those that differ until none does.

    Args:
        connection: The store's.
        tables: Migrated ones.
        built: Whether an index of a table that others write to was built just now.

    Raises:
        SchemaError: An index differs after ``ROUNDS`` rebuilds.
    """
    if connection.target.embedded:
        return
    wanted = list(tables)
    for _ in range(ROUNDS + 1):
        if built:  # also where there are no rows yet: the first ones may be under way
            await asyncio.sleep(LATE)
        different = await differences(connection, wanted)
        if not different:
            return
        for difference in different:
            await rebuild(connection, difference.table, difference.index)
        built = True
    first = different[0]
    raise SchemaError(
        store=connection.target.location,
        problem=f"index {first.index} of {first.table!r} isn't what the table holds ({first.problem}), "
        "however often it is rebuilt: stop what writes to the table, and run sp00ky migrate again",
    )


async def _rows_of(connection: Connection, table: str) -> int:
    return count_of((await connection.read(surql("index_rows", table=quoted(table))))[-1])
