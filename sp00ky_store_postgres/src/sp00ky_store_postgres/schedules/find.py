"""Read schedules and runs; delete runs that are old."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sp00ky_core.ports import OPEN_RUN, RunQuery, RunStatus, ScheduleRun, ScheduleSnapshot
from sp00ky_core.schedules.rows import run_of, schedule_of
from sp00ky_store_postgres.part import StorePart


class ScheduleReads(StorePart):
    """Reads rows of both tables."""

    async def schedules(self) -> ScheduleSnapshot:
        """See ``Schedules.schedules``."""
        rows = await self._executor.query("schedules")
        found = {row["name"]: schedule_of(row) for row in rows if row["name"] is not None}
        return ScheduleSnapshot(now=rows[0]["now"], schedules=found)

    async def runs(self, query: RunQuery) -> list[ScheduleRun]:
        """See ``Schedules.runs``."""
        statuses = [str(status) for status in query.statuses] or None
        job_ids = None if query.job_ids is None else list(query.job_ids)
        conditions = query.schedule, statuses, query.key, query.limit, job_ids
        return [run_of(row) for row in await self._executor.query("schedule_runs", *conditions)]

    async def prune_runs(
        self, schedule: str, *, statuses: Collection[RunStatus], until: datetime, limit: int = 1_000
    ) -> list[str | None]:
        """See ``Schedules.prune_runs``."""
        ended = [str(status) for status in statuses if status not in OPEN_RUN]
        rows = await self._executor.query("schedule_runs_prune", schedule, ended, until, limit)
        return [row[0] for row in rows]
