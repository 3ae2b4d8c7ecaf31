"""Keep schedules: change them with the jobs of a fire, read and prune their runs, ask for their rows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

import attrs

from sp00ky_core.encoding.json_bytes import decode, encode
from sp00ky_core.errors import QueryRefused, StoreClosed, StoreError, StoreUnavailable
from sp00ky_core.job.job import Job
from sp00ky_core.ports import (
    OPEN_RUN,
    RunQuery,
    RunStatus,
    ScheduleChange,
    ScheduleRun,
    ScheduleSnapshot,
    Spawn,
)
from sp00ky_core.schedules.definition import (
    refused_run,
    run_of,
    run_row,
    run_with_job,
    schedule_of,
    schedule_row,
)
from sp00ky_core.stores.refused_writes import write_around
from sp00ky_core.stores.transactional.connection.lanes import Executor
from sp00ky_core.stores.transactional.connection.session import Access, Is, Session, Where
from sp00ky_core.stores.transactional.schema import SCHEDULE_RUNS, SCHEDULES

KEY_PREFIX = "sch_"
"""Of the keys of jobs that a schedule has made, as Sp00ky has it."""

Insert = Callable[[Session, Sequence[Spawn]], Awaitable[Sequence[Job]]]


class _Tried(Exception):
    """A trial is over, and is undone."""


@attrs.frozen
class Changing:
    """Writes a change.

    Attributes:
        insert: Inserts jobs, all or none.
        change: The change.
        apart: Find out which jobs the database refuses, and insert the others.
    """

    insert: Insert
    change: ScheduleChange
    apart: bool

    async def write(self, session: Session) -> list[ScheduleRun] | None:
        """Write it all; the runs of the spawns as written. None: the row isn't what it was any more."""
        if not await self._write_row(session):
            return None
        refused = await self._refused(session) if self.apart else {}
        spawns = [spawn for spawn in self.change.spawns if spawn.job_key not in refused]
        jobs = iter(await self.insert(session, spawns) if spawns else ())
        runs = [
            refused_run(spawn, refused[spawn.job_key])
            if spawn.job_key in refused
            else run_with_job(spawn, next(jobs).id)
            for spawn in self.change.spawns
        ]
        await session.insert(SCHEDULE_RUNS, [run_row(run) for run in runs])
        await session.put(SCHEDULE_RUNS, [run_row(run) for run in self.change.runs])
        return runs

    async def _write_row(self, session: Session) -> bool:
        schedule, row = self.change.schedule, schedule_row(self.change.schedule)
        if schedule.revision:
            guard = [Is("name", "=", schedule.name), Is("revision", "=", schedule.revision)]
            return await session.update(SCHEDULES, guard, row) > 0
        if await session.select(SCHEDULES, [Is("name", "=", schedule.name)], columns=["name"]):
            return False
        return await session.insert_once(SCHEDULES, row)

    async def _refused(self, session: Session) -> dict[UUID, str]:
        """Find by trial which jobs the database refuses, and what it says.

        The trial is undone as a whole: a savepoint that is kept may take a lock until the transaction ends.
        """
        spawns, refused = {spawn.job_key: spawn for spawn in self.change.spawns}, dict[UUID, StoreError]()

        async def write(keys: Sequence[UUID]) -> Sequence[None]:
            async with session.savepoint():
                await self.insert(session, [spawns[key] for key in keys])
            return ()

        with suppress(_Tried):
            async with session.savepoint():
                _, refused = await write_around(list(spawns), write)
                raise _Tried
        return {key: error.problem for key, error in refused.items()}


LATEST_FIRST = ("-fired_at", "-schedule", "-key")


async def query_rows(executor: Executor, location: str, query: str, limit: int) -> list[Mapping[str, Any]]:
    """Run a query that reads; where the database answers otherwise, an error is the query's."""
    try:
        try:
            return await _query(executor, query, limit)
        except StoreUnavailable:
            await executor.read(_now)
            return await _query(executor, query, limit)
    except StoreClosed:
        raise
    except (StoreError, NotImplementedError, TypeError, ValueError) as error:  # or a value that JSON lacks
        if isinstance(error, StoreUnavailable):
            await executor.read(_now)
        problem = error.problem if isinstance(error, StoreError) else str(error)
        raise QueryRefused(store=location, problem=f"the query is refused: {problem}") from error


async def _query(executor: Executor, query: str, limit: int) -> list[Mapping[str, Any]]:
    rows = await executor.do(lambda session: session.query(query, limit), Access.QUERY)
    objects = [decode(encode(row)) for row in rows]
    if not all(isinstance(row, dict) for row in objects):
        raise TypeError("a row of it is no object")
    return objects


async def _now(session: Session) -> datetime:
    return await session.now()


async def snapshot(session: Session) -> ScheduleSnapshot:
    """Read all schedules, and the time."""
    rows = await session.select(SCHEDULES, order=("name",))
    return ScheduleSnapshot(
        now=await session.now(), schedules={row["name"]: schedule_of(row) for row in rows}
    )


async def find_runs(session: Session, query: RunQuery) -> list[ScheduleRun]:
    """Read runs that meet conditions, the latest first."""
    where: list[Where] = []
    for column, value in (("schedule", query.schedule), ("key", query.key)):
        where += [] if value is None else [Is(column, "=", value)]
    if len(query.statuses) == 1:
        where += [Is("status", "=", status) for status in query.statuses]
    elif query.statuses:
        where.append(Is("status", "in", tuple(query.statuses)))
    if query.job_ids is not None:
        where.append(Is("job_id", "in", tuple(query.job_ids)))
    rows = await session.select(SCHEDULE_RUNS, where, order=LATEST_FIRST, limit=query.limit)
    return [run_of(row) for row in rows]


async def prune_runs(
    session: Session, schedule: str, *, statuses: Collection[RunStatus], until: datetime, limit: int = 1_000
) -> list[str | None]:
    """Delete runs that have ended and fired before an instant; the job of each."""
    where: list[Where] = [
        Is("schedule", "=", schedule),
        Is("status", "in", tuple(set(statuses).difference(OPEN_RUN))),
        Is("fired_at", "<", until),
    ]
    columns = (*SCHEDULE_RUNS.key, "job_id")
    rows = await session.select(
        SCHEDULE_RUNS, where, order=("fired_at",), limit=limit, columns=columns, lock=True
    )
    return [row["job_id"] for row in await session.take(SCHEDULE_RUNS, rows)]
