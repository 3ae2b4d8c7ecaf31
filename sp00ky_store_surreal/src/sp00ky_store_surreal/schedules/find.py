"""Read schedules and runs; delete runs that are old."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import attrs

from sp00ky_core.ports import OPEN_RUN, RunQuery, RunStatus, ScheduleRun, ScheduleSnapshot, StoredSchedule
from sp00ky_core.schedules.definition import run_of, schedule_of
from sp00ky_store_surreal.connection.executor import Lane, Way
from sp00ky_store_surreal.store_part import StorePart
from sp00ky_store_surreal.surql.loader import surql

_NO_SCHEDULE = dict.fromkeys(attrs.fields_dict(StoredSchedule))
_NO_RUN = dict.fromkeys(attrs.fields_dict(ScheduleRun))
"""Rows without a value: a reply lacks the columns that have none."""

_CONDITIONS = {
    "schedule": "schedule = $schedule",
    "statuses": "status IN $statuses",
    "key": "key = $key",
    "job_ids": "job_id IN $job_ids",
}


class ScheduleReads(StorePart):
    """A part of the store: schedules and runs, as their rows have them."""

    async def schedules(self) -> ScheduleSnapshot:
        """See ``Schedules.schedules``."""
        await self._ready.ensure()
        found = (await self._connection.read(surql("schedules")))[-1]
        read = [schedule_of(_NO_SCHEDULE | row) for row in found["schedules"]]
        by_name = {each.name: each for each in sorted(read, key=lambda each: each.name)}
        return ScheduleSnapshot(now=found["now"], schedules=by_name)

    async def runs(self, query: RunQuery) -> list[ScheduleRun]:
        """See ``Schedules.runs``."""
        await self._ready.ensure()
        bindings = _bindings(query)
        met = " AND ".join(condition for name, condition in _CONDITIONS.items() if name in bindings)
        names = {
            "conditions": f"WHERE {met}" if met else "",
            "limit": "" if query.limit is None else "LIMIT $limit",
        }
        reply = await self._connection.read(surql("schedule_runs", **names), **bindings)
        return [run_of(_NO_RUN | row) for row in reply[-1]]

    async def prune_runs(
        self, schedule: str, *, statuses: Collection[RunStatus], until: datetime, limit: int = 1_000
    ) -> list[str | None]:
        """See ``Schedules.prune_runs``."""
        await self._ready.ensure()
        reply = await self._connection.write(
            surql("schedule_runs_prune"),
            Way(lane=Lane.DELETE),
            schedule=schedule,
            statuses=[str(status) for status in statuses if status not in OPEN_RUN],
            until=until,
            limit=limit,
        )
        return [row.get("job_id") for row in reply[-1]]


def _bindings(query: RunQuery) -> Mapping[str, Any]:
    given = {
        "schedule": query.schedule,
        "statuses": [str(status) for status in query.statuses] or None,
        "key": query.key,
        "job_ids": None if query.job_ids is None else [*query.job_ids],
        "limit": query.limit,
    }
    return {name: value for name, value in given.items() if value is not None}
