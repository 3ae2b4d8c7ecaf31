"""Fire what is due, each schedule in one runner where it can be; change schedules' rows under their guard."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

import attrs

from sp00ky_core.backend.backend import Backend
from sp00ky_core.backend.validation import check_job
from sp00ky_core.config.schedules import ScheduleConfig
from sp00ky_core.errors import QueryRefused, Sp00kyError, StoreError
from sp00ky_core.job.job import Job
from sp00ky_core.plugins.dispatch import Hooks
from sp00ky_core.ports import (
    OPEN_RUN,
    JobQuery,
    RunQuery,
    RunStatus,
    ScheduleChange,
    ScheduleRun,
    Schedules,
    ScheduleSnapshot,
    Store,
    StoredSchedule,
    Trigger,
    needed,
)
from sp00ky_core.runner.counters_and_log import Observer
from sp00ky_core.runner.options import RunnerOptions
from sp00ky_core.schedules.definition import (
    brought_back,
    can_not_fire,
    defined,
    definition_of,
    is_due,
    is_others,
    next_fire,
)
from sp00ky_core.schedules.fire import FanOut, Fire, OpenRun, Situation, decide_fire, failures_after, fan_out
from sp00ky_core.stores.named_jobs import NamedJobs
from sp00ky_core.stores.transitions import kill, report_settled

TRIES = 50
"""How often a row that changes meanwhile is read again; runners change it at each fire."""

Decide = Callable[[StoredSchedule | None, datetime], StoredSchedule | None]
"""Decides, by the row and the database's time, how the row is to be; None: as it is."""


def schedules_of(store: Store) -> Schedules:
    """Return a store as one that keeps schedules. Raises ``CallUnsupported``."""
    return needed(store, Schedules, "schedules", "use a store that keeps them")


async def change(store: Store, name: str, decide: Decide, runs: Sequence[ScheduleRun] = ()) -> bool:
    """Change one row, and write these runs with it; whether it was written.

    Raises:
        StoreError: it couldn't be, for it changes all the time.
    """
    schedules = schedules_of(store)
    for _ in range(TRIES):
        snapshot = await schedules.schedules()
        stored = snapshot.schedules.get(name)
        wanted = decide(stored, snapshot.now)
        if wanted is None or (wanted == stored and not runs):
            return False
        if await schedules.change_schedule(ScheduleChange(schedule=wanted, runs=runs)) is not None:
            return True
    raise StoreError(store=store.location, problem=f"schedule {name!r} changes all the time; try again")


def tables_of(backends: Mapping[str, Backend]) -> dict[str, str]:
    """Return the job table of each backend, by its name."""
    return {name: backend.table.table for name, backend in backends.items()}


Decisions = Mapping[str, Decide]
"""By the schedules' names."""


def decisions_of(
    schedules: Mapping[str, ScheduleConfig],
    backends: Mapping[str, Backend],
    *,
    origin: str = "file",
    only_new: bool = False,
) -> Decisions:
    """Return what decides how the rows of schedules are to be, as ``defined`` does."""
    tables, decide = tables_of(backends), partial(defined, origin=origin, only_new=only_new)
    return {
        name: partial(decide, schedule, job_table=tables.get(schedule.backend))
        for name, schedule in schedules.items()
    }


async def define(store: Store, decisions: Decisions) -> list[str]:
    """Make the rows what is decided; return the names of those that were written."""
    wanted = undefined(await schedules_of(store).schedules(), decisions)
    return [name for name, decide in wanted.items() if await change(store, name, decide)]


def undefined(snapshot: ScheduleSnapshot, decisions: Decisions) -> Decisions:
    """Return the decisions that change a row; nearly every start has none."""
    stored, now = snapshot.schedules, snapshot.now
    return {name: decide for name, decide in decisions.items() if decide(stored.get(name), now) is not None}


Place = Callable[[str], tuple[int, int]]
"""Where a runner stands among those that serve a backend, by the backend's name, and how many these are."""


def share(schedules: Mapping[str, StoredSchedule], place: Place) -> set[str]:
    """Return the names of a runner's own schedules: of n runners each has every nth.

    While runners don't see the same schedules and runners, one may be two runners' own, or no runner's: then
    the guard of a change keeps them apart, and what its runner doesn't do in time the others do.
    """
    backends = [str(stored.definition.get("backend")) for stored in schedules.values()]
    places = {backend: place(backend) for backend in set(backends)}
    named = zip(schedules, backends, strict=True)
    return {name for n, (name, backend) in enumerate(named) if n % places[backend][1] == places[backend][0]}


def everything(_: str) -> tuple[int, int]:
    """Return the place of a runner that is alone, whose own all schedules are."""
    return 0, 1


logger: logging.Logger = logging.getLogger(__name__)

AT_ONCE = 8
"""Fires at a time: a slow query holds up no other schedule."""

SHORTEST_WAIT = 0.002
"""Seconds between two looks, where the database's clock is a little behind."""

AFTER_SIGNAL = 1.0
"""Seconds between two looks that signals cause: each new job gives one."""

FRESH = 0.05
"""Seconds for which what was read is good enough to decide on: the guard finds out what has changed since."""

AFTER_FAILURE = 1.0
"""Seconds until what failed is tried again."""

HEAD_START = timedelta(seconds=0.5)
"""For a due schedule's own runner; then the others fire it, too."""

APART = 0.2
"""Seconds over which these are spread before they run a query that only one of them needs."""


@attrs.define(eq=False, slots=False)
class Scheduler:
    """Fires the schedules that this process can fire.

    Args:
        firing: What fires one.
        definitions: Those of this process's file.
        options: The runner's.
        place: See ``share``.
        log: Counts what fails.
    """

    _firing: Firing
    _definitions: Mapping[str, ScheduleConfig]
    _options: RunnerOptions
    _place: Place
    _log: Observer

    def __attrs_post_init__(self) -> None:
        self._schedules = schedules_of(self._firing.store)
        self._signalled = asyncio.Event()
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._read: dict[tuple[str, str], ScheduleConfig | None] = {}  # by name and hash
        self._right: dict[str, tuple[datetime | None, datetime]] = {}  # next fire, and when it was right
        self._said: set[str] = set()
        self._has_defined = False
        self._reading = asyncio.Lock()
        self._snapshot: ScheduleSnapshot | None = None
        self._read_at = 0.0

    def signal(self) -> None:
        """Look again soon: something may have been defined, resumed or fired."""
        self._signalled.set()

    async def run(self) -> None:
        """Define what is new, then fire what is due until cancelled."""
        try:
            while True:
                await self._wait(await self._look())
        finally:
            await self._end()

    async def _look(self) -> float:
        """Begin what is due; seconds until there may be more."""
        try:
            if not self._has_defined:
                new = decisions_of(self._definitions, self._firing.backends, only_new=True)
                await define(self._firing.store, new)
            snapshot = await self._latest(0.0)
            if not self._has_defined:
                self._has_defined = True
                self._say_what_differs(snapshot)
        except Sp00kyError as error:
            self._log.count(error)
            self._say_once(self._firing.store.location, f"no schedule can be read, none is fired: {error}")
            return min(self._options.poll, AFTER_FAILURE)
        self._said.discard(self._firing.store.location)
        return self._begin(snapshot)

    def _say_what_differs(self, snapshot: ScheduleSnapshot) -> None:
        """Say which of the file's definitions the database has had before, and has no more."""
        for name, definition in self._definitions.items():
            stored = snapshot.schedules.get(name)
            if stored is None or stored.removed:
                problem = "was removed from the database"
            elif stored.hash != definition.hash:
                problem = "fires as a later definition in the database says"
            else:
                continue
            fix = "if it is to be as this process's file says, run: sp00ky schedules sync"
            logger.warning("schedule %r %s; %s", name, problem, fix)

    async def _latest(self, fresh: float = FRESH) -> ScheduleSnapshot:
        """Read the schedules, unless it was done just now: fires that begin together share what is read."""
        async with self._reading:
            if self._snapshot is None or self._options.clock() - self._read_at >= fresh:
                self._snapshot = await self._schedules.schedules()
                self._read_at = self._options.clock()
            return self._snapshot

    def _begin(self, snapshot: ScheduleSnapshot) -> float:
        """Begin what is due; seconds until more may be."""
        wait = self._options.poll * (0.9 + 0.2 * self._options.random())
        own, rows = share(snapshot.schedules, self._place), list(snapshot.schedules.items())
        start = int(self._options.random() * len(rows))  # so that runners rarely begin with the same one
        for name, stored in rows[start:] + rows[:start]:
            if can_not_fire(stored) or stored.next_fire_at is None or name in self._under_way:
                continue
            definition = self._definition(stored)
            if definition is None:
                continue
            turn = stored.next_fire_at + (timedelta() if name in own else HEAD_START)
            if turn <= snapshot.now or not self._is_right(stored, definition, snapshot.now):
                fire = self._fire(name, definition, is_own=name in own)
                self._under_way[name] = asyncio.create_task(fire)
                turn = next_fire(definition, snapshot.now) or turn
            if turn > snapshot.now:
                wait = min(wait, (turn - snapshot.now).total_seconds())
        return max(wait, SHORTEST_WAIT)

    def _is_right(self, stored: StoredSchedule, definition: ScheduleConfig, now: datetime) -> bool:
        """Whether its next fire isn't too far ahead: once right, it stays so until the clock goes back."""
        at, since = self._right.get(stored.name, (None, now))
        if at != stored.next_fire_at or now < since:
            if brought_back(stored, definition, now) is not None:
                return False
            self._right[stored.name] = stored.next_fire_at, now
        return True

    def _definition(self, stored: StoredSchedule) -> ScheduleConfig | None:
        key = (stored.name, stored.hash)
        if key not in self._read:
            self._read[key] = definition_of(stored)
        definition, problem = self._read[key], ""
        if definition is None:
            problem = "its definition can't be read"
        elif not self._firing.can_fire(stored, definition):
            if self._firing.knows(stored, definition):
                problem = "its query isn't one of this process's file"
            definition = None
        if problem:
            self._say_once(stored.name, f"schedule {stored.name!r} isn't fired here: {problem}")
        return definition

    async def _fire(self, name: str, definition: ScheduleConfig, *, is_own: bool) -> None:
        try:
            async with self._slots:
                if definition.for_each is not None and not is_own:
                    await asyncio.sleep(APART * self._options.random())
                for fresh in (FRESH, 0.0, 0.0):  # another runner may have fired it meanwhile
                    snapshot = await self._latest(fresh)
                    stored = snapshot.schedules.get(name)
                    if stored is None or self._definition(stored) != definition:
                        return
                    if await self._fire_or_bring_back(stored, definition, snapshot.now):
                        return
        except Sp00kyError as error:
            self._log.count(error)
            logger.warning("schedule %s: this fire is tried again: %s", name, error)
            await asyncio.sleep(AFTER_FAILURE)
        except Exception:  # a bug must not stop the other schedules
            logger.exception("schedule %s: this fire is tried again", name)
            await asyncio.sleep(AFTER_FAILURE)
        finally:
            del self._under_way[name]
            self.signal()

    async def _fire_or_bring_back(
        self, stored: StoredSchedule, definition: ScheduleConfig, now: datetime
    ) -> bool:
        """Do what is due; False: the row has changed meanwhile, and may be due still."""
        if is_due(stored, now):
            return await self._firing.fire(stored, definition, now, Trigger.CRON) is not None
        wanted = brought_back(stored, definition, now)
        if wanted is None:
            return True
        if await self._schedules.change_schedule(ScheduleChange(schedule=wanted)) is None:
            return False
        text = "schedule %s: its next fire was %s ahead, for the database's clock has gone back; it is now %s"
        logger.warning(text, stored.name, (stored.next_fire_at or now) - now, wanted.next_fire_at)
        return True

    async def _wait(self, seconds: float) -> None:
        begin = self._options.clock()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._signalled.wait()
                await asyncio.sleep(AFTER_SIGNAL - (self._options.clock() - begin))
        self._signalled.clear()

    async def _end(self) -> None:
        """Cancel the fires, again with each cancellation of this: a ``TaskGroup`` would pass on the first."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _say_once(self, about: str, text: str) -> None:
        if about not in self._said:
            self._said.add(about)
            logger.warning(text)


PAGE = 500
"""Jobs that are read at a time."""


async def open_runs(store: Store, schedule: str) -> list[OpenRun]:
    """Read runs that haven't ended, as far as is written down, with their jobs, oldest first."""
    query = RunQuery(schedule=schedule, statuses=OPEN_RUN, limit=None)
    return await with_jobs(store, await schedules_of(store).runs(query))


async def with_jobs(store: Store, runs: Sequence[ScheduleRun]) -> list[OpenRun]:
    """Return runs with their jobs, oldest first; they come with the newest first."""
    jobs = await jobs_of(store, runs)
    return [(run, jobs.get(run.job_id or "")) for run in reversed(runs)]


async def jobs_of(store: Store, runs: Iterable[ScheduleRun]) -> dict[str, Job]:
    """Read the jobs of runs that are there, by their ids."""
    jobs: dict[str, Job] = {}
    ids = [run.job_id for run in runs if run.job_id is not None]
    for start in range(0, len(ids), PAGE):
        page = JobQuery(ids=tuple(ids[start : start + PAGE]), limit=PAGE)
        jobs |= {job.id: job for job in await store.find(page)}
    return jobs


@attrs.frozen
class Firing:
    """Fires schedules of the backends that are known here.

    Attributes:
        store: Keeps them.
        backends: By name.
        hooks: Those who observe.
        trusted: Whether a query, by its hash, may be run here: whoever can write the table can't have it run.
    """

    store: Store
    backends: Mapping[str, Backend]
    hooks: Hooks
    trusted: Callable[[str], bool]

    def knows(self, stored: StoredSchedule, definition: ScheduleConfig) -> bool:
        """Whether its backend is known here, and no other service's of that name."""
        backend = self.backends.get(definition.backend)
        return backend is not None and not is_others(stored, backend.table.table)

    def can_fire(self, stored: StoredSchedule, definition: ScheduleConfig) -> bool:
        """Whether its backend is known here, and its query trusted."""
        query = definition.query_hash
        return self.knows(stored, definition) and (query is None or self.trusted(query))

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
            checked=lambda new_job: backend.stored(check_job(backend, new_job)),
        )
        fire = await self._decided(situation)
        written = None if fire is None else await schedules_of(self.store).change_schedule(fire.change)
        if fire is None or written is None:
            return None
        runs = [*written, *(run for run in fire.change.runs if run.fired_at == now)]
        if trigger is Trigger.CRON:  # who fires it by hand looks at the runs
            _log_losses(stored, fire.change.schedule, runs)
        if self.hooks.observes("sp00ky_schedule_fired"):
            await self.hooks.dispatch("sp00ky_schedule_fired", schedule=stored.name, runs=runs)
        if definition.quarantine_after is not None:
            await self._count_refused(stored.name, written)
        return runs

    async def _count_refused(self, name: str, written: Sequence[ScheduleRun]) -> None:
        """Count the rows that the database has refused as failures: the fire was decided without them."""
        refused = [run for run in written if run.status is RunStatus.FAILED]

        def decide(stored: StoredSchedule | None, _: datetime) -> StoredSchedule | None:
            return stored and attrs.evolve(stored, failures=failures_after(stored.failures, refused))

        if refused:
            await change(self.store, name, decide)

    async def _rows(self, definition: ScheduleConfig, trigger: Trigger) -> FanOut | None:
        if definition.for_each is None:
            return None
        try:
            rows = await schedules_of(self.store).query_rows(definition.for_each.query)
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
        whole = attrs.evolve(situation, open_runs=await open_runs(self.store, name))
        fire = decide_fire(whole)
        if not fire.kills:
            return fire
        latest = (await schedules_of(self.store).schedules()).schedules.get(name)
        if latest is None or latest.revision != situation.stored.revision:
            return None
        await self.kill(fire.kills)
        return decide_fire(attrs.evolve(situation, open_runs=await open_runs(self.store, name)))

    async def kill(self, reasons: Mapping[str, str]) -> None:
        """Kill jobs, each for its reason."""
        for reason in set(reasons.values()):
            job_ids = [job_id for job_id, why in reasons.items() if why == reason]
            results = await kill(self.store, job_ids, reason=reason)
            await report_settled(NamedJobs(self.store, self.backends), self.hooks, results)


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
