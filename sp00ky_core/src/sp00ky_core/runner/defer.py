"""Turn what a backend throttled, routes that don't answer, or aren't known, and expired jobs into events."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from sp00ky_core.machine import Deferred, Expired
from sp00ky_core.outcome import EXPIRED, THROTTLED, UNKNOWN_ROUTE, Delivered, Outcome, Undelivered
from sp00ky_core.runner.in_flight import Held
from sp00ky_core.runner.maintenance.heartbeat import Beat
from sp00ky_core.runner.options import RunnerOptions
from sp00ky_core.runner.workers import Slots


@attrs.define(eq=False)
class Deferrals:
    """Decides which outcomes use up no retry, and when their jobs are tried again."""

    _slots: Mapping[str, Slots]
    _beat: Beat
    _options: RunnerOptions

    def event_of(self, held: Held, outcome: Outcome) -> Outcome | Deferred | Expired:
        """Count an outcome for its backend's ramp-up; return what it is to the job."""
        if isinstance(outcome, Delivered):
            ramp_up = self._slots[held.backend.table.backend].ramp_up
            ramp_up.delivered(self._options.clock(), held.started_at or held.claimed_at)
            return outcome
        if outcome.name == THROTTLED:
            return self._throttled(held, outcome)
        if outcome.name == UNKNOWN_ROUTE and held.started_at is None:
            return self._unknown(held, outcome)
        if outcome.name == EXPIRED and held.started_at is None:
            return Expired()
        return outcome

    def of_route(self, held: Held, wait: float) -> Deferred:
        """Defer a job that isn't sent, for the breaker of its route is open, by so many seconds and a few."""
        jitter = 1 + held.backend.config.retry.jitter * self._options.random()
        return Deferred(delay=wait * jitter, waited=held.waited)

    def _throttled(self, held: Held, outcome: Undelivered) -> Deferred:
        retry = held.backend.config.retry
        asked = min(max(outcome.retry_after or 0.0, 0.0), retry.cap)
        ramp_up = self._slots[held.backend.table.backend].ramp_up
        delay = ramp_up.throttled(self._options.clock(), held.started_at or held.claimed_at, asked)
        if asked <= 0:
            delay *= 1 + retry.jitter * (2 * self._options.random() - 1)
        return Deferred(delay=delay, outcome=outcome, waited=held.waited, give_up_after=retry.give_up_after)

    def _unknown(self, held: Held, outcome: Undelivered) -> Undelivered | Deferred:
        """Defer a job whose route a newer runner may know: one that is seen, or has just begun to beat."""
        if held.waited > self._options.route_wait:
            return outcome
        if self._another_document_is_seen(held):
            return Deferred(delay=self._options.route_delay, waited=held.waited)
        if not self._beat.has_looked_since(held.received_at - held.waited):
            pause = min(self._options.beat_interval, self._options.route_delay)
            return Deferred(delay=pause, waited=held.waited)
        return outcome

    def _another_document_is_seen(self, held: Held) -> bool:
        sharing = (held.backend, *held.backend.sharing)
        return any(self._beat.sees_another_document(each.name, each.document) for each in sharing)
