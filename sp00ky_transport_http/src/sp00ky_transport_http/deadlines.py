"""Time many attempts with one timer: a timer for each would cost more than its request's headers."""

from __future__ import annotations

import asyncio

from sp00ky_transport_http.engines.engine import Exchange

INTERVAL = 0.02
"""Seconds between two looks: an attempt is cut off at most this late, or two of them after a standstill."""

STANDSTILL = 0.1
"""Seconds that a look may be late; later, what has come for a request is read before that is cut off."""


class Deadlines:
    """Cancels tasks whose exchange is overdue.

    The task is to swallow its ``CancelledError`` then, unless it was cancelled by another, too.
    """

    def __init__(self) -> None:
        self._due: dict[asyncio.Task[object], tuple[float, Exchange]] = {}  # by the loop's clock
        self._timer: asyncio.TimerHandle | None = None
        self._has_waited = False

    def enter(self, task: asyncio.Task[object], seconds: float, exchange: Exchange) -> None:
        """Give the task so many seconds until the exchange that it waits for is over."""
        loop = task.get_loop()
        self._due[task] = (loop.time() + seconds, exchange)
        if self._timer is None:
            self._timer = loop.call_later(INTERVAL, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        waits = self._stood_still(now)
        self._due = {task: due for task, due in self._due.items() if not due[1].is_over}
        overdue = [(task, exchange) for task, (due, exchange) in self._due.items() if due <= now]
        for task, exchange in overdue:
            if waits and exchange.connection is not None:
                continue
            del self._due[task]
            exchange.is_overdue = True
            task.cancel()
        self._timer = loop.call_later(INTERVAL, self._look, loop) if self._due else None

    def _stood_still(self, now: float) -> bool:
        """Return whether to wait for a look more: timers can come before sockets, but not twice."""
        is_late = self._timer is not None and now > self._timer.when() + STANDSTILL
        self._has_waited = is_late and not self._has_waited
        return self._has_waited
