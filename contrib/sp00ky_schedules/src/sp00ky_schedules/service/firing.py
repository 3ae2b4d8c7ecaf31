"""Fire a schedule: ask for its rows, decide, kill what is replaced, and write it all."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Self

import attrs

from sp00ky_core.backend.backend import Backend
from sp00ky_core.errors import QueryRefused
from sp00ky_core.job.job import Job
from sp00ky_core.ports import ExtensionContext, JobQuery
from sp00ky_schedules.model.config import ScheduleConfig
from sp00ky_schedules.model.definition import is_others
from sp00ky_schedules.model.fire import (
    FanOut,
    Fire,
    OpenRun,
    Situation,
    decide_fire,
    failures_after,
    fan_out,
)
from sp00ky_schedules.model.records import (
    OPEN_RUN,
    RunQuery,
    RunStatus,
    ScheduleRun,
    StoredSchedule,
    Trigger,
)
from sp00ky_schedules.tables import ScheduleTables

logger: logging.Logger = logging.getLogger(__name__)


def trusted_queries(context: ExtensionContext) -> set[str | None]:
    """Return the hashes of queries that may be run here: whoever can write the table can't have one run."""
    of_file = {schedule.query_hash for schedule in context.options.schedules.values()}
    trusted: set[str | None] = context.state.setdefault("trusted", of_file)
    return trusted


PAGE = 500
"""Jobs that are read at a time."""


async def open_runs(context: ExtensionContext, schedule: str) -> list[OpenRun]:
    """Read runs that haven't ended, as far as is written down, with their jobs, oldest first."""
    query = RunQuery(schedule=schedule, statuses=OPEN_RUN, limit=None)
    return await with_jobs(context, await ScheduleTables(context).runs(query))


async def with_jobs(context: ExtensionContext, runs: Sequence[ScheduleRun]) -> list[OpenRun]:
    """Return runs with their jobs, oldest first; they come with the newest first."""
    jobs = await jobs_of(context, runs)
    return [(run, jobs.get(run.job_id or "")) for run in reversed(runs)]


async def jobs_of(context: ExtensionContext, runs: Iterable[ScheduleRun]) -> dict[str, Job]:
    """Read the jobs of runs that are there, by their ids."""
    jobs: dict[str, Job] = {}
    ids = [run.job_id for run in runs if run.job_id is not None]
    for start in range(0, len(ids), PAGE):
        page = JobQuery(ids=tuple(ids[start : start + PAGE]), limit=PAGE)
        jobs |= {job.id: job for job in await context.jobs.find(page)}
    return jobs


@attrs.frozen
class Firing:
    """Fires schedules of the backends that are known here.

    Attributes:
        context: Of the extension.
        backends: Those that are known here, by name.
    """

    context: ExtensionContext
    backends: Mapping[str, Backend]

    @classmethod
    def of(cls, context: ExtensionContext) -> Self:
        """Return what fires the schedules of the backends that a runner serves."""
        return cls(context, {name: context.backends[name] for name in context.served})

    @property
    def tables(self) -> ScheduleTables:
        """Where the schedules are."""
        return ScheduleTables(self.context)

    def knows(self, stored: StoredSchedule, definition: ScheduleConfig) -> bool:
        """Whether its backend is known here, and no other service's of that name."""
        backend = self.backends.get(definition.backend)
        return backend is not None and not is_others(stored, backend.table.table)

    def can_fire(self, stored: StoredSchedule, definition: ScheduleConfig) -> bool:
        """Whether its backend is known here, and its query trusted."""
        query = definition.query_hash
        return self.knows(stored, definition) and (query is None or query in trusted_queries(self.context))

    async def fire(
        self, stored: StoredSchedule, definition: ScheduleConfig, now: datetime, trigger: Trigger
    ) -> Sequence[ScheduleRun] | None:
        """Fire once, on the row as it was read then, by the database's clock; return the runs that it made.

        None: the row has changed meanwhile, so nothing was written.

        Raises:
            QueryRefused: its query is refused, and it is fired by hand; by the clock, the row says so.
        """
        backend = self.backends[definition.backend]
        situation = Situation(
            stored=stored,
            definition=definition,
            now=now,
            trigger=trigger,
            rows=await self._rows(definition, trigger),
            operation=backend.contract.operation(definition.route),
            checked=lambda new_job: self.context.check(new_job.for_backend(backend.name)),
        )
        fire = await self._decided(situation)
        written = None if fire is None else await self.tables.change_schedule(fire.change)
        if fire is None or written is None:
            return None
        runs = [*written, *(run for run in fire.change.runs if run.fired_at == now)]
        if trigger is Trigger.CRON:  # who fires it by hand looks at the runs
            _log_losses(stored, fire.change.schedule, runs)
        await self.context.observe("sp00ky_schedule_fired", schedule=stored.name, runs=runs)
        if definition.quarantine_after is not None:
            await self._count_refused(stored.name, written)
        return runs

    async def _count_refused(self, name: str, written: Sequence[ScheduleRun]) -> None:
        """Count the rows that the database has refused as failures: the fire was decided without them."""
        refused = [run for run in written if run.status is RunStatus.FAILED]

        def decide(stored: StoredSchedule | None, _: datetime) -> StoredSchedule | None:
            return stored and attrs.evolve(stored, failures=failures_after(stored.failures, refused))

        if refused:
            await self.tables.change(name, decide)

    async def _rows(self, definition: ScheduleConfig, trigger: Trigger) -> FanOut | None:
        if definition.for_each is None:
            return None
        try:
            rows = await self.tables.query_rows(definition.for_each.query)
        except QueryRefused as error:
            if trigger is Trigger.MANUAL:
                raise
            return FanOut(rows={}, problem=f"forEach.query: {error.problem}".replace("\0", "")[:2_048])
        return fan_out(definition.for_each, rows)

    async def _decided(self, situation: Situation) -> Fire | None:
        """Decide; where jobs are to be killed, kill them and look again, for some may have ended first.

        None, and nothing is killed: the row has changed meanwhile, so the jobs may be those of a later fire.
        """
        name, definition = situation.stored.name, situation.definition
        if definition.concurrency == "allow" and definition.quarantine_after is None:
            return decide_fire(situation)  # whatever ran before
        whole = attrs.evolve(situation, open_runs=await open_runs(self.context, name))
        fire = decide_fire(whole)
        if not fire.kills:
            return fire
        latest = (await self.tables.schedules()).schedules.get(name)
        if latest is None or latest.revision != situation.stored.revision:
            return None
        await self.kill(fire.kills)
        return decide_fire(attrs.evolve(situation, open_runs=await open_runs(self.context, name)))

    async def kill(self, reasons: Mapping[str, str]) -> None:
        """Kill jobs, each for its reason."""
        for reason in set(reasons.values()):
            job_ids = [job_id for job_id, why in reasons.items() if why == reason]
            await self.context.jobs.kill(job_ids, reason=reason)


def _log_losses(before: StoredSchedule, after: StoredSchedule, runs: Sequence[ScheduleRun]) -> None:
    """Log why jobs are missing; what is wrong with the query only once, while it stays the same."""
    if after.last_error is not None and after.last_error != before.last_error:
        logger.warning("schedule %s: %s", after.name, after.last_error)
    failed = [run for run in runs if run.status is RunStatus.FAILED]
    if failed:
        error = failed[0].error or {}
        reason = f"{error.get('code')}: {error.get('reason')}"
        text = "schedule %s: %d of %d jobs not made: %s"
        logger.warning(text, after.name, len(failed), len(runs), reason)
