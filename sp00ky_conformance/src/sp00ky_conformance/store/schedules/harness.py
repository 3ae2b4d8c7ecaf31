"""Make schedules and changes of them, for the tests of this room."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, cast

import attrs

from sp00ky_conformance.store.harness import StoreHarness, new_job
from sp00ky_core.ports import (
    RunQuery,
    ScheduleChange,
    ScheduleRun,
    Schedules,
    Spawn,
    Store,
    StoredSchedule,
    Trigger,
)
from sp00ky_core.schedules.fire import job_key

__all__ = ["NAME", "SECOND", "ScheduleHarness", "schedules_of"]

NAME = "nightly"
SECOND = timedelta(seconds=1)


def schedules_of(store: Store) -> Schedules:
    """Return the same store as what it is too."""
    return cast("Schedules", store)


class ScheduleHarness(StoreHarness):
    """The words of this room."""

    async def without_schedules(self, store: Store) -> None:
        """Ask nothing of a store that says that it keeps no schedules."""

    def query_of(self, store: Store, table: str, what: str) -> str:
        """Return a query, in the store's language; of stores with ``capabilities.schedules``.

        Args:
            store: The store.
            table: The name of a job table, in which rows with the paths ``/a`` and ``/b`` are.
            what: ``rows``: their fields ``path`` and ``max_retries``, by path; ``write``: one that would
                delete the rows, as a query that returns them where the language has such a thing;
                ``wrong``: one that the database can't parse; ``slow``: one that would take minutes.
                ``CallUnsupported`` where there is none of a kind.
        """
        raise NotImplementedError("override the suite's query_of(): its tests need it")

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
