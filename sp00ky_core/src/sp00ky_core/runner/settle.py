"""Decide what an attempt's outcome makes of its job, and write it; write what it says of its backend."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

import attrs

from sp00ky_core.backend.backend import Backend
from sp00ky_core.errors import Sp00kyError
from sp00ky_core.gate.backend_breaker import TOO_OLD, SeenBreaker
from sp00ky_core.gate.breaker import BreakerState
from sp00ky_core.gate.gate import Gate
from sp00ky_core.gate.isolation import Isolation, PutOff
from sp00ky_core.job.job import facts_of, named
from sp00ky_core.job.outcome import EXPIRED, OUTCOME_UNKNOWN, UNKNOWN_ROUTE, Delivered, Outcome, Undelivered
from sp00ky_core.job.retry import STRATEGIES, RetryPolicy, Strategy
from sp00ky_core.job.state_machine import Deferred, Expired, Transition, decide
from sp00ky_core.plugins.dispatch import Hooks, sp00ky_retry_policy
from sp00ky_core.ports import IsolatingTransport, SettleFate, Settlement, SettleResult, Store, Transport
from sp00ky_core.runner.counters_and_log import AttemptLog, Observer
from sp00ky_core.runner.holdings import Held, Holdings
from sp00ky_core.runner.liveness import Beat
from sp00ky_core.runner.options import RunnerOptions
from sp00ky_core.stores.subscription import Backoff

logger: logging.Logger = logging.getLogger(__name__)


BUSY_PAUSE = 0.05
"""Seconds until a row that couldn't be written is tried again; they double each time up to
``LONGEST_PAUSE``."""

LONGEST_PAUSE = 5.0
"""Seconds: the longest time until a row that couldn't be written is tried again."""

GATHERS_FROM = 64
"""Outcomes that have come while one write was under way from which on the next write waits for more of
them."""

GATHERING = 0.025
"""Seconds after a write began until which the next one waits for more outcomes, unless a batch is full or
fewer attempts are under way. Fewer and larger writes cost less, but jobs of the same ordering keys wait for
them."""

WRITTEN = frozenset({SettleFate.SETTLED, SettleFate.ALREADY_SETTLED})
UNWRITTEN = frozenset({SettleFate.BUSY, SettleFate.DUPLICATE})
"""The row is as it was: to release it would be to forget that its attempt was made."""

_ANY = RetryPolicy()  # what is delivered isn't retried


@attrs.define(eq=False, slots=False)
class Decider:
    """Applies the retry policy that plugins and configuration give.

    Args:
        hooks: Whose policy it is.
        strategies: The meaning of strategies' names.
        options: The runner's.
        beat: Sees which documents other runners have; None: there are none.
    """

    _hooks: Hooks
    _strategies: Mapping[str, Strategy]
    _options: RunnerOptions
    _beat: Beat | None = None

    def __attrs_post_init__(self) -> None:
        self._strategies = {name: _logging(name, strategy) for name, strategy in self._strategies.items()}

    def settlement(self, held: Held, event: Outcome | Deferred) -> Settlement:
        """Decide what to write for an outcome, or for a job that is deferred."""
        job = held.job
        is_delivered = isinstance(event, Delivered)
        return Settlement(
            job_id=job.id,
            backend=held.backend.table.backend,
            epoch=job.lease_epoch,
            runner_id=job.runner_id,
            transition=decide(job, event, _ANY) if is_delivered else self._transition(held, event),
        )

    def unknown(self, held: Held) -> Settlement:
        """Decide what to write where it isn't known how the attempt ended, by an internal fault."""
        return self.settlement(
            held, Undelivered(name=OUTCOME_UNKNOWN, reason="a fault in the runner; see its log")
        )

    def _transition(self, held: Held, outcome: Outcome | Deferred) -> Transition:
        event = self._event(held, outcome) if isinstance(outcome, Undelivered) else outcome
        random = self._options.random()
        policy = self._hooks.retry_policy(held.job, held.backend.config)
        try:
            return decide(held.job, event, policy, random=random, strategies=self._strategies)
        except Exception:  # a plugin's policy can't be used; the attempt was made all the same
            text = "%s: its outcome is settled without plugins"
            logger.exception(text, named(held.job), extra=facts_of(held.job))
        plain = attrs.evolve(sp00ky_retry_policy(held.job, held.backend.config), strategy="linear")
        return decide(held.job, event, plain, random=random)

    def _event(self, held: Held, outcome: Undelivered) -> Undelivered | Deferred | Expired:
        """Return what an outcome is to a job that wasn't sent."""
        if held.started_at is not None:
            return outcome
        if outcome.name == EXPIRED:
            return Expired()
        if outcome.name != UNKNOWN_ROUTE or self._beat is None or held.waited > self._options.route_wait:
            return outcome
        # A newer runner may know the route: one that is seen, or has just begun to beat.
        if any(self._beat.sees_another_document(*document) for document in held.documents):
            return Deferred(delay=self._options.route_delay, waited=held.waited)
        if not self._beat.has_looked_since(held.received_at - held.waited):
            pause = min(self._options.beat_interval, self._options.route_delay)
            return Deferred(delay=pause, waited=held.waited)
        return outcome


def _logging(name: str, strategy: Strategy) -> Strategy:
    """Wrap a strategy so that its failures are logged: they count as "the cap", without a trace."""
    if STRATEGIES.get(name) is strategy:
        return strategy

    def logged(policy: RetryPolicy, n: int) -> float:
        try:
            return float(strategy(policy, n))
        except OverflowError:
            raise
        except (Exception, asyncio.CancelledError) as error:  # the latter would be taken for the runner's end
            logger.exception("retry strategy %r failed; the delay is the cap, %g s", name, policy.cap)
            raise ValueError("the strategy failed") from error

    return logged


@attrs.define(eq=False, slots=False)
class Settler:
    """Writes outcomes; keeps those that can't be written until the store is back."""

    _store: Store
    _hooks: Hooks
    _options: RunnerOptions
    _observer: Observer
    _holdings: Holdings
    _written: Callable[[Iterable[tuple[Settlement, Held]]], None]  # called with what is durable
    _room: Callable[[], None]  # called when claims may go on

    def __attrs_post_init__(self) -> None:
        self._queue: deque[tuple[Held, Settlement]] = deque()
        self._deferred = 0  # those that wait for their next try
        self._waiting = asyncio.Event()
        self._gathered = asyncio.Event()  # set where nothing is gained by waiting for more
        self._began_at = 0.0  # the last write, by the loop's clock
        self._logs_all = self._options.log_attempts
        self._attempts = AttemptLog(log_all=self._logs_all)
        self._observed = self._hooks.observes("sp00ky_job_settled")

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def is_full(self) -> bool:
        """Whether so many outcomes wait that nothing more may be claimed."""
        return len(self._queue) + self._deferred >= self._options.max_unsettled

    def put(self, held: Held, settlement: Settlement, outcome: Outcome | None = None) -> None:
        """Count an attempt that has ended, and queue what is to be written; never blocks."""
        self._observer.ended(held, settlement, outcome)
        self._holdings.over(held)
        if not self._queue:
            self._waiting.set()
        self._queue.append((held, settlement))
        if len(self._queue) >= self._options.settle_batch or self._holdings.attempts < GATHERS_FROM:
            self._gathered.set()

    async def run(self) -> None:
        """Write until cancelled."""
        try:
            await self._write_all()
        finally:
            self._attempts.close()

    async def _write_all(self) -> None:
        backoff = Backoff(self._options.random)
        while True:
            await self._waiting.wait()
            try:
                await self._gather()
                await self._write_batch()
                backoff.reset()
            except Sp00kyError as error:
                self._observer.failed(f"{len(self._queue)} outcomes can't be written yet", error)
                await backoff.wait()

    async def _gather(self) -> None:
        """Wait a moment for more outcomes where they come fast, and as many may still come."""
        is_fast = GATHERS_FROM <= len(self._queue) < self._options.settle_batch
        if is_fast and self._holdings.attempts >= GATHERS_FROM:
            self._gathered.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._began_at + GATHERING):
                    await self._gathered.wait()
        self._began_at = asyncio.get_running_loop().time()

    async def _write_batch(self) -> None:
        size = min(len(self._queue), self._options.settle_batch)
        batch = [self._queue[index] for index in range(size)]  # kept in the queue until it is written
        was_full = False
        if batch:
            results = await self._store.settle([settlement for _, settlement in batch])
            was_full = self.is_full  # more may have come meanwhile
            self._note(batch, results)
        if was_full and not self.is_full:
            self._room()
        if not self._queue:
            self._waiting.clear()

    def _defer(self, held: Held, settlement: Settlement, result: SettleResult) -> bool:
        """Try a settlement again a little later, as long as the lease may last.

        Let go of sooner, it would be taken for a claim that was never started, and sent again.
        """
        if self._options.clock() > held.lease_end:
            return False
        if result.problem and not held.refusals:
            text = "%s: its outcome can't be written yet: %s"
            logger.error(text, named(held.job), result.problem, extra=facts_of(held.job))
        pause = min(BUSY_PAUSE * 2**held.refusals, LONGEST_PAUSE)
        held.refusals += 1
        self._deferred += 1
        asyncio.get_running_loop().call_later(pause, self._put_again, held, settlement)
        return True

    def _put_again(self, held: Held, settlement: Settlement) -> None:
        self._deferred -= 1
        self._queue.append((held, settlement))
        self._waiting.set()

    def _note(self, batch: Sequence[tuple[Held, Settlement]], results: Sequence[SettleResult]) -> None:
        """Let go of what the store has answered, and report it."""
        over, written = list[Held](), list[tuple[Settlement, Held]]()
        for (held, settlement), result in zip(batch, results, strict=True):
            self._queue.popleft()
            if result.fate in UNWRITTEN and self._defer(held, settlement, result):
                continue
            over.append(held)
            if result.fate not in WRITTEN:
                self._lost(held, result)
            elif result.problem is None and result.written is None:
                written.append((settlement, held))
            else:
                if result.fate is SettleFate.SETTLED:
                    text = "%s: settled with a part left out: %s"
                    logger.warning(text, named(held.job), result.problem, extra=facts_of(held.job))
                written.append((settlement.as_written(result), held))
        self._holdings.drop(over)
        self._written(written)
        self._report(written)

    def _report(self, written: Iterable[tuple[Settlement, Held]]) -> None:
        for settlement, held in written:
            if self._logs_all or settlement.transition.error is not None:
                self._attempts.log(held, settlement.transition)
            if self._observed:
                facts = {"job": held.job, "transition": settlement.transition}
                self._hooks.dispatch_soon("sp00ky_job_settled", **facts)

    def _lost(self, held: Held, result: SettleResult) -> None:
        self._observer.counters.leases_lost += result.fate is SettleFate.LEASE_LOST
        reason = "its row belongs to another runner by now, or is gone; this outcome was not written"
        if result.fate in UNWRITTEN:
            reason = f"this outcome couldn't be written: {result.problem or 'a transaction holds its row'}"
        facts = {"event": "lease_lost", **facts_of(held.job)}
        logger.warning("%s: lease lost: %s", named(held.job), reason, extra=facts)
        self._hooks.dispatch_soon(
            "sp00ky_lease_lost", job_id=held.job.id, runner_id=self._options.runner_id, reason=reason
        )


BREATH = 0.01
"""Seconds between two writes: a backend that fails now and then may change its breaker with every job.

Not after a write that ends a probe: if that couldn't be sent, many more like it may come before one that can.
"""


@attrs.define(eq=False, slots=False)
class BreakerWriter:
    """Writes changes of breakers until the store has heard of them, or they are too old."""

    _store: Store
    _hooks: Hooks
    _options: RunnerOptions
    _observer: Observer
    _gates: Iterable[Gate]
    _news: asyncio.Event  # set when there is something to be written
    _changed: Callable[[], None]  # called when a claim may have become worth while, or be so at another time

    def __attrs_post_init__(self) -> None:
        self._breakers = [gate.shown for gate in self._gates if gate.shown is not None]
        self._progress = asyncio.Event()  # set for a moment whenever less waits to be written

    async def run(self) -> None:
        """Write until cancelled."""
        backoff = Backoff(self._options.random)
        while True:
            await self._news.wait()
            ended_probe = False
            try:
                for seen in self._breakers:
                    if seen.has_unwritten:
                        ended_probe |= await self._write(seen)
            except Sp00kyError as error:
                self._observer.failed("what attempts say of their backend can't be written yet", error)
                await backoff.wait()
                continue
            backoff.reset()
            if not self._has_unwritten():
                self._news.clear()
            await asyncio.sleep(0 if ended_probe else BREATH)

    async def heard(self, gate: Gate) -> None:
        """Return once the fleet may know what is noted of a backend by now, or that is too old."""
        if (seen := gate.shown) is None:
            return
        noted = seen.noted
        with suppress(TimeoutError):
            async with asyncio.timeout(TOO_OLD):
                while seen.told < noted:
                    await self._progress.wait()

    async def all_written(self) -> None:
        """Return once the store has heard of everything."""
        while self._has_unwritten():
            await self._progress.wait()

    def _has_unwritten(self) -> bool:
        return any(seen.has_unwritten for seen in self._breakers)

    async def _write(self, seen: SeenBreaker) -> bool:
        """Write what there is; whether it ended a probe, so that the next one mustn't wait for it."""
        change = seen.change()
        if change is not None:
            try:
                result = await self._store.change_breaker(change)
            except BaseException:
                seen.failed()
                raise
            is_written = seen.written(result.breaker, is_written=result.written)
            if is_written and (change.opens or change.closes):
                state = BreakerState.OPEN if change.opens else BreakerState.CLOSED
                self._hooks.dispatch_soon("sp00ky_breaker_changed", backend=seen.backend, state=state.value)
        self._progress.set()
        self._progress.clear()
        self._changed()
        return change is not None and change.ends_probe


AT_ONCE = 2_000
"""Jobs that one statement puts off at most."""


@attrs.define(eq=False)
class RoutesWriter:
    """Writes when jobs of such routes are due again, and tells their transport, for jobs that are new.

    Attributes:
        news: Set when there is something to be written.
    """

    _store: Store
    _observer: Observer
    news: asyncio.Event = attrs.field(factory=asyncio.Event)
    _kept: list[tuple[Backend, Isolation, Transport]] = attrs.field(factory=list)

    def add(self, backend: Backend, routes: Isolation, transport: Transport) -> None:
        """Write for the routes of one more backend."""
        self._kept.append((backend, routes, transport))

    async def run(self) -> None:
        """Write until cancelled. What can't be written is asked for again by the next job of its route."""
        while True:
            await self.news.wait()
            self.news.clear()
            for backend, routes, transport in self._kept:
                for put_off in routes.take_put_off():
                    with self._observer.tolerating("waiting jobs can't be put off"):
                        await self._write(backend, put_off, transport)

    async def _write(self, backend: Backend, put_off: PutOff, transport: Transport) -> None:
        if isinstance(transport, IsolatingTransport):
            await transport.put_off(put_off.route, put_off.seconds)
        jobs, moved = 0, AT_ONCE
        while moved >= AT_ONCE:
            name, seconds = backend.table.backend, put_off.after(jobs)
            moved = await self._store.put_off(name, put_off.route, seconds=seconds, limit=AT_ONCE)
            jobs += moved
