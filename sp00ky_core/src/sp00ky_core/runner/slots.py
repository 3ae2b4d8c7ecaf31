"""Make a backend's attempts on a pool of workers, as many at a time as it has places."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection

from sp00ky_core.backend.backend import Backend, stored_table
from sp00ky_core.gate.gate import Gate
from sp00ky_core.job.outcome import Outcome, Undelivered
from sp00ky_core.ports import JobTable
from sp00ky_core.runner.holdings import Held

AHEAD = 0.05
"""Seconds of work, at the backend's present rate, that are claimed before there is a place for them, or
twice as long as a claim takes, if that is more."""

PLACES_AHEAD = 4
"""Jobs that are claimed so for each place, at most. Each claim and each settle waits for the disk once: fewer
and larger ones cost less. A crash leaves as many that were claimed and never sent."""

QUIET = 1.0
"""Seconds without an attempt after which a burst begins small again."""

Answer = Outcome | BaseException
"""What a transport has returned for an attempt, or has raised."""

StartAttempt = Callable[[Held, "Slots"], Undelivered | Awaitable[Outcome] | None]
"""Starts a claim's attempt, and returns what its outcome is awaited of; or an outcome, where nothing is to be
sent; or None, where the claim was given back or deferred instead."""

SettleAnswer = Callable[[Held, "Slots", Answer], Awaitable[None] | None]
"""Hands what came of an attempt to the settler; returns what a worker must await before its next attempt."""

WAKES = 2
"""Workers that are woken for each that waits for its answer: all at once would keep the next claim from being
sent, and those that never wait need no others."""

AT_ONCE = 64
"""Attempts that are begun before the loop turns, where none waits for anything: the database is to be at work
on the next claim, and on outcomes, meanwhile."""

LAST_ATTEMPT = 1.0
"""Seconds that a transport gets to end an attempt that is cancelled."""


class Slots:
    """Make at most ``concurrency`` attempts at a time for one backend; no task is made per job.

    Attributes:
        backend: The backend, as operators have set it.
        gate: Its gate.
        table: Its table as the store leases its rows.
        busy: Attempts under way.
    """

    def __init__(
        self,
        backend: Backend,
        gate: Gate,
        start: StartAttempt,
        settle: SettleAnswer,
        freed: Callable[[], None],
        *,
        unanswered: float,
    ) -> None:
        self.backend: Backend = backend
        self.gate = gate
        self.table: JobTable = stored_table(backend)
        self.busy: int = 0
        self._start, self._settle = start, settle
        self._freed = freed  # called when a claim has become worth while
        self._unanswered = unanswered  # seconds; see RunnerOptions
        self._ready: deque[Held] = deque()
        self._idle: deque[asyncio.Future[None]] = deque()
        self._workers: list[asyncio.Task[None]] = []
        self._waking = 0  # workers that were woken and haven't begun yet
        self._begun = 0  # attempts since workers were last woken; at AT_ONCE, with more ready, they soon are
        self._spreading = False  # workers are about to be woken
        self._closing = False
        self._ahead = 0  # jobs that may be claimed beyond the places, to be begun within AHEAD seconds
        self._stride = 1  # jobs that a claim asks for, at most: doubled once some of so many are answered
        self._claimed = 0  # jobs of the last claim
        self._growing: asyncio.TimerHandle | None = None  # until then nothing more is claimed
        self._ended = 0  # attempts since the last measurement
        self._measured_at = 0.0

    @property
    def wanted(self) -> int:
        """Return how many jobs to claim: what is free, unless it is too little to be worth a claim.

        A burst begins small, and grows as fast as answers come: a fleet that sent all that it has places for
        at once would get as many refusals of a backend that takes a few.
        """
        if self._growing is not None:
            return 0
        limit = self.gate.throttling.limit
        ahead = self._ahead if limit >= self.backend.config.concurrency else 0
        free = limit + ahead - self.busy - len(self._ready)
        return min(free, self._stride) if free >= max(1, ahead // 2) else 0

    def adjust(self, backend: Backend) -> None:
        """Make attempts as this backend says, from the next claim on; those under way end as they began."""
        self.backend, self.table = backend, stored_table(backend)
        self.gate.adjust(backend.config.concurrency, is_limited=self.table.has_limits)
        if not (self._waking or self._spreading):
            self._wake()

    def measure(self, now: float, claim_seconds: float) -> None:
        """See how fast the backend is: a fast one is claimed for ahead of time, a slow one isn't.

        ``claim_seconds``: how long the last claim took; the next one's jobs come so much later.
        """
        if not (self._ended or self.busy or self._ready) and now - self._measured_at > QUIET:
            self._stride = 1
        self._claimed = 0
        rate = self._ended / max(now - self._measured_at, 1e-6)
        ahead = int(rate * max(AHEAD, 2 * claim_seconds))
        self._ahead = (
            0 if self.table.has_limits else min(PLACES_AHEAD * self.backend.config.concurrency, ahead)
        )
        self._ended, self._measured_at = 0, now

    def put(self, helds: Collection[Held]) -> None:
        """Give claimed jobs to the workers."""
        self._ready.extend(helds)
        self._claimed += len(helds)
        most = (1 + PLACES_AHEAD) * self.backend.config.concurrency
        is_whole = self._stride <= min(self._claimed, most - 1)
        if is_whole and self._growing is None:
            self._growing = asyncio.get_running_loop().call_later(self._unanswered, self._grow)
        if not self._spreading:
            self._begun = 0
        if not (self._waking or self._spreading):
            self._wake()

    def _grow(self) -> None:
        """Have more claimed: some of a burst are answered, or there are free places."""
        if self._growing is not None:
            self._growing.cancel()
            self._growing = None
            self._stride *= 2
        self._freed()

    def _wake(self) -> None:
        """Wake workers for what is ready, now that those that have begun wait for an answer."""
        many, self._begun, self._spreading = WAKES * max(min(self._begun, self.busy), 1), 0, False
        for _ in range(min(many, len(self._ready) - self._waking)):
            if self._closing or not self._wake_one():
                return

    def _wake_one(self) -> bool:
        """Whether there is a worker that had nothing to do."""
        while self._idle:
            waiter = self._idle.popleft()
            if not waiter.done():
                waiter.set_result(None)
                break
        else:
            if len(self._workers) >= self.backend.config.concurrency:
                return False
            name = f"sp00ky-{self.backend.name}-{len(self._workers)}"
            self._workers.append(asyncio.create_task(self._work(), name=name))
        self._waking += 1
        return True

    def take_ready(self) -> list[Held]:
        """Take back what no worker has begun."""
        taken = list(self._ready)
        self._ready.clear()
        return taken

    def take_stale(self, received_before: float) -> list[Held]:
        """Take back what was claimed ahead and then not begun: the backend has become slow."""
        stale = [held for held in self._ready if held.received_at < received_before]
        if stale:
            self._ready = deque(held for held in self._ready if held.received_at >= received_before)
            self._ahead = 0
        return stale

    async def _work(self) -> None:
        loop, worker = asyncio.get_running_loop(), asyncio.current_task()
        self._waking -= 1
        while not self._closing:
            while not self._ready or self.busy >= self.backend.config.concurrency or self._begun >= AT_ONCE:
                waiter = loop.create_future()
                self._idle.append(waiter)
                await waiter
                self._waking -= 1
            held = self._ready.popleft()
            self._begun += 1
            if self._ready and not self._spreading:
                self._spreading = True
                loop.call_soon(self._wake)
            held.worker = worker
            self.busy += 1
            try:
                try:
                    begun = self._start(held, self)
                    if begun is None:
                        continue
                    answer: Answer = begun if isinstance(begun, Undelivered) else await begun
                except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  # it is settled, too
                    answer = error
                rest = self._settle(held, self, answer)
                if rest is not None:
                    await rest
            finally:
                held.worker = None
                self.busy -= 1
                self._ended += 1
                if self._growing is not None or self.wanted:
                    self._grow()

    async def cancel(self) -> None:
        """Cancel every worker, and with it the attempts in flight; wait for them, but not for ever."""
        self.abandon()
        if self._workers:
            await asyncio.wait(self._workers, timeout=LAST_ATTEMPT)

    def abandon(self) -> None:
        """Cancel every worker without waiting."""
        if self._growing is not None:
            self._growing.cancel()
        self._closing = True
        for worker in self._workers:
            worker.cancel()
