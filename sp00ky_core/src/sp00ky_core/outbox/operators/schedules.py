"""Define, list, pause, fire and check schedules; what operators do to them is written down."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from copy import copy
from datetime import datetime
from typing import Any, Self, Unpack

import attrs

from sp00ky_core.backend.backend import Backend, Backends
from sp00ky_core.backend.validation import (
    check_job,
    check_options,
    ignores_timeout,
    unknown_route,
    warn_of_ignored_timeout,
)
from sp00ky_core.config import Config
from sp00ky_core.config.schedules import (
    ForEachConfig,
    ScheduleConfig,
    parse_schedule,
    written_in_python,
)
from sp00ky_core.contract.payload import UNKNOWN
from sp00ky_core.contract.request_parts import LOOSE, UNDECLARED, USE_EXPLICIT
from sp00ky_core.encoding.json_bytes import decode
from sp00ky_core.errors import (
    PayloadInvalid,
    QueryRefused,
    ScheduleInvalid,
    ScheduleStopped,
    SchemaError,
    Sp00kyError,
    StoreError,
    UnknownSchedule,
    Violation,
)
from sp00ky_core.job.options import one_of
from sp00ky_core.outbox.operators.audit import AuditRecord, act_of, recorded
from sp00ky_core.outbox.operators.bulk import MOST_IDS
from sp00ky_core.plugins.dispatch import Hooks
from sp00ky_core.ports import (
    ActOptions,
    Finding,
    RunQuery,
    RunStatus,
    ScheduleRun,
    ScheduleSnapshot,
    Store,
    StoredSchedule,
    Trigger,
    check_limit,
)
from sp00ky_core.runner.counters_and_log import Observer
from sp00ky_core.runner.maintenance.schedule_runs import RunMaintenance, ScheduleServices
from sp00ky_core.runner.maintenance.scheduler import (
    TRIES,
    Firing,
    Place,
    Scheduler,
    change,
    decisions_of,
    define,
    jobs_of,
    schedules_of,
    tables_of,
    undefined,
)
from sp00ky_core.runner.options import RunnerOptions
from sp00ky_core.schedules.definition import definition_of, is_others, paused, released, removed, resumed
from sp00ky_core.schedules.fire import ended, new_job
from sp00ky_core.stores.event_loop import LoopStore, StoreUser

__all__ = ["ScheduleRecord"]

SYNC = "run: sp00ky schedules sync"
NO_JOB = "each of its fires fails, no job is made"


def definition_findings(config: Config, backends: Backends) -> Iterator[Finding]:
    """Yield what is wrong with the file's schedules, without asking the database."""
    for name, definition in config.schedules.items():
        subject = f"schedule {name}"
        try:
            check_definition(definition, backends)
        except Sp00kyError as error:
            problem = f"{error.key}: {error.problem}" if isinstance(error, ScheduleInvalid) else str(error)
            yield Finding.stopping(subject, problem, NO_JOB, "change the schedule, or its backend")
        else:
            if ignores_timeout(backends[definition.backend], definition.timeout):
                problem = f"backend {definition.backend!r} isn't timeoutOverridable"
                fix = "set timeoutOverridable there, or leave the schedule's timeout out"
                yield Finding.warning(subject, problem, "its timeout has no effect", fix)


def check_definition(definition: ScheduleConfig, backends: Backends) -> None:
    """Check what a definition calls, and the payload as far as it is the same each time.

    Raises:
        UnknownBackend: its backend isn't configured.
        UnknownRoute: its route isn't one of the backend's.
        ScheduleInvalid: the payload can't have a row in it.
        Sp00kyError: its payload or its options can't be a job's.
    """
    backend = backends.named(definition.backend)
    if definition.for_each is None:
        check_job(backend, new_job(definition, None))
    else:
        _check_rows(definition, backend)


def _check_rows(definition: ScheduleConfig, backend: Backend) -> None:
    """Check what is known of the payloads of rows: all but what a row holds."""
    check = backend.contract.check(definition.route)
    if check is None:
        raise unknown_route(backend, definition.route)
    new_job_of_row = new_job(definition, {}, check.operation)
    check_options(backend, new_job_of_row, check.operation)
    payload = decode(new_job_of_row.payload_json)
    place = "/row" if "row" in payload else "/$body/row"
    violations = [violation for violation in check.violations(payload) if _is_certain(violation, place)]
    refused = next((violation for violation in violations if violation.pointer == place), None)
    if refused is not None:
        taker, fix = check.operation.long_name, "call another operation, or leave forEach out"
        problem = f"the payload gets a property `row`, which {taker} can't take: {refused}"
        problem += f"; let the document have it, {fix}"
        raise ScheduleInvalid(schedule=definition.name, key="forEach", problem=problem)
    if violations:
        raise PayloadInvalid(backend=backend.name, path=definition.route, violations=tuple(violations))


def _is_certain(violation: Violation, place: str) -> bool:
    """Whether a violation is there whatever a row holds; what holds the row may be refused for that."""
    pointer, message = violation.pointer, violation.message
    if pointer == place:
        return message.startswith((UNKNOWN, UNDECLARED, LOOSE, USE_EXPLICIT)) or "not of type" in message
    return not f"{place}/".startswith(f"{pointer}/") and not pointer.startswith(f"{place}/")


async def store_findings(store: Store, definitions: Mapping[str, ScheduleConfig]) -> list[Finding]:
    """Find what the database says against them. Tables that are missing are found elsewhere."""
    try:
        stored = (await schedules_of(store).schedules()).schedules
    except StoreError:
        return []
    findings = []
    for name, definition in definitions.items():
        if store.capabilities.durable:
            findings += [*_row_findings(name, definition, stored.get(name))]
        if definition.for_each is not None:
            findings += await _query_findings(store, name, definition.for_each)
    return findings


async def _query_findings(store: Store, name: str, for_each: ForEachConfig) -> list[Finding]:
    try:
        rows = await schedules_of(store).query_rows(for_each.query, limit=1)
    except QueryRefused as error:
        problem, fix = error.problem, "change forEach.query"
    else:
        if not rows or for_each.key in rows[0]:
            return []
        problem, fix = f"its query gives no field {for_each.key!r}", "change forEach.key, or forEach.query"
    return [Finding.stopping(f"schedule {name}", problem, NO_JOB, fix)]


def _row_findings(name: str, definition: ScheduleConfig, stored: StoredSchedule | None) -> Iterator[Finding]:
    subject = f"schedule {name}"
    if stored is None or stored.removed:
        yield Finding.warning(subject, "the database doesn't have it", "a runner's start may add it", SYNC)
    elif stored.hash != definition.hash:
        problem = "the database has another definition of it"
        yield Finding.warning(subject, problem, "it fires as that one says", SYNC)
    elif stored.last_error:
        fix = "see: sp00ky schedules get " + name
        yield Finding.warning(subject, f"its last fire: {stored.last_error}", "jobs are missing", fix)


@attrs.frozen(kw_only=True)
class ScheduleRecord:
    """A schedule as it is now.

    Attributes:
        stored: Its row.
        definition: What that defines; None: a later version wrote it.
        last_run: The latest run; of a fire that made several, one that has failed, if any has. None: it has
            made none that is kept.
    """

    stored: StoredSchedule
    definition: ScheduleConfig | None
    last_run: ScheduleRun | None

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


def statuses_of(status: RunStatus | str | None) -> tuple[RunStatus, ...]:
    """Read a status to look for; None: any. Raises ``OptionInvalid``."""
    asked = one_of(RunStatus, "status", status)
    return () if asked is None else (asked,)


class ScheduleOperators(StoreUser):
    """The schedules of an outbox. Its calls raise ``CallUnsupported`` where the store keeps none."""

    def __init__(
        self, config: Config, loop_store: LoopStore, backends: Backends, hooks: Hooks, via: Callable[[], str]
    ) -> None:
        self._config = config
        self._loop_store = loop_store
        self.backends = backends
        self._hooks = hooks
        self._via = via
        self._trusted = {schedule.query_hash for schedule in config.schedules.values()}

    def acting_through(self, via: str) -> Self:
        """Return these schedules, of whose acts the audit says that they come through something else."""
        other = copy(self)
        other._via = lambda: via
        return other

    def services(
        self, served: Mapping[str, Any], options: RunnerOptions, log: Observer, place: Place
    ) -> ScheduleServices | None:
        """Make what a runner of these backends does, on its store; None: that keeps no schedules."""
        if not self.store.capabilities.schedules:
            return None
        firing, config = self._firing(served), self._config
        own = {name: schedule for name, schedule in config.schedules.items() if schedule.backend in served}
        upkeep = RunMaintenance(firing, config.retention, options, place, log)
        return ScheduleServices(Scheduler(firing, own, options, place, log), upkeep)

    def _firing(self, backends: Mapping[str, Any]) -> Firing:
        return Firing(self.store, backends, self._hooks, self._trusted.__contains__)

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
        schedules_of(self.store)  # refuses one that keeps none
        parsed = parse_schedule(name, written_in_python(definition))
        check_definition(parsed, self.backends)
        whose = f"the timeout of schedule {name!r}"
        warn_of_ignored_timeout(self.backends[parsed.backend], parsed.timeout, whose)
        self._trusted.add(parsed.query_hash)
        await define(self.store, decisions_of({name: parsed}, self.backends, origin="python"))

    async def sync(self, **act: Unpack[ActOptions]) -> SyncResult:
        """Make the schedules what the file says: changes, additions, removals; a pause is kept.

        What another service has defined stays: one whose file doesn't have the backend, or has another job
        table for it.
        """
        schedules_of(self.store)  # refuses one that keeps none
        return await self._synced(await self.plan(), **act)

    async def plan(self) -> SyncResult:
        """Find what ``sync`` would change: all where there are no tables yet, nothing where none are kept."""
        if not self.store.capabilities.schedules:
            return SyncResult(defined=[], removed=[])
        try:
            snapshot = await schedules_of(self.store).schedules()
        except SchemaError:
            return SyncResult(defined=[*self._config.schedules], removed=[])
        defined = undefined(snapshot, decisions_of(self._config.schedules, self.backends))
        return SyncResult(defined=[*defined], removed=self._superfluous(snapshot))

    def _superfluous(self, snapshot: ScheduleSnapshot) -> list[str]:
        known = {*self._config.schedules, *self._config.schedules_left_out}
        return [
            name
            for name, stored in snapshot.schedules.items()
            if not stored.removed and name not in known and self._is_the_files(stored)
        ]

    def _is_the_files(self, stored: StoredSchedule) -> bool:
        table = tables_of(self.backends).get(str(stored.definition.get("backend")))
        return stored.origin == "file" and table is not None and not is_others(stored, table)

    async def sync_migrated(self, **act: Unpack[ActOptions]) -> SyncResult:
        """Do as ``sync`` does, as a part of ``migrate``: it is written down only if it changes anything."""
        planned = await self.plan()
        return await self._synced(planned, **act) if planned.defined or planned.removed else planned

    async def _synced(self, planned: SyncResult, **act: Unpack[ActOptions]) -> SyncResult:
        selection = {"define": [*planned.defined][:MOST_IDS], "remove": [*planned.removed][:MOST_IDS]}
        async with self._recorded("sync", selection, **act) as record:
            defined = await define(self.store, decisions_of(self._config.schedules, self.backends))
            superfluous = self._superfluous(await schedules_of(self.store).schedules())
            gone = [name for name in superfluous if await change(self.store, name, _removed)]
            await record.reach(len(defined) + len(gone))
        return SyncResult(defined=defined, removed=gone)

    async def check(self) -> Sequence[Finding]:
        """Find what would keep the file's schedules from making jobs."""
        findings = [*definition_findings(self._config, self.backends)]
        if self.store.capabilities.schedules:
            findings += await store_findings(self.store, self._config.schedules)
        return findings

    async def list(self) -> list[ScheduleRecord]:
        """List the schedules that are defined, by name."""
        snapshot = await schedules_of(self.store).schedules()
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
        async with self._recorded("trigger", {"schedule": name}, **act) as record:
            for _ in range(TRIES):
                stored, now = await self._known(name)
                definition = self._fit_to_fire(stored)
                runs = await self._firing(self.backends).fire(stored, definition, now, Trigger.MANUAL)
                if runs is not None:
                    await record.reach(len(runs))
                    return runs
        raise StoreError(store=self.store.location, problem=f"schedule {name!r} changes all the time")

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
        store = schedules_of(self.store)
        check_limit("limit", limit)
        query = RunQuery(schedule=name, statuses=statuses_of(status), key=key, limit=limit)
        runs, snapshot = await store.runs(query), await store.schedules()
        if name is not None and not runs and name not in snapshot.schedules:
            raise _unknown(name, snapshot)
        return await self._current(runs, snapshot.now)

    async def _current(self, runs: Sequence[ScheduleRun], now: datetime) -> Sequence[ScheduleRun]:
        """Return runs with the statuses that their jobs have now."""
        jobs = await jobs_of(self.store, filter(self._goes_on, runs))
        return [(self._goes_on(run) and ended(run, jobs.get(run.job_id or ""), now)) or run for run in runs]

    def _goes_on(self, run: ScheduleRun) -> bool:
        """Whether its job may say more than its row: it is in a table that is known here."""
        tables = {backend.table.table for backend in self.backends.values()}
        is_known = run.job_id is None or run.job_id.partition(":")[0] in tables
        return is_known and run.status is RunStatus.RUNNING

    async def _record(self, stored: StoredSchedule, now: datetime) -> ScheduleRecord:
        definition = self._named(definition_of(stored))
        last = await self._latest_run(stored.name, now)
        if last is not None and (definition is None or definition.for_each is not None):
            for status in (RunStatus.KILLED, RunStatus.FAILED):
                worse = await self._latest_run(stored.name, now, status)
                last = worse if worse is not None and worse.fired_at == last.fired_at else last
        return ScheduleRecord(stored=stored, definition=definition, last_run=last)

    def _named(self, definition: ScheduleConfig | None) -> ScheduleConfig | None:
        """Return a definition with the name of its operation, however that is spelled there."""
        backend = self.backends.get(definition.backend) if definition else None
        if definition is None or backend is None:
            return definition
        return attrs.evolve(definition, route=backend.contract.name(definition.route))

    async def _latest_run(self, name: str, now: datetime, *statuses: RunStatus) -> ScheduleRun | None:
        query = RunQuery(schedule=name, statuses=statuses, limit=1)
        runs = await self._current(await schedules_of(self.store).runs(query), now)
        return runs[0] if runs else None

    async def _known(self, name: str) -> tuple[StoredSchedule, datetime]:
        snapshot = await schedules_of(self.store).schedules()
        stored = snapshot.schedules.get(name)
        if stored is None or stored.removed:
            raise _unknown(name, snapshot)
        return stored, snapshot.now

    async def _change(
        self, action: str, name: str, decide: Any, *, keys: Collection[str] = (), **act: Unpack[ActOptions]
    ) -> bool:
        await self._known(name)
        selection = {"schedule": name, "keys": [*keys] or None}
        async with self._recorded(action, selection, **act) as record:
            written = await change(self.store, name, lambda stored, now: stored and decide(stored, now))
            await record.reach(int(written))
        return written

    def _recorded(
        self, action: str, selection: Mapping[str, Any], **act: Unpack[ActOptions]
    ) -> AbstractAsyncContextManager[AuditRecord]:
        return recorded(self.store, act_of(f"schedules {action}", selection, via=self._via(), **act))

    def _fit_to_fire(self, stored: StoredSchedule) -> ScheduleConfig:
        definition, firing = definition_of(stored), self._firing(self.backends)
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
