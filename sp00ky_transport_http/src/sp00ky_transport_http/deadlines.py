"""Time many attempts with one timer: a timer for each would cost more than its request's headers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sp00ky_transport_http.engines.exchange import Engine, Exchange, ExchangeFailed

__all__ = ["Deadlines"]

INTERVAL = 0.02
"""Seconds between two looks: an attempt is cut off at most this late, or two of them after a standstill."""

STANDSTILL = 0.1
"""Seconds that a look may be late; later, what has come for a request is read before that is cut off."""


class Deadlines:
    """Cancels tasks that are overdue; each one learns from ``leave`` whether that is what happened."""

    def __init__(self) -> None:
        self._due: dict[asyncio.Task[object], tuple[float, Callable[[], bool]]] = {}  # by the loop's clock
        self._cut: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._has_waited = False

    async def run(self, engine: Engine, exchange: Exchange, seconds: float) -> Exception | None:
        """Run an exchange for so many seconds at most; say why it has ended early, if it has.

        A head that has come decides, whoever cancels. A cancellation that no deadline is to blame for is
        raised.
        """
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("deliver() must run in a task")
        self.enter(task, seconds, lambda: exchange.connection is not None)
        try:
            await engine.run(exchange)
        except ExchangeFailed as failure:
            return failure
        except asyncio.CancelledError:
            is_late = self.leave(task)
            engine.cut_off(exchange)
            if not is_late and exchange.response is None:
                raise
            return TimeoutError()
        finally:
            self.leave(task)
        return None

    def enter(self, task: asyncio.Task[object], seconds: float, is_sent: Callable[[], bool]) -> None:
        """Give the task so many seconds until ``leave``; ``is_sent``: what it waits for may have come."""
        loop = task.get_loop()
        self._due[task] = (loop.time() + seconds, is_sent)
        if self._timer is None:
            self._timer = loop.call_later(INTERVAL, self._look, loop)

    def leave(self, task: asyncio.Task[object]) -> bool:
        """Note that the task is done with what had a deadline; return whether it was cut off.

        If so its ``CancelledError`` is to be swallowed, unless another task has cancelled it too: then it
        wasn't cut off, for the caller's purpose.
        """
        self._due.pop(task, None)
        if task not in self._cut:
            return False
        self._cut.discard(task)
        return task.uncancel() == 0

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        waits = self._stood_still(now)
        overdue = [(task, is_sent) for task, (due, is_sent) in self._due.items() if due <= now]
        for task in [task for task, is_sent in overdue if not (waits and is_sent())]:
            del self._due[task]
            self._cut.add(task)
            task.cancel()
        self._timer = loop.call_later(INTERVAL, self._look, loop) if self._due else None

    def _stood_still(self, now: float) -> bool:
        """Return whether to wait for a look more: timers can come before sockets, but not twice."""
        is_late = self._timer is not None and now > self._timer.when() + STANDSTILL
        self._has_waited = is_late and not self._has_waited
        return self._has_waited
