"""Reopen the runs of jobs that were redriven: how they end is read through their jobs again."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from sp00ky_core.ports import OPEN_RUN, RunQuery, RunStatus, ScheduleRun, Store
from sp00ky_core.scheduler.compare_and_set import change, schedules_of

__all__ = ["reopen_runs"]

UNDONE = (*OPEN_RUN, RunStatus.FAILED, RunStatus.KILLED, RunStatus.REPLACED)
"""Statuses of runs whose jobs can be redriven: their end may not be written down yet."""


async def reopen_runs(store: Store, job_ids: Sequence[str]) -> None:
    """Write down that the runs which have made these jobs go on. Raises ``StoreError``."""
    query = RunQuery(statuses=UNDONE, job_ids=job_ids, limit=None)
    runs = await schedules_of(store).runs(query)
    if not runs:
        return
    now = (await schedules_of(store).schedules()).now
    reopened: dict[str, list[ScheduleRun]] = {}
    for run in runs:
        ended_at = run.finished_at or now
        goes_on = attrs.evolve(run, status=RunStatus.RUNNING, error=None, finished_at=ended_at)
        reopened.setdefault(run.schedule, []).append(goes_on)
    for name, runs in reopened.items():
        await change(store, name, lambda stored, _: stored, runs=runs)
