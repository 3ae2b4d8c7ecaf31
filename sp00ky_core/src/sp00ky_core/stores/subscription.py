"""Keep a subscription to the database alive, wake this process's subscribers, and wait between tries.

Notifications of other processes come over a connection that may be lost at any time. Losing it degrades to
polling, which is reported once; it is made again with backoff.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import Any

import attrs

__all__ = ["Backoff", "Broadcast", "Subscription"]


@attrs.define(eq=False, slots=False)
class Backoff:
    """Waits from ``first`` seconds, doubling, to at most ``limit``; each wait is drawn from its upper half.

    Args:
        random: Uniform in [0, 1).
        first: Seconds of the first wait, before jitter.
        limit: Seconds of the longest.
    """

    _random: Callable[[], float] = random.random
    _first: float = attrs.field(default=0.05, kw_only=True)
    _limit: float = attrs.field(default=2.0, kw_only=True)
    _next: float = attrs.field(default=attrs.Factory(lambda self: self._first, takes_self=True), init=False)

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


async def within(seconds: float, awaitable: Awaitable[object]) -> bool:
    """Wait for something at most so long; return whether it came."""
    try:
        async with asyncio.timeout(seconds):
            await awaitable
    except TimeoutError:
        return False
    return True


CANCEL_AGAIN = 1.0
"""Seconds until a task that a cancellation didn't end is cancelled again: some drivers swallow one."""

LEFT_AFTER = 5.0
"""Seconds after which a subscription that no cancellation ends is left behind."""


async def end(tasks: Iterable[asyncio.Task[Any]], *, patience: float = math.inf) -> set[asyncio.Task[Any]]:
    """Cancel tasks until they end; return those that haven't after so many seconds."""
    running, until = set(tasks), asyncio.get_running_loop().time() + patience
    while running and asyncio.get_running_loop().time() < until:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=CANCEL_AGAIN)
    return running


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
        self._waiting = set()  # they end, also where it is open again before they wake

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
                if event not in self._waiting or self._closed:
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
            await within(seconds, event.wait())
        finally:
            self._waiting.discard(event)


logger: logging.Logger = logging.getLogger(__name__)

Listen = Callable[[Callable[[], None]], Awaitable[None]]
"""Subscribes, calls its argument once that is done, and ends (mostly by raising) when it is lost."""


@attrs.define(eq=False, slots=False)
class Subscription:
    """Runs ``listen`` again and again while there are listeners.

    Args:
        broadcast: What ``listen`` sends to when a notification comes.
        listen: Subscribes and listens until the subscription is lost.
        describe: Says in a few words, without secrets, what an exception of ``listen`` means.
        name: For the log and the task: ``LISTEN``, ``LIVE``.
        backoff: Between two tries.
    """

    broadcast: Broadcast
    _listen: Listen
    _describe: Callable[[Exception], str] = attrs.field(kw_only=True)
    _name: str = attrs.field(kw_only=True)
    _backoff: Backoff = attrs.field(factory=Backoff, kw_only=True)
    _task: asyncio.Task[None] | None = attrs.field(default=None, init=False)
    _listeners: int = attrs.field(default=0, init=False)
    _is_lost: bool = attrs.field(default=False, init=False)
    # The first try to subscribe has ended, well or not.
    _tried: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)

    async def subscribe(
        self, broadcast: Broadcast | None = None, *, at_once: bool = False
    ) -> AsyncGenerator[None, None]:
        """Yield once at the start and after each signal, subscribed to the database meanwhile.

        The first one comes after the first try to subscribe, so that what it leads to misses nothing;
        ``at_once`` doesn't wait for that: another comes once it has subscribed. The signals are those of
        another ``broadcast``, if one is given.
        """
        self._listeners += 1
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"sp00ky-{self._name}")
        signals = (broadcast or self.broadcast).subscribe()
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
        if task is not None and await end([task], patience=LEFT_AFTER):
            logger.warning("%s doesn't end, however often it is cancelled: it is left behind", self._name)
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
