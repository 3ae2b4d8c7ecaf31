"""Steer the claims of the memory store: an operator's pause, and a backend's limits."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from sp00ky_core.ports import Pause
from sp00ky_core.stores.allowance import Allowance
from sp00ky_core.stores.memory.table import MemoryTable

__all__ = ["MemoryControl"]


class MemoryControl:
    """One backend's pause, and its tokens."""

    def __init__(self) -> None:
        self._pause: Pause | None = None
        self._tokens: float | None = None
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

    def allowance(self, table: MemoryTable, now: datetime) -> Allowance:
        """Return what the backend's limits leave for a claim."""
        in_flight = 0 if table.options.max_in_flight is None else table.in_flight(now)
        return Allowance.of(table.options, now, tokens=self._tokens, at=self._tokens_at, in_flight=in_flight)

    def spend(self, allowance: Allowance, taken: int, now: datetime) -> None:
        """Take a token for each job that was claimed."""
        if (tokens := allowance.tokens_after(taken)) is not None:
            self._tokens, self._tokens_at = tokens, now
