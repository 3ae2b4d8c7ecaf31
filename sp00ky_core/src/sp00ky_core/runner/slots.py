"""A backend's places: a pool of workers that grows to its ``concurrency`` and is then reused."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from sp00ky_core.backend import Backend
from sp00ky_core.runner.held import Held

__all__ = ["Slots"]

Perform = Callable[[Held], Awaitable[None]]


class Slots:
    """At most ``concurrency`` attempts at a time for one backend; no task is made per job."""

    def __init__(self, backend: Backend, perform: Perform, freed: Callable[[], None]) -> None:
        self.backend = backend
        self._perform = perform
        self._freed = freed  # called whenever a place has become free
        self._ready: deque[Held] = deque()
        self._idle: deque[asyncio.Future[None]] = deque()
        self._workers: list[asyncio.Task[None]] = []
        self._busy = 0
        self._closing = False

    @property
    def free(self) -> int:
        """Places that a claim may fill."""
        return self.backend.config.concurrency - self._busy - len(self._ready)

    def put(self, held: Held) -> None:
        """Give a claimed job to a worker."""
        self._ready.append(held)
        while self._idle:
            waiter = self._idle.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        if len(self._workers) < self.backend.config.concurrency:
            name = f"sp00ky-{self.backend.name}-{len(self._workers)}"
            self._workers.append(asyncio.create_task(self._work(), name=name))

    def take_ready(self) -> list[Held]:
        """Take back what no worker has begun."""
        taken = list(self._ready)
        self._ready.clear()
        return taken

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._closing:
            while not self._ready:
                waiter = loop.create_future()
                self._idle.append(waiter)
                await waiter
            held = self._ready.popleft()
            held.worker = asyncio.current_task()
            self._busy += 1
            try:
                await self._perform(held)
            finally:
                held.worker = None
                self._busy -= 1
                self._freed()

    async def cancel(self) -> None:
        """Cancel every worker, and with it the attempts in flight; return when all have ended."""
        self._closing = True
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        self._workers.clear()
