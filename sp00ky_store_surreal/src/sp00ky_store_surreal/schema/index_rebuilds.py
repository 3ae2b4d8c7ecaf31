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
import itertools
import logging
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from sp00ky_core.errors import RowRefused, SchemaError, StoreError
from sp00ky_core.ports import JobTable, MigrationStep
from sp00ky_core.stores.subscription import Backoff
from sp00ky_store_surreal.connection.conflict_retries import Connection
from sp00ky_store_surreal.errors import reason_of
from sp00ky_store_surreal.rows import count_of
from sp00ky_store_surreal.schema.table_definitions import OUR_INDEXES
from sp00ky_store_surreal.surql.loader import quoted, surql

_log = logging.getLogger(__name__)

EXACT = 100_000
"""Rows of a table up to which all are compared (0.3 s); of a larger one their number and a sample."""

LATE = 1.0
"""Seconds in which a transaction that was under way while an index was built is reckoned to end."""

ROUNDS = 5
"""How often an index is rebuilt that differs from its table again."""

STALLED = 60.0
"""Seconds without progress after which a build is given up."""

_READY = "ready"
_INDEX = re.compile(r"INDEX (?:IF NOT EXISTS )?(\S+) ON TABLE")

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

    @property
    def step(self) -> MigrationStep:
        """Return the step that makes the index what the table holds."""
        return MigrationStep(
            table=self.table,
            statement=f"REBUILD INDEX {self.index} ON TABLE {quoted(self.table)};",
            why=f"It isn't what the table holds: {self.problem}.",
        )


async def differences(connection: Connection, tables: Iterable[JobTable]) -> list[Difference]:
    """Compare the indexes of migrated tables with their rows; of each index the first difference."""
    if connection.target.embedded:
        return []
    names = dict.fromkeys(table.table for table in tables)  # two backends may share one
    return [difference for name in names for difference in await _differences(connection, name)]


async def _differences(connection: Connection, table: str) -> list[Difference]:
    by_index = {
        index: Difference(table=table, index=index, problem=f"its build hasn't ended ({state.get('status')})")
        for index, state in (await _states(connection, table, *sorted(OUR_INDEXES))).items()
        if state.get("status") != _READY
    }
    rows = count_of((await connection.read(surql("index_rows", table=quoted(table))))[-1])
    for difference in await _compared(
        connection, "index_compare" if rows <= EXACT else "index_sample", table
    ):
        by_index.setdefault(difference.index, difference)
    return list(by_index.values())


async def _compared(connection: Connection, comparison: str, table: str) -> list[Difference]:
    """List what differs of what each index and its table count."""
    counts: list[_Counted] = (await connection.read(surql(comparison, table=quoted(table))))[-1]
    return [
        Difference(
            table=table, index=index, problem=f"rows with {what}: {shown or 0} by it, {held or 0} in truth"
        )
        for index, what, held, shown in counts
        if (held or 0) != (shown or 0)
    ]


async def _states(connection: Connection, table: str, *indexes: str) -> Mapping[str, Mapping[str, Any]]:
    """Read how far each of these has been built; one that was never stopped is ready."""
    infos = "".join(f"INFO FOR INDEX {index} ON TABLE {quoted(table)};" for index in indexes)
    replies = zip(indexes, await connection.read(infos), strict=True)
    return {index: reply.get("building") or {"status": _READY} for index, reply in replies}


async def build(connection: Connection, step: MigrationStep) -> None:
    """Define or rebuild an index, beside writers too, and wait until it is built.

    Raises ``SchemaError`` where rows can't be in it.
    """
    try:
        await connection.write(step.statement)
    except RowRefused as error:
        raise _unfit(step.table, connection, error.problem) from error
    except StoreError as error:
        if "currently building" not in reason_of(error):  # by another migration
            raise
    if not connection.target.embedded:
        await _built(connection, step.table, _INDEX.findall(step.statement)[0])


def _unfit(table: str, connection: Connection, problem: str) -> SchemaError:
    return SchemaError(
        store=connection.target.location,
        problem=f"table {table!r} has rows that an index can't hold ({problem}): "
        "delete those whose path holds NUL, or that share a dedup_live, and run it again",
    )


async def _built(connection: Connection, table: str, index: str) -> None:
    """Wait until an index is built, as long as the build gets on."""
    seen, since, backoff = None, time.monotonic(), Backoff(first=0.01, limit=0.5)
    while True:
        state = (await _states(connection, table, index))[index]
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
    for rebuilds in range(ROUNDS + 1):
        if built:  # also where there are no rows yet: the first ones may be under way
            await asyncio.sleep(LATE)
        different = await differences(connection, wanted)
        if not different:
            return
        for difference in different if rebuilds < ROUNDS else ():  # else none would look at it
            await build(connection, difference.step)
        built = True
    first = different[0]
    raise SchemaError(
        store=connection.target.location,
        problem=f"index {first.index} of {first.table!r} isn't what the table holds ({first.problem}), "
        "however often it is rebuilt: stop what writes to the table, and run sp00ky migrate again",
    )


class ClaimIndex:
    """Knows the tables whose index of claims differs from their rows; each is logged once."""

    def __init__(self, connection: Connection, tables: Sequence[JobTable]) -> None:
        self._connection = connection
        self._turns = itertools.cycle(dict.fromkeys(table.table for table in tables))
        self._untrue: set[str] = set()

    async def look(self) -> None:
        """Compare what the next table's index of claims shows first with the rows, on a server.

        Tables are looked at in turn, for a look costs 5 ms.
        """
        if self._connection.target.embedded:
            return
        table = next(self._turns)
        different = await _compared(self._connection, "index_look", table)
        problem = next((difference.problem for difference in different), None)
        if problem is None:
            self._untrue.discard(table)
        elif table not in self._untrue:
            self._untrue.add(table)
            _log.error(
                "table %r: its index sp00ky_claim isn't what it holds (%s); claims ask each row until it is "
                "rebuilt: run sp00ky migrate",
                table,
                problem,
            )

    def is_untrue(self, table: JobTable) -> bool:
        """Whether claims are to ask each row what the index says of it."""
        return table.table in self._untrue
