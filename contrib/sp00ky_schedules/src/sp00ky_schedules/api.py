"""Define, list, pause, fire and check schedules; what operators do to them is written down."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Unpack, cast

import attrs

from sp00ky_core.backend.backend import Backends
from sp00ky_core.backend.validation import warn_of_ignored_timeout
from sp00ky_core.errors import SchemaError
from sp00ky_core.job.options import one_of
from sp00ky_core.ports import ActOptions, ExtensionContext, Finding, check_limit
from sp00ky_schedules.errors import ScheduleStopped, UnknownSchedule
from sp00ky_schedules.findings import SYNC, check_definition, definition_findings, store_findings
from sp00ky_schedules.model.config import ScheduleConfig, SchedulesConfig, parse_schedule, written_in_python
from sp00ky_schedules.model.definition import (
    definition_of,
    is_others,
    late_by,
    paused,
    released,
    removed,
    resumed,
)
from sp00ky_schedules.model.fire import ended
from sp00ky_schedules.model.records import (
    RunQuery,
    RunStatus,
    ScheduleRun,
    ScheduleSnapshot,
    StoredSchedule,
    Trigger,
)
from sp00ky_schedules.service.firing import Firing, jobs_of, trusted_queries
from sp00ky_schedules.service.scheduler import decisions_of, tables_of
from sp00ky_schedules.tables import TRIES, ScheduleTables, undefined

__all__ = ["ScheduleRecord", "Schedules", "SyncResult"]

MOST_NAMED = 100
"""Schedules that the audit names of a sync."""


@attrs.frozen(kw_only=True)
class ScheduleRecord:
    """A schedule as it is now.

    Attributes:
        stored: Its row.
        definition: What that defines; None: a later version wrote it.
        late_by: How long its next fire has been overdue; None: it isn't.
        last_run: The latest run; of a fire that made several, one that has failed, if any has. None: it has
            made none that is kept.
    """

    stored: StoredSchedule
    definition: ScheduleConfig | None
    last_run: ScheduleRun | None
    late_by: timedelta | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return self.stored.name

    @property
    def quarantined(self) -> tuple[str, ...]:
        """Keys that are skipped, for they failed too often in a row."""
        most = None if self.definition is None else self.definition.quarantine_after
        if most is None:
            return ()
        return tuple(sorted(key for key, count in self.stored.failures.items() if count >= most))


@attrs.frozen(kw_only=True)
class SyncResult:
    """The names of schedules that a sync has written.

    Attributes:
        defined: Added or changed.
        removed: No longer in the file.
    """

    defined: Sequence[str]
    removed: Sequence[str]

    @property
    def lines(self) -> list[str]:
        """What was done, a line for each schedule."""
        defined = [f"defined {name}" for name in self.defined]
        return defined + [f"removed {name}" for name in self.removed]


def statuses_of(status: RunStatus | str | None) -> tuple[RunStatus, ...]:
    """Read a status to look for; None: any. Raises ``OptionInvalid``."""
    asked = one_of(RunStatus, "status", status)
    return () if asked is None else (asked,)


class Schedules:
    """The schedules of an outbox: what ``outbox.extension(Schedules)`` gives."""

    def __init__(self, context: ExtensionContext) -> None:
        self._context = context
        self._tables = ScheduleTables(context)
        self._backends = cast("Backends", context.backends)
        self._config: SchedulesConfig = context.options

    @property
    def _firing(self) -> Firing:
        return Firing(self._context, self._backends)

    async def define(self, name: str, /, **definition: Any) -> None:
        """Define a schedule, or change it; keys as in sp00ky.yml, or in Python's spelling.

        ``every``, ``timeout`` and ``deadline`` may be a ``timedelta``. It isn't removed by ``migrate`` and
        ``sync``, which look after those of the file. Its query may be run in this process.

        Raises:
            ScheduleInvalid: which key is wrong; nothing was written.
            UnknownBackend: its backend isn't configured.
            UnknownRoute: its route isn't one of the backend's.
            Sp00kyError: its payload or its options can't be a job's.
        """
        parsed = parse_schedule(name, written_in_python(definition))
        check_definition(parsed, self._backends)
        whose = f"the timeout of schedule {name!r}"
        warn_of_ignored_timeout(self._backends[parsed.backend], parsed.timeout, whose)
        trusted_queries(self._context).add(parsed.query_hash)
        await self._tables.define(decisions_of({name: parsed}, self._backends, origin="python"))

    async def sync(self, **act: Unpack[ActOptions]) -> SyncResult:
        """Make the schedules what the file says: changes, additions, removals; a pause is kept.

        What another service has defined stays: one whose file doesn't have the backend, or has another job
        table for it.
        """
        return await self._synced(await self.plan(), **act)

    async def plan(self) -> SyncResult:
        """Find what ``sync`` would change: all where there are no tables yet."""
        try:
            snapshot = await self._tables.schedules()
        except SchemaError:
            return SyncResult(defined=[*self._config.schedules], removed=[])
        defined = undefined(snapshot, decisions_of(self._config.schedules, self._backends))
        return SyncResult(defined=[*defined], removed=self._superfluous(snapshot))

    def _superfluous(self, snapshot: ScheduleSnapshot) -> list[str]:
        known = {*self._config.schedules, *self._config.left_out}
        return [
            name
            for name, stored in snapshot.schedules.items()
            if not stored.removed and name not in known and self._is_the_files(stored)
        ]

    def _is_the_files(self, stored: StoredSchedule) -> bool:
        table = tables_of(self._backends).get(str(stored.definition.get("backend")))
        return stored.origin == "file" and table is not None and not is_others(stored, table)

    async def sync_migrated(self, **act: Unpack[ActOptions]) -> SyncResult:
        """Do as ``sync`` does, as a part of ``migrate``: it is written down only if it changes anything."""
        planned = await self.plan()
        return await self._synced(planned, **act) if planned.defined or planned.removed else planned

    async def _synced(self, planned: SyncResult, **act: Unpack[ActOptions]) -> SyncResult:
        selection = {"define": [*planned.defined][:MOST_NAMED], "remove": [*planned.removed][:MOST_NAMED]}
        async with self._context.audited("schedules sync", selection, **act) as record:
            defined = await self._tables.define(decisions_of(self._config.schedules, self._backends))
            superfluous = self._superfluous(await self._tables.schedules())
            gone = [name for name in superfluous if await self._tables.change(name, _removed)]
            await record.reach(len(defined) + len(gone))
        return SyncResult(defined=defined, removed=gone)

    async def check(self) -> Sequence[Finding]:
        """Find what would keep the file's schedules from making jobs."""
        own = definition_findings(self._config, self._backends)
        return [*own, *await store_findings(self._context)]

    async def list(self) -> list[ScheduleRecord]:
        """List the schedules that are defined, by name."""
        snapshot = await self._tables.schedules()
        schedules = (schedule for schedule in snapshot.schedules.values() if not schedule.removed)
        return [await self._record(schedule, snapshot.now) for schedule in schedules]

    async def get(self, name: str) -> ScheduleRecord:
        """Return one schedule. Raises ``UnknownSchedule``."""
        return await self._record(*await self._known(name))

    async def pause(self, name: str, **act: Unpack[ActOptions]) -> bool:
        """Keep a schedule from firing until it is resumed, by hand too; whether it wasn't paused."""
        return await self._change("pause", name, lambda stored, _: paused(stored), **act)

    async def resume(self, name: str, **act: Unpack[ActOptions]) -> bool:
        """End a pause; whether there was one. What was missed meanwhile is left out."""

        def decide(stored: StoredSchedule, now: datetime) -> StoredSchedule | None:
            return resumed(stored, definition_of(stored), now) if stored.paused else None

        return await self._change("resume", name, decide, **act)

    async def remove(self, name: str, **act: Unpack[ActOptions]) -> bool:
        """Remove a schedule; jobs that it has made are delivered. One of the file comes back with a sync."""
        return await self._change("remove", name, _removed, **act)

    async def release(self, name: str, *keys: str, **act: Unpack[ActOptions]) -> bool:
        """End the quarantine of these keys, or without any of all; whether there was something to end."""
        return await self._change(
            "release", name, lambda stored, _: released(stored, keys or None), keys=keys, **act
        )

    async def trigger(self, name: str, **act: Unpack[ActOptions]) -> Sequence[ScheduleRun]:
        """Fire a schedule now; its runs. Its clock goes on as it would have; a quarantine doesn't count.

        Raises:
            UnknownSchedule: there is none of that name.
            ScheduleStopped: it is paused or not enabled, or this process mustn't run its query.
        """
        await self._known(name)
        async with self._context.audited("schedules trigger", {"schedule": name}, **act) as record:
            for _ in range(TRIES):
                stored, now = await self._known(name)
                definition = self._fit_to_fire(stored)
                runs = await self._firing.fire(stored, definition, now, Trigger.MANUAL)
                if runs is not None:
                    await record.reach(len(runs))
                    return runs
        raise self._tables.changes_all_the_time(name)

    async def runs(
        self,
        name: str | None = None,
        *,
        status: RunStatus | str | None = None,
        key: str | None = None,
        limit: int = 100,
    ) -> Sequence[ScheduleRun]:
        """List runs, the latest first, each with the status that its job has now.

        ``status`` is of what is written down already, which is a few seconds behind.

        Raises:
            UnknownSchedule: there never was one of that name, as far as is known.
            OptionInvalid: a status that there isn't, or a limit out of its range.
        """
        store = self._tables
        check_limit("limit", limit)
        query = RunQuery(schedule=name, statuses=statuses_of(status), key=key, limit=limit)
        runs, snapshot = await store.runs(query), await store.schedules()
        if name is not None and not runs and name not in snapshot.schedules:
            raise _unknown(name, snapshot)
        return await self._current(runs, snapshot.now)

    async def _current(self, runs: Sequence[ScheduleRun], now: datetime) -> Sequence[ScheduleRun]:
        """Return runs with the statuses that their jobs have now."""
        jobs = await jobs_of(self._context, filter(self._goes_on, runs))
        return [(self._goes_on(run) and ended(run, jobs.get(run.job_id or ""), now)) or run for run in runs]

    def _goes_on(self, run: ScheduleRun) -> bool:
        """Whether its job may say more than its row: it is in a table that is known here."""
        tables = {backend.table.table for backend in self._backends.values()}
        is_known = run.job_id is None or run.job_id.partition(":")[0] in tables
        return is_known and run.status is RunStatus.RUNNING

    async def _record(self, stored: StoredSchedule, now: datetime) -> ScheduleRecord:
        definition = self._named(definition_of(stored))
        last = await self._latest_run(stored.name, now)
        if last is not None and (definition is None or definition.for_each is not None):
            for status in (RunStatus.KILLED, RunStatus.FAILED):
                worse = await self._latest_run(stored.name, now, status)
                last = worse if worse is not None and worse.fired_at == last.fired_at else last
        late = late_by(stored, now)
        return ScheduleRecord(stored=stored, definition=definition, last_run=last, late_by=late)

    def _named(self, definition: ScheduleConfig | None) -> ScheduleConfig | None:
        """Return a definition with the name of its operation, however that is spelled there."""
        backend = self._backends.get(definition.backend) if definition else None
        if definition is None or backend is None:
            return definition
        return attrs.evolve(definition, route=backend.contract.name(definition.route))

    async def _latest_run(self, name: str, now: datetime, *statuses: RunStatus) -> ScheduleRun | None:
        query = RunQuery(schedule=name, statuses=statuses, limit=1)
        runs = await self._current(await self._tables.runs(query), now)
        return runs[0] if runs else None

    async def _known(self, name: str) -> tuple[StoredSchedule, datetime]:
        snapshot = await self._tables.schedules()
        stored = snapshot.schedules.get(name)
        if stored is None or stored.removed:
            raise _unknown(name, snapshot)
        return stored, snapshot.now

    async def _change(
        self, action: str, name: str, decide: Any, *, keys: Collection[str] = (), **act: Unpack[ActOptions]
    ) -> bool:
        await self._known(name)
        selection = {"schedule": name, "keys": [*keys] or None}
        async with self._context.audited(f"schedules {action}", selection, **act) as record:
            written = await self._tables.change(name, lambda stored, now: stored and decide(stored, now))
            await record.reach(int(written))
        return written

    def _fit_to_fire(self, stored: StoredSchedule) -> ScheduleConfig:
        definition, firing = definition_of(stored), self._firing
        if definition is None:
            problem = "its definition is of a later version; upgrade sp00ky-core"
        elif stored.paused:
            problem = f"it is paused; see: sp00ky schedules resume {stored.name}"
        elif not definition.enabled:
            problem = "it isn't enabled; set `enabled: true`, and run: sp00ky schedules sync"
        elif not firing.knows(stored, definition):
            where = f" (with the table {stored.job_table!r})" if stored.job_table else ""
            problem = f"its backend {definition.backend!r}{where} isn't one of this configuration"
        elif not firing.can_fire(stored, definition):
            problem = f"its query isn't one of this configuration: define it there, and {SYNC}"
        else:
            return definition
        raise ScheduleStopped(schedule=stored.name, problem=problem)


def _unknown(name: str, snapshot: ScheduleSnapshot) -> UnknownSchedule:
    known = (schedule.name for schedule in snapshot.schedules.values() if not schedule.removed)
    return UnknownSchedule(schedule=name, known=tuple(known))


def _removed(stored: StoredSchedule | None, _: datetime) -> StoredSchedule | None:
    return stored and removed(stored)
