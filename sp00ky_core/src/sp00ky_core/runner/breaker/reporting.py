"""Report to the breakers of this runner's backends what attempts say of them, and write it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import attrs

from sp00ky_core.backend import Backend, stored_table
from sp00ky_core.breaker import (
    Breaker,
    BreakerChange,
    BreakerEvent,
    BreakerState,
    ProbeWithoutNews,
    event_of,
    never_connected,
)
from sp00ky_core.errors import Sp00kyError
from sp00ky_core.outcome import Delivered, Outcome, Undelivered
from sp00ky_core.plugins.calls import Hooks
from sp00ky_core.ports import BreakerResult, Claim, Store, capabilities, has
from sp00ky_core.runner.attempt_log import WINDOW, said
from sp00ky_core.runner.breaker.view import NEW, SeenBreaker
from sp00ky_core.runner.in_flight import Held
from sp00ky_core.runner.maintenance.store_log import StoreLog
from sp00ky_core.runner.options import RunnerOptions
from sp00ky_core.stores.backoff import Backoff

logger: logging.Logger = logging.getLogger(__name__)

SHORTEST = 0.001
"""Seconds that are worth waiting: what is left of a pause may be less than a clock can measure."""

BREATH = 0.01
"""Seconds between two writes: a backend that fails now and then may change its breaker with every job.

Not after a write that ends a probe: if that couldn't be sent, many more like it may come before one that can.
"""


@attrs.define(kw_only=True, eq=False, slots=False)
class Breakers:
    """Keeps attempts from starting while a backend is unavailable, and writes what the attempts say."""

    _store: Store
    _backends: Mapping[str, Backend]
    _hooks: Hooks
    _options: RunnerOptions
    _store_log: StoreLog
    _changed: Callable[[], None]  # called when a claim may have become worth while, or be so at another time

    def __attrs_post_init__(self) -> None:
        self._seen = {
            name: SeenBreaker(
                name,
                backend.config.breaker,
                self._options.clock,
                self._options.poll,
                several_routes=len(stored_table(backend).routes) > 1,
            )
            for name, backend in self._backends.items()
            if backend.config.breaker is not None
        }
        self._to_write = asyncio.Event()
        self._all_written = asyncio.Event()
        self._all_written.set()

    # --- for each attempt ---

    def may_start(self, held: Held) -> bool:
        """Whether the breaker lets an attempt through."""
        seen = self._seen.get(held.backend.table.backend)
        return seen is None or seen.view is NEW or held.is_probe or seen.lets_through

    def route_wait(self, held: Held) -> float:
        """Return the seconds by which to defer a job, for the breaker of its route is open; 0: it is sent."""
        seen = self._seen.get(held.backend.table.backend)
        if seen is None or seen.routes.are_closed:
            return 0.0
        job = held.job
        wait = seen.routes.wait(
            job.path,
            job.id,
            self._options.clock(),
            waited=held.waited,
            lease=held.table.probe_lease,
            has_retries=job.retries < job.max_retries,
        )
        return 0.0 if held.is_probe else wait

    def note(self, held: Held, outcome: Outcome) -> bool:
        """Count an attempt's outcome; whether the attempt doesn't count, and its job is to be given back.

        That is so for a probe that couldn't even connect.
        """
        seen = self._seen.get(held.backend.table.backend)
        if seen is None:
            return False
        now = self._options.clock()
        if isinstance(outcome, Delivered) and seen.routes.answered(held.job.path, now):
            if seen.view is NEW and not held.is_probe:
                return False  # as nearly always
        elif self._note_route(seen, held, outcome, now) and not held.is_probe:
            return False
        event = event_of(
            outcome,
            cap=held.backend.config.retry.cap,
            probe_of=self._options.runner_id if held.is_probe else None,
            took=now - (held.started_at or held.claimed_at),
        )
        was_probe = self._end_probe(seen, held)
        if isinstance(outcome, Undelivered):
            seen.problem = f" ({held.job.id}, {held.job.path!r:.100}: {said(outcome):.200})"
        if event is not None:
            self._note(seen, event)
        return was_probe and never_connected(outcome)

    def _note_route(self, seen: SeenBreaker, held: Held, outcome: Outcome, now: float) -> bool:
        """Count an outcome for the breaker of the job's route; whether it is for that one alone."""
        job, started_at = held.job, held.started_at or held.claimed_at
        is_own = seen.routes.is_own(job.path, outcome, started_at)
        took = now - started_at
        change = seen.routes.note(job.path, job.id, outcome, now, took=took, is_own=is_own)
        if change is not None:
            _log_route(seen.backend, job.path, change, outcome)
        return is_own

    async def heard(self, held: Held) -> None:
        """Return once the fleet may know what is noted of the job's backend by now."""
        seen = self._seen.get(held.backend.table.backend)
        if seen is not None:
            await seen.heard()

    def unsent(self, held: Held) -> None:
        """Note a claim without an outcome: if it is a probe, another runner may take the next one."""
        seen = self._seen.get(held.backend.table.backend)
        if seen is None:
            return
        seen.routes.unsent(held.job.path, held.job.id, self._options.clock())
        if self._end_probe(seen, held):
            self._note(seen, ProbeWithoutNews(runner_id=self._options.runner_id))

    def lost(self, runners: Collection[str]) -> None:
        """Note dead runners: if one had a probe, another runner may take the next one."""
        for seen in self._seen.values():
            probe_runner = seen.stored.probe_runner
            if probe_runner is not None and probe_runner in runners:
                self._note(seen, ProbeWithoutNews(runner_id=probe_runner))

    def _end_probe(self, seen: SeenBreaker, held: Held) -> bool:
        was_probe, held.is_probe = held.is_probe, False
        seen.probes -= was_probe
        return was_probe

    def _note(self, seen: SeenBreaker, event: BreakerEvent) -> None:
        if seen.note(event):
            self._all_written.clear()
            self._to_write.set()

    # --- for each claim ---

    def holds_back(self, backend: str) -> bool:
        """Whether a claim for the backend would get nothing now."""
        seen = self._seen.get(backend)
        return seen is not None and seen.silent_for > 0

    def seconds(self) -> float:
        """Until one of those that hold back may be asked again; infinite: none does, or none knows."""
        waits = [seconds for each in self._seen.values() if (seconds := each.silent_for) > 0]
        return max(min(waits, default=float("inf")), SHORTEST)

    def signal(self) -> None:
        """There may be work: a breaker may be closed."""
        for seen in self._seen.values():
            seen.signal()

    def claiming(self, backends: Iterable[str]) -> None:
        """Note that a claim is about to be sent."""
        for backend in backends:
            if backend in self._seen:
                self._seen[backend].claiming()

    def claimed(self, backends: Iterable[str], claim: Claim, helds: Sequence[Held]) -> None:
        """Take over the breakers as a claim's store found, or left, them."""
        for backend in backends:
            seen = self._seen.get(backend)
            if seen is None:
                continue
            breaker, before = claim.breakers.get(backend, NEW), seen.stored
            if self._is_mine(breaker):
                _mark_probe(seen, helds)
            seen.claimed(breaker)
            self._note_closed(before, seen)
            _log_change(before, seen)
            if self._is_mine(seen.stored) and not seen.probes and not seen.has_unwritten:
                # The claim that took this probe had its reply lost.
                self._note(seen, ProbeWithoutNews(runner_id=self._options.runner_id))

    def _is_mine(self, breaker: Breaker) -> bool:
        return breaker.state is BreakerState.HALF_OPEN and breaker.probe_runner == self._options.runner_id

    def _note_closed(self, before: Breaker, seen: SeenBreaker) -> None:
        """Note that another runner has closed a breaker, if one has: some route was answered."""
        if _has_closed(before, seen.stored):
            seen.routes.answered_elsewhere(self._options.clock())

    # --- for the fleet ---

    async def run(self) -> None:
        """Write until cancelled."""
        backoff = Backoff(self._options.random)
        while True:
            await self._to_write.wait()
            ended_probe = False
            try:
                for seen in self._seen.values():
                    if seen.has_unwritten:
                        ended_probe |= await self._write(seen)
            except Sp00kyError as error:
                self._store_log.failed("what attempts say of their backend can't be written yet", error)
                await backoff.wait()
                continue
            backoff.reset()
            if not any(seen.has_unwritten for seen in self._seen.values()):
                self._to_write.clear()
                self._all_written.set()
            await asyncio.sleep(0 if ended_probe else BREATH)

    async def all_written(self) -> None:
        """Return once the store has heard of everything."""
        await self._all_written.wait()

    async def _write(self, seen: SeenBreaker) -> bool:
        """Write what there is; whether it ended a probe, so that the next one mustn't wait for it."""
        change, before = seen.change(), seen.stored
        if change is None:
            self._changed()
            return False
        try:
            result = await self._shared(change)
        except BaseException:
            seen.failed()
            raise
        is_written = seen.written(result)
        if not is_written:
            self._note_closed(before, seen)
        _log_change(before, seen)
        if is_written and (change.opens or change.closes):
            state = BreakerState.OPEN if change.opens else BreakerState.CLOSED
            self._hooks.dispatch_soon("sp00ky_breaker_changed", backend=seen.backend, state=state.value)
        self._changed()
        return change.ends_probe

    async def _shared(self, change: BreakerChange) -> BreakerResult:
        """Write a change for the fleet; where the store keeps no breakers it holds for this runner alone."""
        shared = has(self._store, capabilities.Breakers)
        if shared is None:
            return BreakerResult(written=True, breaker=change.of(change.before))
        return await shared.change_breaker(change)


def _mark_probe(seen: SeenBreaker, helds: Sequence[Held]) -> None:
    probe = next((held for held in helds if held.backend.table.backend == seen.backend), None)
    if probe is not None:
        probe.is_probe = True
        seen.probes += 1


def _has_closed(before: Breaker, after: Breaker) -> bool:
    return before.state is not BreakerState.CLOSED and after.state is BreakerState.CLOSED


def _log_route(backend: str, route: str, change: BreakerChange, outcome: Outcome) -> None:
    """Log what has become of a route's breaker, if it is news."""
    if change.opens and isinstance(outcome, Undelivered):
        text = "backend %s: %.100r doesn't answer in time (%.200s): its jobs wait, others are sent; %s"
        retry = f"one of them is tried in {change.pause:.1f} s, then less often"
        facts = {"event": "breaker_opened", "backend": backend, "path": route}
        logger.warning(text, backend, route, said(outcome), retry, extra=facts)
    elif change.closes:
        facts = {"event": "breaker_closed", "backend": backend, "path": route}
        logger.warning("backend %s: %.100r answers again: its jobs are sent", backend, route, extra=facts)


def _log_change(before: Breaker, seen: SeenBreaker) -> None:
    """Log what has become of a breaker, if it is news."""
    was_closed, is_closed = (each.state is BreakerState.CLOSED for each in (before, seen.stored))
    if was_closed and not is_closed:
        text = "backend %s is unavailable: its jobs wait until it answers again%s"
        facts = {"event": "breaker_opened", "backend": seen.backend}
        logger.warning(text, seen.backend, seen.problem, extra=facts)  # others' attempts are in their logs
    elif _has_closed(before, seen.stored):
        facts = {"event": "breaker_closed", "backend": seen.backend}
        logger.warning("backend %s answers again: its jobs are delivered", seen.backend, extra=facts)
    elif is_closed and not before.paused_for and seen.stored.paused_for and seen.pause_is_news(WINDOW):
        text = "backend %s asks to be left alone: its jobs wait for %.1f s"
        logger.info(text, seen.backend, seen.stored.paused_for)
