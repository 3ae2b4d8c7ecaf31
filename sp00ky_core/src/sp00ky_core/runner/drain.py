"""End a runner: stop claiming, let attempts end, write their outcomes, let go; or wait for an empty queue."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from sp00ky_core.errors import Sp00kyError
from sp00ky_core.metrics.observer import Observer
from sp00ky_core.metrics.rollup_writer import RollupWriter
from sp00ky_core.plugins.calls import Hooks
from sp00ky_core.ports import BackendStats, Runners, Store, Transport, has
from sp00ky_core.runner.breaker.reporting import Breakers
from sp00ky_core.runner.claim import Claimer
from sp00ky_core.runner.decide import Decider
from sp00ky_core.runner.in_flight import Holdings
from sp00ky_core.runner.maintenance.heartbeat import Beat
from sp00ky_core.runner.maintenance.store_log import StoreLog
from sp00ky_core.runner.options import RunnerOptions
from sp00ky_core.runner.settle import Settler
from sp00ky_core.runner.steering.pause import refuse_paused
from sp00ky_core.runner.workers import Slots
from sp00ky_core.stores.backoff import Backoff

logger: logging.Logger = logging.getLogger(__name__)

UNTIL_EMPTY_POLL = 0.1
"""Seconds between two looks at the whole queue."""

LAST_WRITES = 10.0
"""Seconds that the last outcomes get to be written, from when the last attempt is over."""

LAST_CHANGES = 1.0
"""Seconds that what they say of their backends gets to be written then."""

LAST_BEAT = 2.0
"""Seconds for the last beat, and for the removal of the runner's row."""

CANCEL_AGAIN = 1.0
"""Seconds until a part that a cancellation didn't end is cancelled again."""

LAST_CLAIM = 10.0
"""Seconds of ``grace`` for a claim under way to come back: cut off, it might be carried out all the same."""


class Drain:
    """End what a runner has begun; a base of ``Runner``, which says what the parts are."""

    _started: bool
    _running: bool
    _abandoned: bool
    _turn: asyncio.Lock
    _options: RunnerOptions
    _transports: Sequence[Transport]
    _slots: Mapping[str, Slots]
    _holdings: Holdings
    _claimer: Claimer
    _settler: Settler
    _decider: Decider
    _breakers: Breakers
    _hooks: Hooks
    _store: Store
    _store_log: StoreLog
    _beat: Beat
    _rollups: RollupWriter | None
    _tasks: dict[str, asyncio.Task[None]]
    observer: Observer
    drain_requested: asyncio.Event
    failed: int

    @property
    def runner_id(self) -> str:
        """As in the rows that it holds."""
        return self._options.runner_id

    async def until_empty(self) -> int:
        """Return when no job of its backends is pending or processing; how many it settled as failed.

        It returns, too, once an operator has asked this runner to drain.

        Raises:
            RowRefused: what is left is pending, and the database refuses to have it claimed.
            BackendPaused: what is left waits for an operator to resume its backend.
        """
        while True:
            await self._holdings.emptied.wait()
            every = await self._store.stats()
            stats = {name: every[name] for name in self._slots}
            if self.drain_requested.is_set():
                return self.failed
            if not any(map(_has_work, stats.values())):
                await self._holdings.emptied.wait()  # what was written meanwhile counts once it is answered
                return self.failed
            refuse_paused(stats)
            refused = self._claimer.refused
            is_idle = not any(each.processing for each in stats.values())
            if refused and is_idle and await self._store.next_due(self._slots.keys()) is None:
                raise refused
            await asyncio.sleep(UNTIL_EMPTY_POLL)  # other processes' jobs send no event here

    def _stop_claiming(self) -> None:
        """Begin a drain, as an operator asks; ending it is left to whoever started this runner."""
        self.drain_requested.set()
        self._claimer.stop()

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
        await self._stop("scheduler", "runs")
        await _within(self._options.grace, self._let_end())
        await self._stop("claim", "signal")
        await asyncio.gather(*(slots.cancel() for slots in self._slots.values()))
        for held in self._holdings.in_hand():  # its transport doesn't even end when it is cancelled
            self._breakers.unsent(held)
            settlement = self._decider.unknown(held)
            self.observer.ended(held, settlement, None)
            self._settler.put(held, settlement)
            held.worker = None
        if not await _within(LAST_WRITES, self._write_all()):
            text = "not everything was written in time, %d outcomes wait; leases will run out"
            logger.error(text, len(self._holdings))
        await self._stop("settle", "reclaim")
        await _within(LAST_CHANGES, self._breakers.all_written())
        await self._stop("breakers", "rollups")
        if self._rollups is not None:
            await self._rollups.stop()
        if await _within(LAST_BEAT, self._beat.stop()) and not len(self._holdings):
            await self._remove_row()  # one that leaves claims behind is to be taken for dead
        await self._stop("beat")
        await self._close_transports()
        await self._hooks.dispatch("sp00ky_runner_stopped", runner_id=self.runner_id)
        await self._hooks.flush()

    async def _let_end(self) -> None:
        """Give back what isn't started, and let what is started end."""
        if "claim" in self._tasks:
            await asyncio.wait([self._tasks["claim"]], timeout=LAST_CLAIM)
        await self._stop("claim", "signal")
        self._let_go_unstarted()
        await self._give_back()
        await self._holdings.attempts_over.wait()

    def _let_go_unstarted(self) -> None:
        for slots in self._slots.values():
            for held in slots.take_ready():
                self._claimer.let_go(held)

    async def _write_all(self) -> None:
        self._let_go_unstarted()  # where the grace ended before that
        await self._give_back()
        await self._holdings.emptied.wait()

    async def _close_transports(self) -> None:
        for transport in self._transports:
            await transport.close()

    async def _remove_row(self) -> None:
        if (runners := has(self._store, Runners)) is None:
            return
        try:
            await _within(LAST_BEAT, runners.remove_runner(self.runner_id))
        except Sp00kyError as error:
            self._store_log.count(error)
            logger.warning("this runner's row can't be removed, it will look dead: %s", error)

    async def _give_back(self) -> None:
        try:
            await self._claimer.release()
        except Sp00kyError as error:
            self._store_log.count(error)
            logger.warning("claims can't be released, their leases will run out: %s", error)

    def _spawn(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        self._tasks[name] = asyncio.create_task(self._keep_running(name, run), name=f"sp00ky-{name}")

    async def _keep_running(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        backoff = Backoff(self._options.random)
        while True:
            try:
                await run()
                if name == "claim":
                    return  # it was stopped
            except Exception:  # a bug must not stop deliveries: it is logged, and the part starts again
                logger.exception("the runner's %s failed and is started again", name)
            await backoff.wait()

    async def _stop(self, *names: str) -> None:
        """End parts; a store's call may answer a cancellation with an error, and its part go on."""
        tasks = {name: self._tasks[name] for name in names if name in self._tasks}
        running = {*tasks.values()}
        while running:
            for task in running:
                task.cancel()
            _, running = await asyncio.wait(running, timeout=CANCEL_AGAIN)
        for name in tasks:
            del self._tasks[name]


def _has_work(stats: BackendStats) -> bool:
    return stats.pending + stats.processing > 0


async def _within(seconds: float, awaitable: Awaitable[object]) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await awaitable
    except TimeoutError:
        return False
    return True
