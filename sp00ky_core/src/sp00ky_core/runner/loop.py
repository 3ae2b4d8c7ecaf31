"""The loop that joins the runner's modules: start, run, drain."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Self

import attrs

from sp00ky_core.backend import Backend
from sp00ky_core.breaker import is_unavailable
from sp00ky_core.dispatch import Hooks
from sp00ky_core.errors import RowRefused, Sp00kyError
from sp00ky_core.job import JobStatus
from sp00ky_core.ports import Settlement, Store, Transport
from sp00ky_core.retry import Strategy
from sp00ky_core.runner.attempt import Attempts
from sp00ky_core.runner.backoff import Backoff
from sp00ky_core.runner.beat import Beat
from sp00ky_core.runner.breakers import Breakers
from sp00ky_core.runner.claim import Claimer
from sp00ky_core.runner.decide import Decider
from sp00ky_core.runner.held import Held, Holdings
from sp00ky_core.runner.options import RunnerOptions, new_runner_id
from sp00ky_core.runner.reclaim import Reclaimer
from sp00ky_core.runner.settle import Settler
from sp00ky_core.runner.slots import Slots
from sp00ky_core.runner.wake import Wake

__all__ = ["Runner"]

logger = logging.getLogger(__name__)

LAST_WRITES = 10.0
"""Seconds that the last outcomes get to be written, after ``grace``."""

LAST_CHANGES = 1.0
"""Seconds that what they say of their backends gets to be written then."""

LAST_CLAIM = 2.0
"""Seconds that a claim under way gets to come back when the runner drains."""


class Runner:
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
    ) -> None:
        options = attrs.evolve(options, runner_id=new_runner_id(options.runner_id))
        self._store = store
        self._transports = list({id(each): each for each in transports.values()}.values())
        self._hooks = hooks
        self._options = options
        self._started = False
        self._running = False
        self._abandoned = False  # a drain was cut off
        self._turn = asyncio.Lock()  # of the start, and of each drain
        self._holdings = Holdings()
        self._wake = Wake(backends, options)
        self._beat = Beat(store, options)
        self._breakers = Breakers(
            store=store, backends=backends, hooks=hooks, options=options, changed=self._wake.all_may_have_work
        )
        self._settler = Settler(
            store=store,
            holdings=self._holdings,
            hooks=hooks,
            options=options,
            written=self._note,
            room=self._wake.freed,
        )
        self._attempts = Attempts(transports, hooks, options)
        self._decider = Decider(hooks, strategies, options)
        self._slots = {
            name: Slots(backend, self._perform, self._wake.freed) for name, backend in backends.items()
        }
        self._claimer = Claimer(
            store=store,
            slots=self._slots,
            holdings=self._holdings,
            settler=self._settler,
            beat=self._beat,
            wake=self._wake,
            breakers=self._breakers,
            hooks=hooks,
            options=options,
        )
        self._reclaimer = Reclaimer(
            store=store,
            beat=self._beat,
            claimer=self._claimer,
            breakers=self._breakers,
            holdings=self._holdings,
            hooks=hooks,
            options=options,
            written=self._note,
        )
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.succeeded = 0  # jobs that this runner has settled as success
        self.failed = 0  # ... and as failed

    @property
    def runner_id(self) -> str:
        """As in the rows that it holds."""
        return self._options.runner_id

    @property
    def in_flight(self) -> int:
        """Jobs that it holds now."""
        return len(self._holdings)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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
            raise

    def _spawn_all(self) -> None:
        self._spawn("beat", self._beat.run)
        self._spawn("settle", self._settler.run)
        self._spawn("breakers", self._breakers.run)
        self._spawn("reclaim", self._reclaimer.run)
        self._spawn("signal", self._listen)
        self._spawn("claim", self._claimer.run)

    def _spawn(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        self._tasks[name] = asyncio.create_task(self._keep_running(name, run), name=f"sp00ky-{name}")

    async def _keep_running(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        backoff = Backoff(self._options.random)
        while True:
            try:
                await run()
                if name == "claim":
                    return  # told to stop
            except Exception:  # a bug must not stop deliveries: it is logged, and the part starts again
                logger.exception("the runner's %s failed and is started again", name)
            await backoff.wait()

    async def _listen(self) -> None:
        async for _ in self._store.work_signal():
            self._breakers.signal()
            self._wake.all_may_have_work()

    async def _perform(self, held: Held) -> None:
        if not self._beat.is_fresh():
            await self._wait_for_beat(held)
        if not self._may_start(held):
            self._claimer.give_back(held)
            return
        is_failure = False
        try:
            outcome = await self._attempts.attempt(held)
            if self._breakers.note(held, outcome):
                self._claimer.give_back(held)
                return
            is_failure = is_unavailable(outcome)
            settlement = self._decider.settlement(held, outcome)
        except Exception:  # a bug, here or in a plugin, must cost neither the job nor the worker
            logger.exception("job %s: its attempt can't be settled as it ended", held.job.id)
            self._breakers.unsent(held)
            settlement = self._decider.unknown(held)
        self._settler.put(held, settlement)
        if is_failure:
            held.worker = None  # the attempt is over: nobody need cut it off
            await self._breakers.heard(held)  # or each runner would find out on its own, a job a slot

    def _may_start(self, held: Held) -> bool:
        # After a gap between beats a peer may have taken the job already: the database knows.
        is_sure = self._beat.covers(held.claimed_at) and self._options.clock() <= held.last_start
        return is_sure and not self._claimer.is_stopping and self._breakers.may_start(held)

    async def _wait_for_beat(self, held: Held) -> None:
        try:
            await self._beat.fresh()
        except asyncio.CancelledError:
            self._claimer.let_go(held)  # never started: the drain's release gives it back
            raise

    def _note(self, settlement: Settlement) -> None:
        """A settlement is durable: a job that is pending again may be due here."""
        self.succeeded += settlement.transition.to is JobStatus.SUCCESS
        self.failed += settlement.transition.to is JobStatus.FAILED
        if settlement.transition.to is JobStatus.PENDING:
            self._wake.all_may_have_work()

    async def drain(self) -> None:
        """Stop claiming, let what is in flight end within ``grace``, write everything, let go.

        It waits for a start or a drain that is under way. Cancelled, it lets go at once; what it hadn't
        written then is written by another drain, if there is one, and is else lost to the reclaim.
        """
        self._started = True
        self._claimer.stop()
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
        await self._stop(*self._tasks)
        await asyncio.gather(*(slots.cancel() for slots in self._slots.values()))
        await self._close_transports()

    async def _drain(self) -> None:
        if self._abandoned:
            await self._abandon()  # what the drain before hadn't come to
            self._spawn("settle", self._settler.run)
            self._spawn("breakers", self._breakers.run)
        if "claim" in self._tasks:
            await asyncio.wait([self._tasks["claim"]], timeout=LAST_CLAIM)
        await self._stop("claim", "signal")
        unstarted = [held for slots in self._slots.values() for held in slots.take_ready()]
        for held in unstarted:
            self._claimer.let_go(held)
        await self._give_back()
        await _within(self._options.grace, self._holdings.emptied.wait())
        await asyncio.gather(*(slots.cancel() for slots in self._slots.values()))
        for held in self._holdings.in_hand():  # its transport doesn't even end when it is cancelled
            self._breakers.unsent(held)
            self._settler.put(held, self._decider.unknown(held))
            held.worker = None
        if not await _within(LAST_WRITES, self._holdings.emptied.wait()):
            logger.error("%d outcomes could not be written; their leases will run out", len(self._holdings))
        await self._stop("settle", "reclaim")
        await self._give_back()
        await _within(LAST_CHANGES, self._breakers.all_written())
        await self._stop("breakers", "beat")
        await self._close_transports()
        await self._hooks.dispatch("sp00ky_runner_stopped", runner_id=self.runner_id)
        await self._hooks.flush()

    async def _close_transports(self) -> None:
        for transport in self._transports:
            await transport.close()

    async def _give_back(self) -> None:
        try:
            async with asyncio.timeout(LAST_WRITES):
                await self._claimer.release()
        except (Sp00kyError, TimeoutError) as error:
            logger.warning("claims can't be released, their leases will run out: %s", error)

    async def _stop(self, *names: str) -> None:
        tasks = {name: self._tasks[name] for name in names if name in self._tasks}
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        for name in tasks:
            del self._tasks[name]

    async def until_empty(self) -> int:
        """Return when no job is pending or processing; how many this runner settled as failed.

        Raises:
            RowRefused: what is left is pending, and the database refuses to have it claimed.
        """
        while True:
            await self._holdings.emptied.wait()
            stats = (await self._store.stats()).values()
            if not any(each.pending + each.processing for each in stats):
                return self.failed
            if self._claimer.refused and not any(each.processing for each in stats):
                await self._refuse_to_wait(self._claimer.refused)
            await asyncio.sleep(UNTIL_EMPTY_POLL)  # other processes' jobs send no event here

    async def _refuse_to_wait(self, refused: RowRefused) -> None:
        if await self._store.next_due(self._slots.keys()) is None:
            raise refused


UNTIL_EMPTY_POLL = 0.1
"""Seconds between two looks at the whole queue."""


async def _within(seconds: float, awaitable: Awaitable[object]) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await awaitable
    except TimeoutError:
        return False
    return True
