"""Keep the parts of a runner running, each in a task, until it is stopped."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from sp00ky_core.runner.options import RunnerOptions
from sp00ky_core.stores.subscription import Backoff

logger: logging.Logger = logging.getLogger(__name__)

CANCEL_AGAIN = 1.0
"""Seconds until a part that a cancellation didn't end is cancelled again."""


class Tasks:
    """Starts the parts of a runner, again where one fails, and ends them."""

    def __init__(self, options: RunnerOptions) -> None:
        self._options = options
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, name: str, run: Callable[[], Awaitable[None]], *, ends: bool = False) -> None:
        """Start a part; ``ends``: it may end by itself."""
        part = self._keep_running(name, run, ends=ends)
        self._tasks[name] = asyncio.create_task(part, name=f"sp00ky-{name}")

    async def ended(self, name: str, within: float) -> None:
        """Return once a part has ended by itself, or after so many seconds."""
        if name in self._tasks:
            await asyncio.wait([self._tasks[name]], timeout=within)

    async def stop(self, *names: str) -> None:
        """End parts, or all; a store's call may answer a cancellation with an error, and its part go on."""
        tasks = {name: self._tasks[name] for name in names or tuple(self._tasks) if name in self._tasks}
        running = {*tasks.values()}
        while running:
            for task in running:
                task.cancel()
            _, running = await asyncio.wait(running, timeout=CANCEL_AGAIN)
        for name in tasks:
            del self._tasks[name]

    async def _keep_running(self, name: str, run: Callable[[], Awaitable[None]], *, ends: bool) -> None:
        backoff = Backoff(self._options.random)
        while True:
            try:
                await run()
                if ends:
                    return
            except Exception:  # a bug must not stop deliveries: it is logged, and the part starts again
                logger.exception("the runner's %s failed and is started again", name)
            await backoff.wait()
