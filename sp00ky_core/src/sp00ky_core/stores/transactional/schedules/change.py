"""Write one change of a schedule: its row under a guard, the jobs of a fire, and runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from sp00ky_core.errors import RowRefused
from sp00ky_core.ports import JobTable, ScheduleChange, ScheduleRun, Spawn
from sp00ky_core.schedules.rows import refused_run, run_row, run_with_job, schedule_row
from sp00ky_core.stores.transactional.connection.session import Is, Row, Session
from sp00ky_core.stores.transactional.jobs.enqueue import add
from sp00ky_core.stores.transactional.schedules.definition import SCHEDULE_RUNS, SCHEDULES

__all__ = ["Changing"]

KEY_PREFIX = "sch_"
"""Of the keys of jobs that a schedule has made, as Sp00ky has it."""


@attrs.frozen
class Changing:
    """Writes a change; where the database refuses a job, each in a savepoint of its own.

    Attributes:
        tables: By backend.
        change: The change.
        apart: Insert each job in a savepoint of its own.
    """

    tables: Mapping[str, JobTable]
    change: ScheduleChange
    apart: bool

    async def write(self, session: Session) -> list[ScheduleRun] | None:
        """Write it all; the runs of the spawns as written. None: the row isn't what it was any more."""
        if not await self._write_row(session):
            return None
        spawns = self.change.spawns
        if self.apart:
            runs = [await self._spawn_apart(session, each) for each in spawns]
        else:
            runs = await self._spawn(session, spawns)
        await session.insert(SCHEDULE_RUNS, [run_row(each) for each in runs])
        await self._write_runs(session)
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

    async def _spawn(self, session: Session, spawns: Sequence[Spawn]) -> list[ScheduleRun]:
        keys = [f"{KEY_PREFIX}{each.job_key.hex}" for each in spawns]
        jobs = await add(session, self.tables, [each.job for each in spawns], keys=keys)
        return [run_with_job(each, job.id) for each, job in zip(spawns, jobs, strict=True)]

    async def _spawn_apart(self, session: Session, spawn: Spawn) -> ScheduleRun:
        try:
            async with session.savepoint():
                return (await self._spawn(session, [spawn]))[0]
        except RowRefused as error:
            return refused_run(spawn, error.problem)

    async def _write_runs(self, session: Session) -> None:
        new: list[Row] = []
        for each in self.change.runs:
            row: dict[str, Any] = run_row(each)
            where = [Is(name, "=", row[name]) for name in SCHEDULE_RUNS.key]
            if not await session.update(SCHEDULE_RUNS, where, row):
                new.append(row)
        await session.insert(SCHEDULE_RUNS, new)
