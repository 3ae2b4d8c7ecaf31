"""Move a clock when a test says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = ["FakeClock"]


class FakeClock:
    """Stands for the database's clock of a ``MemoryStore`` (``now=clock.now``) and for a monotonic one."""

    def __init__(self, start: datetime = datetime(2030, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._now = start

    def now(self) -> datetime:
        """Return the time."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds since the clock was made."""
        return (self._now - self._start).total_seconds()

    def advance(self, seconds: float) -> datetime:
        """Move on; the new time. Raises ``ValueError`` for a step backward."""
        if seconds < 0:
            raise ValueError(f"a clock doesn't go back: {seconds}")
        self._now += timedelta(seconds=seconds)
        return self._now
