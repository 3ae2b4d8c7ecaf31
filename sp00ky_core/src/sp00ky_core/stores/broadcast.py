"""Wake every subscriber in this process: "there may be work", "a job may have changed"."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

__all__ = ["Broadcast"]


class Broadcast:
    """Wakes those who subscribe or wait; signals that come while one is busy are merged into one for it."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Event] = set()
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether it wakes no one any more."""
        return self._closed

    def send(self) -> None:
        """Wake all subscribers; costs nothing where there are none."""
        for event in self._waiting:
            event.set()

    def close(self) -> None:
        """End every subscription and every wait."""
        self._closed = True
        self.send()

    def reopen(self) -> None:
        """Let subscribers in again."""
        self._closed = False

    async def subscribe(self) -> AsyncGenerator[None, None]:
        """Yield once at the start and after each signal, until it is closed."""
        event = asyncio.Event()
        event.set()
        self._waiting.add(event)
        try:
            while True:
                await event.wait()
                event.clear()
                if self._closed:
                    return
                yield None
        finally:
            self._waiting.discard(event)

    async def wait(self, seconds: float) -> None:
        """Wait for the next signal, at most so long; return at once where it is closed."""
        if self._closed:
            return
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await event.wait()
        finally:
            self._waiting.discard(event)
