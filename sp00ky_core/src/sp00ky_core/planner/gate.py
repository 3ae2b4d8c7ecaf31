"""Decide when a simulated runner may send: by the breaker, after throttled answers, within the rate. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sp00ky_core.config import BackendConfig
from sp00ky_core.gate.breaker import Breaker, change_after, event_of, never_connected
from sp00ky_core.gate.breaker.row import breaker_of, changed
from sp00ky_core.gate.throttling import RampUp
from sp00ky_core.outcome import Delivered, Outcome
from sp00ky_core.ports import JobTable
from sp00ky_core.stores.allowance import Allowance

RUNNER = "planner"

START = datetime(2000, 1, 1, tzinfo=UTC)

SHORTEST = 0.001
"""Seconds that are worth waiting; instants are known to the microsecond."""


class Gate:
    """Keeps the state of one backend: its breaker, its approach after a pause, its tokens.

    Attributes:
        ramp_up: The limit of requests at a time.
    """

    def __init__(self, backend: BackendConfig) -> None:
        self._backend = backend
        slots = min(backend.concurrency, backend.max_in_flight or math.inf)
        self.ramp_up: RampUp = RampUp(int(slots))
        self._breaker: Mapping[str, Any] = {}
        self._table = JobTable(backend=backend.name, table=backend.table, rate=backend.rate)
        self._tokens: float | None = None
        self._tokens_at: datetime | None = None

    def wait(self, now: float, in_flight: int) -> float:
        """Return the seconds until a request may be sent; infinite: once one has ended."""
        if in_flight >= self.ramp_up.limit:
            return math.inf
        pauses = (self.ramp_up.silent_for(now), self._breaker_wait(now), self._token_wait(now))
        longest = max(pauses)
        return max(longest, SHORTEST) if longest > 0 else 0.0

    def take(self, now: float) -> bool:
        """Count a request that is sent now; return whether it is the breaker's probe."""
        if self._backend.rate is not None:
            self._tokens = self._allowance(now).tokens_after(1)
            self._tokens_at = _instant(now)
        is_probe = bool(self._breaker) and self._as_of(now).wants_probe
        if is_probe:  # as a store hands it out, for as long as the attempt may take
            lease = {"probe_runner": RUNNER, "probe_until": START + timedelta(days=365_000)}
            self._breaker = {**self._breaker, **lease}
        return is_probe

    def note(self, outcome: Outcome, *, now: float, took: float, is_probe: bool) -> bool:
        """Count an outcome; return whether its attempt doesn't count, so that the job is given back."""
        config = self._backend.breaker
        if config is None or (not self._breaker and isinstance(outcome, Delivered)):
            return False
        probe_of = RUNNER if is_probe else None
        event = event_of(outcome, cap=self._backend.retry.cap, probe_of=probe_of, took=took)
        change = event and change_after(self._backend.name, self._as_of(now), event, config)
        if change:
            self._breaker = changed(self._breaker, change, _instant(now))
        return is_probe and never_connected(outcome)

    def _as_of(self, now: float) -> Breaker:
        return breaker_of(self._breaker, _instant(now))

    def _breaker_wait(self, now: float) -> float:
        if not self._breaker:
            return 0.0
        breaker = self._as_of(now)
        if breaker.lets_through or breaker.wants_probe:
            return 0.0
        return breaker.paused_for or math.inf  # the probe's end is awaited

    def _token_wait(self, now: float) -> float:
        if self._backend.rate is None:
            return 0.0
        return self._allowance(now).retry_in(1, 0) or 0.0

    def _allowance(self, now: float) -> Allowance:
        return Allowance.of(self._table, _instant(now), tokens=self._tokens, at=self._tokens_at)


def _instant(now: float) -> datetime:
    return START + timedelta(seconds=now)
