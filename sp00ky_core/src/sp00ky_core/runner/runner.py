"""Start, run and drain what claims, attempts and settles jobs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from functools import partial
from importlib.metadata import version
from typing import Self

import attrs

from sp00ky_core.backend.backend import Backend, queues, said_of_tables, stored_table, strangers
from sp00ky_core.backend.loading import naming
from sp00ky_core.errors import BackendPaused, Sp00kyError
from sp00ky_core.gate.breaker import is_unavailable
from sp00ky_core.gate.gate import Gate
from sp00ky_core.gate.isolation import Isolation
from sp00ky_core.job.job import JobStatus, facts_of, named
from sp00ky_core.job.outcome import Delivered, Outcome, Undelivered
from sp00ky_core.job.retry import Strategy
from sp00ky_core.plugins.dispatch import Hooks
from sp00ky_core.ports import (
    BackendStats,
    DrainingTransport,
    IsolatingTransport,
    PlacedTransport,
    PreparedTransport,
    RunnerInfo,
    Settlement,
    Store,
    Transport,
)
from sp00ky_core.runner.attempt import Attempts
from sp00ky_core.runner.claim import Claimer, Wake
from sp00ky_core.runner.counters_and_log import Observer
from sp00ky_core.runner.holdings import Held, Holdings
from sp00ky_core.runner.liveness import Beat
from sp00ky_core.runner.maintenance.backend_settings import SettingsReader
from sp00ky_core.runner.maintenance.reclaim import Pruner, Reclaimer
from sp00ky_core.runner.maintenance.rollups import RollupWriter
from sp00ky_core.runner.options import TRYING, RunnerOptions, new_runner_id
from sp00ky_core.runner.services import ExtensionWork, RunnerSide, RunningExtensions
from sp00ky_core.runner.settle import BreakerWriter, Decider, RoutesWriter, Settler
from sp00ky_core.runner.slots import Answer, Slots
from sp00ky_core.stores.named_jobs import NamedJobs
from sp00ky_core.stores.subscription import Backoff, end, within

logger: logging.Logger = logging.getLogger(__name__)

VERSION = version("sp00ky-core")

UNTIL_EMPTY_POLL = 0.1
"""Seconds between two looks at the whole queue."""

LAST_WRITES = 10.0
"""Seconds that the last outcomes get to be written, from when the last attempt is over."""

LAST_CHANGES = 1.0
"""Seconds that what they say of their backends gets to be written then."""

LAST_OF_ALL, LAST_CLOSE = 1.5, 0.5
"""Seconds beside ``grace`` after which transports are closed, whatever a backend does, for then the process
is to end; and how long they get to close where the database took that time."""

LAST_BEAT = 2.0
"""Seconds for the last beat, and for the removal of the runner's row."""

LAST_CLAIM = 10.0
"""Seconds of ``grace`` for a claim under way to come back: cut off, it might be carried out all the same."""


class Runner:
    """Delivers a store's jobs; an asynchronous context manager whose end is a drain.

    It installs no signal handlers and never exits the process. A claimed job passes through its parts so: the
    claimer puts it into its backend's slots; a worker there has ``_start_or_give_back`` start its attempt;
    ``_settle_answer`` tells the gate of the outcome, and hands the settler what was decided; once that is
    written, ``_count_durable`` hears of it, and wakes the claimer.
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
        extensions: ExtensionWork | None = None,
    ) -> None:
        self._options = options = attrs.evolve(options, runner_id=new_runner_id(options.runner_id))
        self.observer: Observer = Observer(options.clock)
        self.drain_requested: asyncio.Event = asyncio.Event()  # an operator asks this runner to drain
        self.succeeded: int = 0  # jobs that this runner has settled as success
        self.failed: int = 0  # ... and as failed
        self._store, self._hooks = store, hooks
        self._backends, self._transports = backends, transports
        self._documents = {name: backend.document for name, backend in backends.items()}
        self._started = False
        self._running = False
        self._abandoned = False  # a drain was cut off
        self._turn = asyncio.Lock()  # of the start, and of each drain
        self._tasks = Tasks(options)
        self._holdings = Holdings()
        self._attempts = Attempts(transports, hooks, options)
        self._beat = Beat(
            store, options, self._info, drain_requested=self._stop_claiming, observer=self.observer
        )
        self._decider = Decider(hooks, strategies, options, self._beat)
        side = partial(RunnerSide, self._place, options.clock, self._documents.keys())
        self._extensions = RunningExtensions(extensions or {}, options, side, self.observer)
        self._build(queues(backends), NamedJobs(store, backends))

    def _build(self, tables: Mapping[str, Backend], jobs: NamedJobs) -> None:
        """Build what claims, makes attempts and writes outcomes, for the backends of these tables."""
        wake, news, holdings = Wake(tables, self._options), asyncio.Event(), self._holdings
        shared = (self._store, self._hooks, self._options, self.observer)
        self._wake = wake
        self._put_off = RoutesWriter(self._store, self.observer)
        self._slots = {name: self._slots_of(backend, news) for name, backend in tables.items()}
        self._gates = [slots.gate for slots in self._slots.values()]
        self._settler = Settler(*shared, holdings=holdings, written=self._count_durable, room=wake.freed)
        self._breakers = BreakerWriter(*shared, gates=self._gates, news=news, changed=wake.all_may_have_work)
        self._claimer = Claimer(
            *shared, slots=self._slots, holdings=holdings, settler=self._settler, beat=self._beat, wake=wake
        )
        self._reclaimer = Reclaimer(
            *shared,
            jobs=jobs,
            beat=self._beat,
            claimer=self._claimer,
            gates=self._gates,
            holdings=holdings,
            written=self._count_durable,
            pruner=Pruner(self._store, self._options, self._extensions.spared),
        )
        self._rollups = RollupWriter(self._store, self._options, self.observer)
        self._settings = SettingsReader(self._store, tables, self._claimer.adjust, self.observer)

    def _slots_of(self, backend: Backend, news: asyncio.Event) -> Slots:
        table, options = stored_table(backend), self._options
        gate = Gate(
            config=backend.config,
            runner_id=options.runner_id,
            clock=options.clock,
            random=options.random,
            poll=options.poll,
            news=news.set,
            is_limited=table.has_limits,
            several_routes=len(table.routes) > 1,
            probe_lease=table.probe_lease,
            isolation=self._isolation(backend),
        )
        work = self._start_or_give_back, self._settle_answer, self._wake.freed
        return Slots(backend, gate, *work, unanswered=options.unanswered)

    def _isolation(self, backend: Backend) -> Isolation | None:
        """Keep a backend's routes apart, where its transport asks for it."""
        config, transport = backend.config, self._transports.get(backend.name)
        if config.isolation == "backend" or transport is None:
            return None
        isolation = Isolation(concurrency=config.concurrency, news=self._put_off.news.set)
        if isinstance(transport, IsolatingTransport):
            isolation.limits = transport.limits
        self._put_off.add(backend, isolation, transport)
        return isolation

    @property
    def runner_id(self) -> str:
        """The runner's id, as it stands in the rows that it holds."""
        return self._options.runner_id

    @property
    def backends(self) -> Collection[str]:
        """The names of the backends that it serves."""
        return self._documents.keys()

    @property
    def in_flight(self) -> int:
        """How many attempts it makes now."""
        return self._holdings.attempts_by_backend().total()

    @property
    def is_ready(self) -> bool:
        """Whether it delivers: its store is reached, its claims go through, and it doesn't drain."""
        goes_on = self._running and not self._claimer.is_stopping
        return goes_on and self._claimer.claims.go_through and self._beat.is_fresh() and not self.stuck

    @property
    def stuck(self) -> Collection[str]:
        """The backends of which it delivers nothing: each place is kept by a call whose time is over."""
        return self._info().stuck

    @property
    def slots_by_backend(self) -> Mapping[str, int]:
        """How many attempts it can make at a time, by backend."""
        return self._info().slots

    @property
    def in_flight_by_backend(self) -> Mapping[str, int]:
        """How many attempts it makes now, by backend."""
        return self._info().in_flight

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.drain()

    async def start(self) -> None:
        """Begin to claim; once only. Under ``sp00ky check`` nothing is begun, as by one that drains.

        Raises:
            StoreError: the first beat failed.
        """
        if self._started:
            raise Sp00kyError("a runner starts once: make a new one with outbox.runner()")
        self._started = True
        if TRYING.get():
            self._stop_claiming()
            return
        async with self._turn:
            await self._prepare()
            self._running = True
            self._spawn_all()

    async def _prepare(self) -> None:
        try:
            for transport in self._own_transports():
                await transport.open()
            for name, transport in self._transports.items():
                if isinstance(transport, PreparedTransport):
                    config = self._backends[name].config
                    with naming(config):
                        await transport.prepare(config)
            await self._beat.beat()
            self._say_who_else_serves()
            await self._settings.look()
            await self._hooks.dispatch("sp00ky_runner_started", runner_id=self.runner_id)
        except BaseException:
            await self._close_transports()
            if self._beat.is_fresh():
                await self._remove_row()
            raise

    def _say_who_else_serves(self) -> None:
        """Log an error for each table that another service's runner serves too."""
        for found in strangers(self._backends.values(), self._beat.others()):
            logger.error("%s: %s: %s; %s", found.subject, found.problem, found.consequence, found.fix)

    def _spawn_all(self) -> None:
        self._tasks.start("beat", self._beat.run)
        self._tasks.start("settle", self._settler.run)
        self._tasks.start("breakers", self._breakers.run)
        self._tasks.start("routes", self._put_off.run)
        self._tasks.start("reclaim", self._reclaimer.run)
        self._tasks.start("signal", self._listen)
        for name, part in self._extensions.started():
            self._tasks.start(name, part, ends=True)
        self._tasks.start("rollups", self._rollups.run)
        self._tasks.start("settings", self._settings.run)
        self._tasks.start("claim", self._claimer.run, ends=True)

    def _place(self, backend: str | None) -> tuple[int, int]:
        """Return this runner's place among those that serve a backend, and how many these are."""
        return self._beat.place(backend or next(iter(self._documents)))

    async def _listen(self) -> None:
        async for _ in self._store.work_signal():
            self._extensions.wake()
            for gate in self._gates:
                gate.signal()
            self._wake.all_may_have_work()

    def _start_or_give_back(self, held: Held, slots: Slots) -> Undelivered | Awaitable[Outcome] | None:
        """Start a claim's attempt if beat, lease and gate allow it; else give it back, or defer it.

        A worker of the slots calls it; see ``StartAttempt``.
        """
        # After a gap between beats a peer may have taken the job already: the database knows.
        now, beat = self._options.clock(), self._beat
        is_own = now <= beat.fresh_until and beat.since <= held.claimed_at
        has_time = now <= held.claimed_at + held.backend.table.lease_margin
        is_wanted = is_own and has_time and not self._claimer.is_stopping
        if not (is_wanted and slots.gate.may_start(held, slots.busy)):
            self._claimer.give_back(held)
            return None
        deferred = slots.gate.deferred(held)
        if deferred is not None:
            self._settler.put(held, self._decider.settlement(held, deferred))
            return None
        return self._attempts.begin(held)

    def _settle_answer(self, held: Held, slots: Slots, answer: Answer) -> Awaitable[None] | None:
        """Tell the gate what came of an attempt, decide what follows, and hand that to the settler.

        A worker of the slots calls it; see ``SettleAnswer``.
        """
        gate, outcome = slots.gate, None
        try:
            outcome = self._attempts.outcome(held, answer)
            event = gate.note(held, outcome, is_sure=isinstance(outcome, Delivered) or self._was_awake(held))
            if event is None:
                self._claimer.give_back(held)
                return None
            settlement = self._decider.settlement(held, event)
        except Exception:  # a bug, here or in a plugin, must cost neither the job nor the worker
            text = "%s: its attempt can't be settled as it ended"
            logger.exception(text, named(held.job), extra=facts_of(held.job))
            gate.unsent(held)
            settlement = self._decider.unknown(held)
        self._settler.put(held, settlement, outcome)
        if not (isinstance(outcome, Undelivered) and is_unavailable(outcome)):
            return None
        held.worker = None  # the attempt is over: it needn't be cut off
        return self._breakers.heard(gate)  # or each runner would find out on its own, a job a slot

    def _was_awake(self, held: Held) -> bool:
        """Whether this runner ran without a gap since the attempt began: else the fault may be its own."""
        has_beaten = self._beat.has_beaten_since(held.started_at or held.claimed_at)
        return has_beaten and self._options.clock() <= held.lease_end

    def _count_durable(self, settlements: Iterable[tuple[Settlement, Held | None]]) -> None:
        """Count settlements that are written, and wake the claimer where they may have made a job due.

        The settler calls it with each claim that it settled, the reclaimer with None in a claim's place.
        """
        for settlement, held in settlements:
            status = settlement.transition.to
            self._extensions.note(settlement)
            if status is JobStatus.SUCCESS:
                self.succeeded += 1
            elif status is JobStatus.FAILED:
                self.failed += 1
            else:
                self._wake.all_may_have_work()
            if held is None:
                self.observer.reclaimed(settlement)
                continue
            if held.table.max_in_flight is not None:
                self._slots[held.table.backend].gate.limit.forget()
            elif held.job.ordering_key is None:
                continue
            self._wake.may_have_more(held.table.backend)
            self._wake.freed()

    def _info(self) -> RunnerInfo:
        attempts = self._holdings.attempts_by_backend()
        return RunnerInfo(
            version=VERSION,
            documents={**self._documents, **said_of_tables(self._backends.values())},
            in_flight={name: attempts[name] for name in self._documents},
            slots={name: self._places(name, backend) for name, backend in self._backends.items()},
            draining=self._claimer.is_stopping or self.drain_requested.is_set(),
        )

    def _places(self, name: str, backend: Backend) -> int:
        """Return how many attempts of a backend can be made at a time."""
        places, transport = (
            self._slots[backend.table.backend].backend.config.concurrency,
            self._transports.get(name),
        )
        lost = transport.lost_places(name) if isinstance(transport, PlacedTransport) else 0
        return max(places - lost, 0)

    async def until_empty(self) -> int:
        """Return when no job of its backends is pending or processing; how many it settled as failed.

        It returns, too, once an operator has asked this runner to drain.

        Raises:
            RowRefused: what is left is pending, and the database refuses to have it claimed.
            BackendPaused: what is left waits for an operator to resume its backend.
        """
        while True:
            await self._holdings.emptied.wait()
            stats = await self._store.stats()
            left = {name: stats[name] for name in self._slots if stats[name].pending + stats[name].processing}
            if self.drain_requested.is_set():
                return self.failed
            if not left:
                await self._holdings.emptied.wait()  # what was written meanwhile counts once it is answered
                return self.failed
            refuse_paused(left)
            refused = self._claimer.refused
            is_idle = not any(counts.processing for counts in left.values())
            if refused and is_idle and await self._store.next_due(self._slots.keys()) is None:
                raise refused
            await asyncio.sleep(UNTIL_EMPTY_POLL)  # other processes' jobs send no event here

    def _stop_claiming(self) -> None:
        """Begin a drain, as an operator asks; ending it is left to whoever started this runner."""
        self.drain_requested.set()
        self._stop()

    def _stop(self) -> None:
        self._claimer.stop()
        for transport in self._own_transports():
            if isinstance(transport, DrainingTransport):
                transport.draining()

    async def drain(self) -> None:
        """Stop claiming, let what is in flight end within ``grace``, write everything, let go.

        It waits for a start or a drain that is under way. Cancelled, it lets go at once; what it hadn't
        written then is written by another drain, or is lost: other runners reclaim those jobs.
        """
        self._started = True
        self._stop()
        async with self._turn:
            if not self._running:
                return
            try:
                await self._drain()
            except BaseException:
                self._abandoned = True
                await self._abandon()
                raise
            self._running = False

    async def _abandon(self) -> None:
        for slots in self._slots.values():
            slots.abandon()
        await self._tasks.stop()
        await asyncio.gather(*(slots.cancel() for slots in self._slots.values()))
        await self._close_transports()

    async def _drain(self) -> None:
        grace_ends_at = self._options.clock() + self._options.grace
        if self._abandoned:
            await self._abandon()  # what the drain before hadn't come to
            self._tasks.start("settle", self._settler.run)
            self._tasks.start("breakers", self._breakers.run)
        await self._tasks.stop("settings", "routes", *self._extensions.parts)
        await self._extensions.close()
        await within(grace_ends_at - self._options.clock(), self._let_end())
        await self._tasks.stop("claim", "signal")
        await asyncio.gather(*(slots.cancel() for slots in self._slots.values()))
        for held in self._holdings.in_hand():  # its transport doesn't even end when it is cancelled
            self._slots[held.table.backend].gate.unsent(held)
            self._settler.put(held, self._decider.unknown(held))
            held.worker = None
        if not await within(LAST_WRITES, self._write_all()):
            text = "not everything was written in time, %d outcomes wait; leases will run out"
            logger.error(text, len(self._holdings))
        await self._tasks.stop("settle", "reclaim")
        await within(LAST_CHANGES, self._breakers.all_written())
        await self._tasks.stop("breakers", "rollups")
        await self._rollups.stop()
        leaves_claims = len(self._holdings) or self._claimer.has_strays
        if await within(LAST_BEAT, self._beat.stop()) and not leaves_claims:
            await self._remove_row()  # one that leaves claims behind is to be taken for dead
        await self._tasks.stop("beat")
        await self._close_transports(max(grace_ends_at + LAST_OF_ALL - self._options.clock(), LAST_CLOSE))
        await self._hooks.dispatch("sp00ky_runner_stopped", runner_id=self.runner_id)
        await self._hooks.flush()

    async def _let_end(self) -> None:
        """Give back what isn't started, and let what is started end."""
        await self._tasks.ended("claim", LAST_CLAIM)
        await self._tasks.stop("claim", "signal")
        await self._give_back_unstarted()
        await self._holdings.attempts_over.wait()

    async def _write_all(self) -> None:
        await self._give_back_unstarted()  # where the grace ended before that
        backoff = Backoff(self._options.random)
        while self._claimer.has_strays:  # left behind, what was never sent would count as an attempt
            await backoff.wait()
            await self._give_back_unstarted()
        await self._holdings.emptied.wait()

    def _own_transports(self) -> Collection[Transport]:
        """Return the transports, each once: backends may share one."""
        return {id(transport): transport for transport in self._transports.values()}.values()

    async def _close_transports(self, seconds: float = LAST_CLOSE) -> None:
        """Close the transports; what doesn't end in time, such as an application, is left behind."""

        async def closing() -> None:
            for transport in self._own_transports():
                await transport.close()

        await within(seconds, closing())

    async def _remove_row(self) -> None:
        with self.observer.tolerating(
            "this runner's row can't be removed, it will look dead", logging.WARNING
        ):
            await within(LAST_BEAT, self._store.remove_runner(self.runner_id))

    async def _give_back_unstarted(self) -> None:
        for slots in self._slots.values():
            for held in slots.take_ready():
                self._claimer.let_go(held)
        with self.observer.tolerating("claims can't be released yet", logging.WARNING):
            await self._claimer.release()


def refuse_paused(left: Mapping[str, BackendStats]) -> None:
    """Raise ``BackendPaused`` where there is nothing left to do but for backends that are paused."""
    if all(counts.paused is not None and not counts.processing for counts in left.values()):
        raise BackendPaused(backends=tuple(left), jobs=sum(counts.pending for counts in left.values()))


class Tasks:
    """Starts the parts of a runner, again where one fails, and ends them."""

    def __init__(self, options: RunnerOptions) -> None:
        self._options = options
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, name: str, run: Callable[[], Awaitable[None]], *, ends: bool = False) -> None:
        """Start a part; ``ends``: it may end by itself."""
        running = self._keep_running(name, run, ends=ends)
        self._tasks[name] = asyncio.create_task(running, name=f"sp00ky-{name}")

    async def ended(self, name: str, within: float) -> None:
        """Return once a part has ended by itself, or after so many seconds."""
        if name in self._tasks:
            await asyncio.wait([self._tasks[name]], timeout=within)

    async def stop(self, *names: str) -> None:
        """End parts, or all; cancel again where a store's call answers a cancellation with an error."""
        tasks = {name: self._tasks[name] for name in names or tuple(self._tasks) if name in self._tasks}
        await end(tasks.values())
        for name in tasks:
            del self._tasks[name]

    async def _keep_running(self, name: str, run: Callable[[], Awaitable[None]], *, ends: bool) -> None:
        backoff = Backoff(self._options.random)
        while True:
            try:
                await run()
                if ends:
                    return
            except Exception:  # a bug must not stop deliveries: it is logged, and the part starts again
                logger.exception("the runner's %s failed and is started again", name)
            await backoff.wait()
