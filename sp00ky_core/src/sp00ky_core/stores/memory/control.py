"""Steer the claims of the memory store: an operator's pause, and a backend's limits."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from sp00ky_core.ports import JobTable, Pause
from sp00ky_core.stores.memory.table import MemoryTable

__all__ = ["MemoryControl"]

FULL = 0.25
"""Seconds until another claim where ``max_in_flight`` is reached."""

ALMOST = 1e-9
"""So much less than a whole token is one: sums of parts are a little off."""


class MemoryControl:
    """One backend's pause, and its tokens."""

    def __init__(self) -> None:
        self._pause: Pause | None = None
        self._tokens = math.inf  # as many as there may be
        self._tokens_at: datetime | None = None

    def pause(self, seconds: float | None, *, reason: str | None, actor: str | None, now: datetime) -> bool:
        """See ``Store.pause``."""
        before = self.paused(now)
        until = None if seconds is None else now + timedelta(seconds=seconds)
        since = now if before is None else before.since
        self._pause = Pause(until=until, since=since, reason=reason, actor=actor)
        return before is None

    def resume(self, now: datetime) -> bool:
        """See ``Store.resume``."""
        before, self._pause = self.paused(now), None
        return before is not None

    def paused(self, now: datetime) -> Pause | None:
        """Return the pause that holds now."""
        pause = self._pause
        return pause if pause is not None and (pause.until is None or pause.until > now) else None

    def paused_for(self, now: datetime) -> float:
        """Return the seconds that a pause lasts yet; 0: there is none."""
        pause = self.paused(now)
        if pause is None:
            return 0.0
        return math.inf if pause.until is None else (pause.until - now).total_seconds()

    def grant(self, table: MemoryTable, slots: int, now: datetime) -> int:
        """Return how many jobs a claim may take."""
        if self.paused(now):
            return 0
        options = table.options
        if options.rate is not None:
            slots = min(slots, math.floor(self._available(options, now) + ALMOST))
        if options.max_in_flight is not None:
            slots = min(slots, options.max_in_flight - table.in_flight(now))
        return max(slots, 0)

    def take(self, options: JobTable, count: int, now: datetime) -> None:
        """Take a token for each job that was claimed."""
        if options.rate is not None and count:
            self._tokens, self._tokens_at = self._available(options, now) - count, now

    def retry_in(self, options: JobTable, now: datetime) -> float:
        """Return the seconds until a claim that was limited may get more."""
        missing = 1 - self._available(options, now)
        return missing / options.rate.per_second if options.rate and missing > ALMOST else FULL

    def _available(self, options: JobTable, now: datetime) -> float:
        rate = options.rate
        if rate is None:
            return math.inf
        elapsed = 0.0 if self._tokens_at is None else max((now - self._tokens_at).total_seconds(), 0.0)
        return min(float(rate.burst), self._tokens + elapsed * rate.per_second)
