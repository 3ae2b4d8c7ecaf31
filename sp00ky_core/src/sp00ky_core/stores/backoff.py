"""Wait longer after each failure, with jitter."""

from __future__ import annotations

import asyncio
import random as _random
from collections.abc import Callable

__all__ = ["Backoff"]


class Backoff:
    """Waits from ``first`` seconds, doubling, to at most ``limit``; each wait is drawn from its upper half.

    Args:
        random: Uniform in [0, 1).
        first: Seconds of the first wait, before jitter.
        limit: Seconds of the longest.
    """

    def __init__(
        self, random: Callable[[], float] = _random.random, *, first: float = 0.05, limit: float = 2.0
    ) -> None:
        self._random = random
        self._first = first
        self._limit = limit
        self._next = first

    def reset(self) -> None:
        """Start again from the first wait: it worked."""
        self._next = self._first

    def next(self) -> float:
        """Draw the seconds of the next wait."""
        seconds = self._next * (0.5 + self._random() / 2)
        self._next = min(self._next * 2, self._limit)
        return seconds

    async def wait(self) -> None:
        """Wait once."""
        await asyncio.sleep(self.next())
