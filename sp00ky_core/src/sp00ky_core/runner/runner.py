"""The loop that joins the runner's modules: start, run, drain."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from importlib.metadata import version
from typing import Self

import attrs

from sp00ky_core.backend import Backend, queues
from sp00ky_core.breaker import is_unavailable
from sp00ky_core.errors import Sp00kyError
from sp00ky_core.job import JobStatus
from sp00ky_core.metrics.observer import Observer
from sp00ky_core.metrics.rollup_writer import RollupWriter
from sp00ky_core.outcome import Delivered, Outcome
from sp00ky_core.plugins.calls import Hooks
from sp00ky_core.ports import Rollups, RunnerInfo, Settlement, Store, Transport, has
from sp00ky_core.retry import Strategy
from sp00ky_core.runner.attempt import Attempts
from sp00ky_core.runner.breaker.reporting import Breakers
from sp00ky_core.runner.claim import Claimer
from sp00ky_core.runner.decide import Decider
from sp00ky_core.runner.defer import Deferrals
from sp00ky_core.runner.drain import Drain
from sp00ky_core.runner.in_flight import Held, Holdings
from sp00ky_core.runner.maintenance.heartbeat import Beat
from sp00ky_core.runner.maintenance.reclaim import Reclaimer
from sp00ky_core.runner.maintenance.store_log import StoreLog
from sp00ky_core.runner.options import RunnerOptions, new_runner_id
from sp00ky_core.runner.settle import Settler
from sp00ky_core.runner.steering.limit import Limits
from sp00ky_core.runner.steering.pause import Pauses
from sp00ky_core.runner.wakeup import Wake
from sp00ky_core.runner.workers import Slots
from sp00ky_core.scheduler.runs import ScheduleServices
from sp00ky_core.scheduler.scheduler import Place
from sp00ky_core.stores.naming import NamedJobs

logger: logging.Logger = logging.getLogger(__name__)


class Runner(Drain):
    """Delivers a store's jobs; an asynchronous context manager whose end is a drain.

    Installs no signal handlers and never exits the process.
    """

    def __init__(
        self,
        *,
        store: Store,
        backends: Mapping[str, Backend],
        transports: Mapping[str, Transport],
        hooks: Hooks,
        strategies: Mapping[str, Strategy],
        options: RunnerOptions,
        schedules: Callable[[StoreLog, Place], ScheduleServices | None] = lambda *_: None,
    ) -> None:
        self._options = options = attrs.evolve(options, runner_id=new_runner_id(options.runner_id))
        self.observer: Observer = Observer(options.clock)
        self._store, self._hooks = store, hooks
        self._jobs = NamedJobs(store, backends)
        self._store_log = StoreLog(options.clock, self.observer.counters)
        rollups, counters = has(store, Rollups), self.observer.counters
        self._rollups = RollupWriter(rollups, counters, options, self._store_log) if rollups else None
        self._transports = list({id(each): each for each in transports.values()}.values())
        self._documents = {name: backend.document for name, backend in backends.items()}
        self._concurrency = {name: backend.config.concurrency for name, backend in backends.items()}
        self._started = False
        self._running = False
        self._abandoned = False  # a drain was cut off
        self._turn = asyncio.Lock()  # of the start, and of each drain
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.drain_requested: asyncio.Event = asyncio.Event()  # an operator asks this runner to drain
        self.succeeded: int = 0  # jobs that this runner has settled as success
        self.failed: int = 0  # ... and as failed
        self._attempts = Attempts(transports, hooks, options)
        self._decider = Decider(hooks, strategies, options)
        self._build(queues(backends))
        self._schedules = schedules(self._store_log, self._beat.place)
        self._build_claims()

    def _build(self, tables: Mapping[str, Backend]) -> None:
        """Build what holds claims and writes outcomes, for the backends of these tables."""
        store, hooks, options, log = self._store, self._hooks, self._options, self._store_log
        self._holdings = Holdings()
        self._wake = Wake(tables, options)
        self._beat = Beat(store, options, self._info, drain_requested=self._stop_claiming, store_log=log)
        self._pauses, self._limits = Pauses(options), Limits(options)
        self._breakers = Breakers(
            store=store,
            backends=tables,
            hooks=hooks,
            options=options,
            store_log=log,
            changed=self._wake.all_may_have_work,
        )
        self._settler = Settler(
            store=store,
            holdings=self._holdings,
            hooks=hooks,
            options=options,
            store_log=log,
            observer=self.observer,
            written=self._note,
            room=self._wake.freed,
        )
        self._slots = {
            name: Slots(backend, self._perform, self._wake.freed, unanswered=options.unanswered)
            for name, backend in tables.items()
        }
        self._deferrals = Deferrals(self._slots, self._beat, options)

    def _build_claims(self) -> None:
        """Build what claims, and what reclaims."""
        self._claimer = Claimer(
            store=self._store,
            slots=self._slots,
            holdings=self._holdings,
            settler=self._settler,
            beat=self._beat,
            wake=self._wake,
            breakers=self._breakers,
            pauses=self._pauses,
            limits=self._limits,
            hooks=self._hooks,
            options=self._options,
            store_log=self._store_log,
            observer=self.observer,
        )
        self._reclaimer = Reclaimer(
            store=self._store,
            jobs=self._jobs,
            beat=self._beat,
            claimer=self._claimer,
            breakers=self._breakers,
            holdings=self._holdings,
            hooks=self._hooks,
            options=self._options,
            store_log=self._store_log,
            written=self._note,
            before_prune=self._schedules.upkeep.close_runs if self._schedules else None,
        )

    @property
    def backends(self) -> Collection[str]:
        """The names of those that it serves."""
        return self._documents.keys()

    @property
    def in_flight(self) -> int:
        """Attempts that it makes now."""
        return self._holdings.attempts_by_backend().total()

    @property
    def is_ready(self) -> bool:
        """Whether it delivers: its store is reached, its claims go through, and it doesn't drain."""
        goes_on = self._running and not self._claimer.is_stopping
        return goes_on and self.observer.claims_go_through and self._beat.is_fresh()

    @property
    def in_flight_by_backend(self) -> Mapping[str, int]:
        """Attempts that it makes now, by backend."""
        return self._info().in_flight

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.drain()

    async def start(self) -> None:
        """Begin to claim; once only.

        Raises:
            StoreError: the first beat failed.
        """
        if self._started:
            raise Sp00kyError("a runner starts once: make a new one with outbox.runner()")
        self._started = True
        async with self._turn:
            await self._prepare()
            self._running = True
            self._spawn_all()

    async def _prepare(self) -> None:
        try:
            for transport in self._transports:
                await transport.open()
            await self._beat.beat()
            await self._hooks.dispatch("sp00ky_runner_started", runner_id=self.runner_id)
        except BaseException:
            await self._close_transports()
            if self._beat.is_fresh():
                await self._remove_row()
            raise

    def _spawn_all(self) -> None:
        self._spawn("beat", self._beat.run)
        self._spawn("settle", self._settler.run)
        self._spawn("breakers", self._breakers.run)
        self._spawn("reclaim", self._reclaimer.run)
        self._spawn("signal", self._listen)
        if self._schedules is not None:
            self._spawn("scheduler", self._schedules.scheduler.run)
            self._spawn("runs", self._schedules.upkeep.run)
        if self._rollups is not None:
            self._spawn("rollups", self._rollups.run)
        self._spawn("claim", self._claimer.run)

    async def _listen(self) -> None:
        async for _ in self._store.work_signal():
            self._breakers.signal()
            self._pauses.signal()
            if self._schedules is not None:
                self._schedules.scheduler.signal()
            self._wake.all_may_have_work()

    async def _perform(self, held: Held) -> None:
        if not self._beat.is_fresh():
            await self._wait_for_beat(held)
        if not self._may_start(held):
            self._claimer.give_back(held)
            return
        if (wait := self._breakers.route_wait(held)) > 0:
            self._settler.put(held, self._decider.settlement(held, self._deferrals.of_route(held, wait)))
            return
        is_failure, outcome = False, None
        try:
            outcome = await self._attempts.attempt(held)
            if self._note_outcome(held, outcome):
                self._claimer.give_back(held)
                return
            is_failure = is_unavailable(outcome)
            settlement = self._decider.settlement(held, self._deferrals.event_of(held, outcome))
        except Exception:  # a bug, here or in a plugin, must cost neither the job nor the worker
            logger.exception("job %s: its attempt can't be settled as it ended", held.job.id)
            self._breakers.unsent(held)
            settlement = self._decider.unknown(held)
        self.observer.ended(held, settlement, outcome)
        self._settler.put(held, settlement)
        if is_failure:
            held.worker = None  # the attempt is over: it needn't be cut off
            await self._breakers.heard(held)  # or each runner would find out on its own, a job a slot

    def _note_outcome(self, held: Held, outcome: Outcome) -> bool:
        """Count what an outcome says of its backend; whether its attempt doesn't count."""
        if isinstance(outcome, Delivered) or self._was_awake(held):
            return self._breakers.note(held, outcome)
        self._breakers.unsent(held)
        return False

    def _was_awake(self, held: Held) -> bool:
        """Whether this runner ran without a gap since the attempt began: else the fault may be its own."""
        has_beaten = self._beat.is_fresh() and self._beat.covers(held.started_at or held.claimed_at)
        return has_beaten and self._options.clock() <= held.lease_end

    def _may_start(self, held: Held) -> bool:
        now = self._options.clock()
        # After a gap between beats a peer may have taken the job already: the database knows.
        is_sure = self._beat.covers(held.claimed_at) and now <= held.last_start
        if not is_sure or self._claimer.is_stopping or not self._breakers.may_start(held):
            return False
        table = held.table.backend
        return table not in self._pauses.paused and self._slots[table].may_start(held, now)

    async def _wait_for_beat(self, held: Held) -> None:
        try:
            await self._beat.fresh()
        except asyncio.CancelledError:
            self._claimer.let_go(held)  # never started: the drain's release gives it back
            raise

    def _note(self, settlement: Settlement, held: Held | None = None) -> None:
        """Count a durable settlement: a job that is pending again, or one that waited for it, may be due."""
        status = settlement.transition.to
        if status is JobStatus.SUCCESS:
            self.succeeded += 1
        elif status is JobStatus.FAILED:
            self.failed += 1
        else:
            self._wake.all_may_have_work()
        if held is None:
            self.observer.reclaimed(settlement)
            return
        if held.table.max_in_flight is not None:
            self._limits.forget(held.table.backend)
        elif held.job.ordering_key is None:
            return
        self._wake.may_have_more([held.table.backend])
        self._wake.freed()

    def _info(self) -> RunnerInfo:
        attempts = self._holdings.attempts_by_backend()
        return RunnerInfo(
            version=VERSION,
            documents=self._documents,
            in_flight={name: attempts[name] for name in self._documents},
            slots=self._concurrency,
            draining=self._claimer.is_stopping or self.drain_requested.is_set(),
        )


VERSION = version("sp00ky-core")
