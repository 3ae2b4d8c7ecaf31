"""Make schedules and changes of them, for the tests of this room."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import attrs
from tests.schedules.source import StoreSource, schedules_of

from sp00ky_conformance.store.harness import StoreHarness, new_job
from sp00ky_core.ports import ExtensionTransaction, Store, StoreOptions
from sp00ky_schedules.model.fire import job_key
from sp00ky_schedules.model.records import (
    RunQuery,
    ScheduleChange,
    ScheduleRun,
    Spawn,
    StoredSchedule,
    Trigger,
)
from sp00ky_schedules.tables import SCHEDULE_RUNS, SCHEDULES

__all__ = ["NAME", "SECOND", "ScheduleHarness", "schedules_of"]

NAME = "nightly"
SECOND = timedelta(seconds=1)


async def empty(tx: ExtensionTransaction) -> None:
    """Delete what a test before has left, where stores share a database."""
    for table in (SCHEDULES, SCHEDULE_RUNS):
        await tx.delete(table, ())


class ScheduleHarness(StoreHarness):
    """The words of this room."""

    @asynccontextmanager
    async def opened(self, options: StoreOptions, **table: Any) -> AsyncIterator[Store]:
        options = attrs.evolve(options, extension_tables=(SCHEDULES, SCHEDULE_RUNS))
        async with super().opened(options, **table) as store:
            if self.is_migrated:
                await store.migrate()
                await StoreSource(store).transact(empty)
            yield store

    async def now(self, store: Store) -> datetime:
        """Read the database's clock."""
        return (await schedules_of(store).schedules()).now

    async def stored(self, store: Store, name: str = NAME) -> StoredSchedule:
        """Read a schedule's row."""
        return (await schedules_of(store).schedules()).schedules[name]

    async def made(self, store: Store, **fields: Any) -> StoredSchedule:
        """Make a schedule's row, and return it as it is then."""
        given = {"name": NAME, "definition": {"every": 60}, "hash": "h1", **fields}
        written = await schedules_of(store).change_schedule(ScheduleChange(schedule=StoredSchedule(**given)))
        assert written is not None
        return await self.stored(store, given["name"])

    def spawn(self, schedule: StoredSchedule, at: datetime, key: str = "", **job: Any) -> Spawn:
        """Build a job that a fire makes, and its run."""
        run = ScheduleRun(schedule=schedule.name, fired_at=at, key=key, trigger=Trigger.CRON)
        return Spawn(job=new_job(**job), job_key=job_key(schedule.name, at, key), run=run)

    async def fired(
        self, store: Store, schedule: StoredSchedule, *keys: str, **fields: Any
    ) -> list[ScheduleRun] | None:
        """Fire a schedule, a job for each key; the runs as written, or None."""
        now = fields.pop("now", None) or await self.now(store)
        spawns = [self.spawn(schedule, now, key, **fields.pop("job", {})) for key in keys or ("",)]
        after = attrs.evolve(schedule, last_fired_at=now, next_fire_at=now + 60 * SECOND)
        change = ScheduleChange(schedule=after, spawns=spawns, **fields)
        runs = await schedules_of(store).change_schedule(change)
        return None if runs is None else list(runs)

    async def runs(self, store: Store, **query: Any) -> list[ScheduleRun]:
        """List runs."""
        return await schedules_of(store).runs(RunQuery(**query))
