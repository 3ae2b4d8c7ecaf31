"""Write one change of a schedule: its row under a guard, the jobs of a fire, and runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from uuid import UUID

import attrs

from sp00ky_core.errors import RowRefused, StoreError
from sp00ky_core.job.job import Job
from sp00ky_core.ports import JobTable, ScheduleChange, ScheduleRun, Spawn
from sp00ky_core.schedules.definition import refused_run, run_row, run_with_job, schedule_row
from sp00ky_core.stores.isolation import write_around
from sp00ky_core.stores.transactional.connection.session import Is, Session
from sp00ky_core.stores.transactional.jobs.enqueue import add
from sp00ky_core.stores.transactional.schedules.definition import SCHEDULE_RUNS, SCHEDULES

__all__ = ["Changing", "insert"]

KEY_PREFIX = "sch_"
"""Of the keys of jobs that a schedule has made, as Sp00ky has it."""

Insert = Callable[[Session, Sequence[Spawn]], Awaitable[Sequence[Job]]]


async def insert(session: Session, spawns: Sequence[Spawn], tables: Mapping[str, JobTable]) -> Sequence[Job]:
    """Insert the jobs of a fire, all or none; in order."""
    keys = [f"{KEY_PREFIX}{each.job_key.hex}" for each in spawns]
    return await add(session, tables, [each.job for each in spawns], keys=keys)


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
        spawns = [each for each in self.change.spawns if each.job_key not in refused]
        jobs = iter(await self.insert(session, spawns) if spawns else ())
        runs = [
            refused_run(each, refused[each.job_key])
            if each.job_key in refused
            else run_with_job(each, next(jobs).id)
            for each in self.change.spawns
        ]
        await session.insert(SCHEDULE_RUNS, [run_row(each) for each in runs])
        await session.put(SCHEDULE_RUNS, [run_row(each) for each in self.change.runs])
        return runs

    async def _write_row(self, session: Session) -> bool:
        schedule, row = self.change.schedule, schedule_row(self.change.schedule)
        if schedule.revision:
            guard = [Is("name", "=", schedule.name), Is("revision", "=", schedule.revision)]
            return await session.update(SCHEDULES, guard, row) > 0
        if await session.select(SCHEDULES, [Is("name", "=", schedule.name)], columns=["name"]):
            return False
        try:
            async with session.savepoint():
                await session.insert(SCHEDULES, [row])
        except RowRefused:  # another transaction has made it meanwhile
            return False
        return True

    async def _refused(self, session: Session) -> dict[UUID, str]:
        """Find by trial which jobs the database refuses, and what it says.

        The trial is undone as a whole: a savepoint that is kept may take a lock until the transaction ends.
        """
        spawns, refused = {each.job_key: each for each in self.change.spawns}, dict[UUID, StoreError]()

        async def write(keys: Sequence[UUID]) -> Sequence[None]:
            async with session.savepoint():
                await self.insert(session, [spawns[key] for key in keys])
            return ()

        with suppress(_Tried):
            async with session.savepoint():
                _, refused = await write_around(list(spawns), write)
                raise _Tried
        return {key: error.problem for key, error in refused.items()}
