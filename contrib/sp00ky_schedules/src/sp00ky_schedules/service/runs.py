"""Look after the runs that schedules have made: write down how they end, reopen, delete them."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

import attrs

from sp00ky_core.config.model import HistoryConfig
from sp00ky_core.errors import Sp00kyError
from sp00ky_core.ports import ExtensionContext
from sp00ky_schedules.errors import RunUnreadable
from sp00ky_schedules.model.config import ScheduleConfig
from sp00ky_schedules.model.definition import definition_of
from sp00ky_schedules.model.fire import (
    DEADLINE_EXCEEDED,
    OpenRun,
    ended,
    failures_after,
    is_late,
    kill_reason,
)
from sp00ky_schedules.model.records import (
    OPEN_RUN,
    RunQuery,
    RunStatus,
    ScheduleChange,
    ScheduleRun,
    ScheduleSnapshot,
    StoredSchedule,
)
from sp00ky_schedules.service.firing import Firing, open_runs, with_jobs
from sp00ky_schedules.service.scheduler import Share, everything, own_of
from sp00ky_schedules.tables import ScheduleTables

logger: logging.Logger = logging.getLogger(__name__)

UNDONE = (*OPEN_RUN, RunStatus.FAILED, RunStatus.KILLED, RunStatus.REPLACED)
"""Statuses of runs whose jobs can be retried: their end may not be written down yet."""


async def reopen_runs(context: ExtensionContext, job_ids: Sequence[str]) -> None:
    """Write down that the runs which have made these jobs go on. Raises ``StoreError``."""
    query = RunQuery(statuses=UNDONE, job_ids=job_ids, limit=None)
    tables = ScheduleTables(context)
    runs = await tables.runs(query)
    if not runs:
        return
    now = (await tables.schedules()).now
    reopened: dict[str, list[ScheduleRun]] = {}
    for run in runs:
        ended_at = run.finished_at or now
        goes_on = attrs.evolve(run, status=RunStatus.RUNNING, error=None, finished_at=ended_at)
        reopened.setdefault(run.schedule, []).append(goes_on)
    for name, runs in reopened.items():
        await tables.change(name, lambda stored, _: stored, runs=runs)


@contextmanager
def tolerating(doing: str) -> Iterator[None]:
    """Let what fails be tried later again."""
    try:
        yield
    except Sp00kyError as error:
        logger.debug("%s: %s", doing, error)


INTERVAL = 5.0
"""Seconds between two looks at the runs."""

KEPT_SUCCESS, KEPT_FAILED = 86_400.0, 30 * 86_400.0
"""Seconds that runs are kept, where ``retention`` doesn't say."""

DEADLINE = 3_600.0
"""Seconds after a fire when its jobs are killed, where neither its schedule nor ``retention`` says."""

SUCCESSES = (RunStatus.SUCCESS, RunStatus.SKIPPED, RunStatus.REPLACED)
FAILURES = (RunStatus.FAILED, RunStatus.KILLED)
PRUNE_BATCH = 1_000

OF_ALL = 0.2
"""Share of prunes that look at all schedules: a runner may not know those that are its own."""

TRIES = 3
"""How often runs of a schedule that changes meanwhile are closed before ``prune``."""


@attrs.define(eq=False, slots=False)
class RunMaintenance:
    """Looks after the runs of a runner's own schedules, and now and then of all whose backends it knows.

    Args:
        firing: Knows the tables and the backends.
        random: Uniform in [0, 1).
    """

    _firing: Firing
    _random: Callable[[], float] = random.random

    def __attrs_post_init__(self) -> None:
        self._context, self._schedules = self._firing.context, self._firing.tables
        self._retention = self._context.retention
        self._next_look = self._context.clock() + self._apart()

    def _apart(self) -> float:
        """Return about ``INTERVAL``, so that runners don't look at the same time."""
        return INTERVAL * (0.75 + 0.5 * self._random())

    @property
    def due_in(self) -> float:
        """Seconds until the next look."""
        return self._next_look - self._context.clock()

    async def look(self) -> None:
        """Write down how own runs have ended."""
        await self._close_runs(self._context.share)
        self._next_look = self._context.clock() + self._apart()

    async def close_runs(self) -> Collection[str]:
        """Write down how all runs have ended, before ``prune`` takes their jobs.

        Returns the schedules whose ``history`` says how long their jobs are kept: these go with their runs.

        Raises:
            StoreError: Which these are can't be read.
        """
        for _ in range(TRIES):
            if await self._close_runs(everything):
                break
        return _with_history(await self._schedules.schedules())

    async def _close_runs(self, share: Share) -> bool:
        """Write down how runs of a runner's own schedules have ended; False: one has changed meanwhile.

        The schedules are read first, so that the guard keeps this runner off what another has closed since.
        All runs are read at once, and their jobs: with a hundred schedules a query for each would be many.
        """
        written = True
        with tolerating("schedules' runs can't be closed"):
            snapshot = await self._schedules.schedules()
            known = self._known(snapshot, share)
            for name, in_progress in (await self._open_runs(known)).items():
                stored, now = snapshot.schedules[name], snapshot.now
                written &= await self._close(stored, known[name], in_progress, now)
        return written

    async def _open_runs(self, known: Collection[str]) -> dict[str, list[OpenRun]]:
        """Read the runs that haven't ended, oldest first, by their schedules."""
        runs = [run for run in await self._runs_of(known) if run.schedule in known] if known else []
        by_schedule: dict[str, list[OpenRun]] = {}
        for run, job in await with_jobs(self._context, runs):
            by_schedule.setdefault(run.schedule, []).append((run, job))
        return by_schedule

    async def _runs_of(self, known: Collection[str]) -> list[ScheduleRun]:
        """Read the open runs; those of a schedule with one that can't be read are left out."""
        try:
            return await self._schedules.runs(RunQuery(statuses=OPEN_RUN, limit=None))
        except RunUnreadable:
            runs: list[ScheduleRun] = []
        for name in known:
            try:
                runs += await self._schedules.runs(RunQuery(schedule=name, statuses=OPEN_RUN, limit=None))
            except RunUnreadable as error:
                logger.debug("runs can't be closed: %s", error)
        return runs

    def _known(self, snapshot: ScheduleSnapshot, share: Share) -> dict[str, ScheduleConfig]:
        """Return the definitions of own schedules that are known here, by their names."""
        own = [snapshot.schedules[name] for name in own_of(share, snapshot)]
        read = [(stored, definition_of(stored)) for stored in own]
        return {stored.name: of for stored, of in read if of is not None and self._firing.knows(stored, of)}

    async def prune(self) -> None:
        """Delete old runs of own schedules; what fails is tried again with the next round."""
        share = everything if self._random() < OF_ALL else self._context.share
        with tolerating("schedules' old runs can't be deleted"):
            snapshot = await self._schedules.schedules()
            for name, definition in self._known(snapshot, share).items():
                with tolerating(f"old runs of schedule {name} can't be deleted"):
                    await self._prune(name, definition.history, snapshot.now)

    async def _close(
        self, stored: StoredSchedule, definition: ScheduleConfig, in_progress: list[OpenRun], now: datetime
    ) -> bool:
        """Close runs of one schedule; False: it has changed meanwhile."""
        given = (definition.deadline, self._retention.run_deadline)
        deadline = next((seconds for seconds in given if seconds is not None), DEADLINE)
        late = [
            job.id
            for run, job in in_progress
            if job is not None and not job.is_terminal and is_late(run, deadline, now)
        ]
        if late:
            await self._firing.kill(dict.fromkeys(late, kill_reason(DEADLINE_EXCEEDED)))
            in_progress = await open_runs(self._context, stored.name)
        runs = [end for run, job in in_progress if (end := ended(run, job, now)) is not None]
        if not runs:
            return True
        counted = definition.quarantine_after is not None
        failures = failures_after(stored.failures, runs) if counted else {}
        change = ScheduleChange(schedule=attrs.evolve(stored, failures=failures), runs=runs)
        return await self._schedules.change_schedule(change) is not None

    async def _prune(self, name: str, history: HistoryConfig | int | None, now: datetime) -> None:
        kept = self._kept(history if isinstance(history, HistoryConfig) else HistoryConfig())
        for statuses, seconds in ((SUCCESSES, kept.keep_success), (FAILURES, kept.failed)):
            if seconds is not None and seconds < math.inf:
                until = now - timedelta(seconds=seconds)
                await self._prune_until(name, statuses, until, jobs=isinstance(history, HistoryConfig))
        if isinstance(history, int):
            latest = await self._schedules.runs(RunQuery(schedule=name, limit=history))
            if len(latest) == history:
                await self._prune_until(name, (*SUCCESSES, *FAILURES), latest[-1].fired_at, jobs=False)

    def _kept(self, history: HistoryConfig) -> HistoryConfig:
        """Return how long runs are kept: by a schedule's ``history``, else ``retention``, else by default."""
        kept = self._retention
        of_all = HistoryConfig(mode=kept.mode, success=kept.run_success, failed=kept.run_failed)
        return history.over(of_all).over(HistoryConfig(success=KEPT_SUCCESS, failed=KEPT_FAILED))

    async def _prune_until(
        self, name: str, statuses: tuple[RunStatus, ...], until: datetime, *, jobs: bool
    ) -> None:
        """Delete runs, and their jobs where the schedule's ``history`` says how long these are kept."""
        ids: Sequence[str | None] = [None] * PRUNE_BATCH
        while len(ids) == PRUNE_BATCH:
            ids = await self._schedules.prune_runs(name, statuses=statuses, until=until, limit=PRUNE_BATCH)
            made = [job_id for job_id in ids if job_id is not None]
            if made and jobs:
                await self._context.jobs.delete(made)


def _with_history(snapshot: ScheduleSnapshot) -> list[str]:
    """List the schedules whose ``history`` says how long what they have made is kept."""
    definitions = {name: definition_of(stored) for name, stored in snapshot.schedules.items()}
    return [name for name, of in definitions.items() if of and isinstance(of.history, HistoryConfig)]
