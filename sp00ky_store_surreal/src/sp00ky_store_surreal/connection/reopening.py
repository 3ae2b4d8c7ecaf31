"""Open the embedded engine anew after its storage failed, between calls."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from sp00ky_core.stores.backoff import Backoff

__all__ = ["Healing"]

_log = logging.getLogger(__name__)

CALM = 20.0
"""Seconds without a fault after which the next one is another."""


class Healing:
    """Counts calls, and opens anew while none is under way.

    New calls wait for a try that has begun; between tries they get what the engine as it is says.
    """

    def __init__(self, reopen: Callable[[], Awaitable[None]]) -> None:
        self._reopen = reopen
        self._task: asyncio.Task[None] | None = None
        self._calls = 0
        self._idle = asyncio.Event()
        self._needed = False
        self._backoff = Backoff(first=0.1)
        self._not_before = 0.0
        self.problem = ""
        """Why the engine can't be opened; empty while it is open."""

    @asynccontextmanager
    async def call(self) -> AsyncIterator[None]:
        """Wrap each call of the engine."""
        if self._needed and self._task is None and _now() >= self._not_before:
            self._task = asyncio.ensure_future(self._heal())
        if self._task is not None:
            await asyncio.shield(self._task)
        self._calls += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._calls -= 1
            if not self._calls:
                self._idle.set()

    def needed(self) -> None:
        """Note that the engine failed."""
        self._needed = True

    async def stop(self) -> None:
        """Wait for a try that is under way; no other follows."""
        self._needed = False
        if self._task is not None:
            await asyncio.wait([self._task])
        self._needed, self.problem, self._not_before = False, "", 0.0
        self._backoff.reset()

    async def _heal(self) -> None:
        try:
            while self._calls:
                await self._idle.wait()
            await self._reopen()
        except Exception as error:  # noqa: BLE001  # whatever it is, the next try may succeed
            if not self.problem:
                _log.warning("the engine's storage failed, and it can't be opened again yet: %s", error)
            self.problem = f"the engine can't be opened again: {error}"
        else:
            self.problem = ""
            self._needed = False
            _log.warning("the engine's storage failed: it was opened again")
        finally:
            # A fault soon after is the same fault: the pause grows; a long time without one shortens it.
            if _now() - self._not_before > CALM:
                self._backoff.reset()
            self._not_before = _now() + self._backoff.next()
            self._task = None


def _now() -> float:
    return asyncio.get_running_loop().time()
