"""Waiting longer after each failure, with jitter."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["Backoff"]


class Backoff:
    """From 50 ms, doubling, to at most ``limit`` seconds; each wait is drawn from its upper half."""

    def __init__(self, random: Callable[[], float], *, first: float = 0.05, limit: float = 2.0) -> None:
        self._random = random
        self._first = first
        self._limit = limit
        self._next = first

    def reset(self) -> None:
        """It worked: start again from the first wait."""
        self._next = self._first

    async def wait(self) -> None:
        """Wait once."""
        seconds = self._next * (0.5 + self._random() / 2)
        self._next = min(self._next * 2, self._limit)
        await asyncio.sleep(seconds)
