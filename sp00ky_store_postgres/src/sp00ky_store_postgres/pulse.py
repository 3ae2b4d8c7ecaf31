"""Wakes those who wait for a change, or for a moment to pass."""

from __future__ import annotations

import asyncio

__all__ = ["Pulse"]


class Pulse:
    """An in-process hint that something may have changed."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Event] = set()
        self.closed = False

    def beat(self) -> None:
        """Wake everybody who waits; costs nothing where nobody does."""
        for event in self._waiting:
            event.set()

    def close(self) -> None:
        """Nobody waits any more."""
        self.closed = True
        self.beat()

    async def wait(self, seconds: float) -> None:
        """Wait for the next beat, at most so long."""
        if self.closed:
            return
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            pass
        finally:
            self._waiting.discard(event)
