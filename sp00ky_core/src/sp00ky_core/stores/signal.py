"""In-process signals: "there may be work", and "a job has changed"."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

__all__ = ["Signal"]


class Signal:
    """Wakes every subscriber; signals that come while one is busy are merged into one for it."""

    def __init__(self) -> None:
        self._subscribers: set[asyncio.Event] = set()
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether it wakes nobody any more."""
        return self._closed

    def send(self) -> None:
        """Wake all subscribers; costs nothing where there are none."""
        for event in self._subscribers:
            event.set()

    def close(self) -> None:
        """End every subscription."""
        self._closed = True
        self.send()

    async def subscribe(self) -> AsyncGenerator[None, None]:
        """Yields once at the start and after each signal, until the signal is closed."""
        event = asyncio.Event()
        event.set()
        self._subscribers.add(event)
        try:
            while True:
                await event.wait()
                event.clear()
                if self._closed:
                    return
                yield None
        finally:
            self._subscribers.discard(event)
