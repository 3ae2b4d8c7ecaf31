"""Keep a subscription to the database alive while anyone listens, and report its loss once.

Notifications of other processes come over a connection that may be lost at any time. Losing it degrades to
polling; it is made again with backoff.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable

from sp00ky_core.stores.backoff import Backoff
from sp00ky_core.stores.broadcast import Broadcast

__all__ = ["Subscription"]

logger: logging.Logger = logging.getLogger(__name__)

Listen = Callable[[Callable[[], None]], Awaitable[None]]
"""Subscribes, calls its argument once that is done, and ends (mostly by raising) when it is lost."""


class Subscription:
    """Runs ``listen`` again and again while there are listeners.

    Args:
        broadcast: What ``listen`` sends to when a notification comes.
        listen: Subscribes and listens until the subscription is lost.
        describe: Says in a few words, without secrets, what an exception of ``listen`` means.
        name: For the log and the task: ``LISTEN``, ``LIVE``.
    """

    def __init__(
        self,
        broadcast: Broadcast,
        listen: Listen,
        *,
        describe: Callable[[Exception], str],
        name: str,
        backoff: Backoff | None = None,
    ) -> None:
        self.broadcast = broadcast
        self._listen = listen
        self._describe = describe
        self._name = name
        self._backoff = backoff or Backoff()
        self._task: asyncio.Task[None] | None = None
        self._listeners = 0
        self._is_lost = False
        self._tried = asyncio.Event()  # the first try to subscribe has ended, well or not

    async def subscribe(self, *, at_once: bool = False) -> AsyncGenerator[None, None]:
        """Yield once at the start and after each signal, subscribed to the database meanwhile.

        The first one comes after the first try to subscribe, so that what it leads to misses nothing;
        ``at_once`` doesn't wait for that: another comes once it has subscribed.
        """
        self._listeners += 1
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"sp00ky-{self._name}")
        signals = self.broadcast.subscribe()
        try:
            if not at_once:
                await self._tried.wait()
            async for _ in signals:
                yield None
        finally:
            await signals.aclose()
            self._listeners -= 1
            if not self._listeners:
                await self.stop()

    async def stop(self) -> None:
        """Let go of the subscription; those who still listen hear of this process's signals only."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        self._tried.set()  # no one waits for what won't come
        self._tried = asyncio.Event()
        self._is_lost = False

    async def _run(self) -> None:
        while True:
            try:
                await self._listen(self._subscribed)
            except Exception as error:  # noqa: BLE001  # whatever broke, the next connection may work
                self._report_loss(self._describe(error))
            self._tried.set()
            await self._backoff.wait()

    def _subscribed(self) -> None:
        self._backoff.reset()
        self.broadcast.send()  # for what came while no one listened
        self._tried.set()
        if self._is_lost:
            logger.warning("%s works again", self._name)
        self._is_lost = False

    def _report_loss(self, problem: str) -> None:
        """Log it, as a warning once for each outage."""
        level = logging.DEBUG if self._is_lost else logging.WARNING
        logger.log(level, "%s doesn't work, new jobs are found by polling: %s", self._name, problem)
        self._is_lost = True
