"""Write down how runs have ended, kill those past their deadline, delete old ones."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta

import attrs

from sp00ky_core.config.schedules import ScheduleConfig
from sp00ky_core.config.settings import TopRetentionConfig
from sp00ky_core.errors import Sp00kyError
from sp00ky_core.ports import OPEN_RUN, RunQuery, RunStatus, ScheduleChange, ScheduleRun, StoredSchedule
from sp00ky_core.runner.options import RunnerOptions
from sp00ky_core.schedule.fire import OpenRun
from sp00ky_core.schedule.run_end import DEADLINE_EXCEEDED, ended, failures_after, is_late, kill_reason
from sp00ky_core.scheduler.changes import definition_of, schedules_of
from sp00ky_core.scheduler.firing import Firing, kill, open_runs

__all__ = ["RunUpkeep"]

logger = logging.getLogger(__name__)

_Work = Callable[[StoredSchedule, ScheduleConfig, datetime], Awaitable[None]]

INTERVAL = 5.0
"""Seconds between two looks at the runs."""

KEPT_SUCCESS, KEPT_FAILED = 86_400.0, 30 * 86_400.0
"""Seconds that runs are kept, where ``retention`` doesn't say."""

DEADLINE = 3_600.0
"""Seconds after a fire when its jobs are killed, where neither its schedule nor ``retention`` says."""

SUCCESSES = (RunStatus.SUCCESS, RunStatus.SKIPPED, RunStatus.REPLACED)
FAILURES = (RunStatus.FAILED, RunStatus.KILLED)
PRUNE_BATCH = 1_000


class RunUpkeep:
    """Looks after the runs of the schedules whose backends are known here; in every runner, no leader.

    Args:
        firing: Knows the store and the backends.
        retention: How long runs are kept.
        options: The runner's.
    """

    def __init__(self, firing: Firing, retention: TopRetentionConfig, options: RunnerOptions) -> None:
        self._firing = firing
        self._store, self._schedules = firing.store, schedules_of(firing.store)
        self._retention = retention
        self._options = options
        self._next_prune = options.clock() + options.prune_interval * options.random()

    async def run(self) -> None:
        """Look after the runs until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL * (0.75 + 0.5 * self._options.random()))
            await self.close_runs()
            if self._options.clock() >= self._next_prune:
                self._next_prune = self._options.clock() + self._options.prune_interval
                await self._each(self._prune)

    async def close_runs(self) -> None:
        """Write down how runs have ended; before ``prune`` takes their jobs, too."""
        try:
            runs = await self._schedules.runs(RunQuery(statuses=OPEN_RUN, limit=None))
        except Sp00kyError as error:
            logger.debug("schedules' runs can't be read: %s", error)
            return
        busy = {run.schedule for run in runs}
        if busy:
            await self._each(self._close, busy)

    async def _each(self, work: _Work, names: Collection[str] | None = None) -> None:
        """Look after one schedule after the other; a fault is logged, and tried again with the next round."""
        try:
            snapshot = await self._schedules.schedules()
            for name, stored in snapshot.schedules.items():
                definition = definition_of(stored) if names is None or name in names else None
                if definition is not None and self._firing.knows(stored, definition):
                    await work(stored, definition, snapshot.now)
        except Sp00kyError as error:
            logger.debug("can't look after schedules' runs: %s", error)

    async def _close(self, stored: StoredSchedule, definition: ScheduleConfig, now: datetime) -> None:
        found, deadline = await open_runs(self._store, stored.name), self._deadline(definition)
        late = [
            job.id
            for run, job in found
            if job is not None and not job.is_terminal and is_late(run, deadline, now)
        ]
        if late:
            await kill(self._store, dict.fromkeys(late, kill_reason(DEADLINE_EXCEEDED)))
            found = await open_runs(self._store, stored.name)
        runs = _ended(found, now)
        if runs:
            counted = definition.quarantine_after is not None
            failures = failures_after(stored.failures, runs) if counted else {}
            after = attrs.evolve(stored, failures=failures)
            await self._schedules.change_schedule(ScheduleChange(schedule=after, runs=runs))

    def _deadline(self, definition: ScheduleConfig) -> float:
        given = (definition.deadline, self._retention.run_deadline)
        return next((seconds for seconds in given if seconds is not None), DEADLINE)

    async def _prune(self, stored: StoredSchedule, definition: ScheduleConfig, now: datetime) -> None:
        kept = self._retention
        await self._prune_until(stored.name, SUCCESSES, now, kept.run_success, KEPT_SUCCESS)
        await self._prune_until(stored.name, FAILURES, now, kept.run_failed, KEPT_FAILED)
        if definition.history is not None:
            query = RunQuery(schedule=stored.name, limit=definition.history)
            latest = await self._schedules.runs(query)
            if len(latest) == definition.history:
                await self._prune_all(stored.name, (*SUCCESSES, *FAILURES), latest[-1].fired_at)

    async def _prune_until(
        self, name: str, statuses: tuple[RunStatus, ...], now: datetime, kept: float | None, default: float
    ) -> None:
        seconds = default if kept is None else kept
        if seconds != float("inf"):
            await self._prune_all(name, statuses, now - timedelta(seconds=seconds))

    async def _prune_all(self, name: str, statuses: tuple[RunStatus, ...], until: datetime) -> None:
        prune = self._schedules.prune_runs
        while await prune(name, statuses=statuses, until=until, limit=PRUNE_BATCH) == PRUNE_BATCH:
            pass


def _ended(found: list[OpenRun], now: datetime) -> list[ScheduleRun]:
    return [end for run, job in found if (end := ended(run, job, now)) is not None]
