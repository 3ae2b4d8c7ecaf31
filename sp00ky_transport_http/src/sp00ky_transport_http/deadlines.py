"""Time many attempts with one timer: a timer for each would cost more than its request's headers."""

from __future__ import annotations

import asyncio

INTERVAL = 0.02
"""Seconds between two looks: an attempt is cut off at most this late, or two of them after a standstill."""

STANDSTILL = 0.1
"""Seconds that a look may be late; later, what has come meanwhile is read before anything is cut off."""


class Deadlines:
    """Cancels tasks that are overdue; each one learns from ``leave`` whether that is what happened."""

    def __init__(self) -> None:
        self._due: dict[asyncio.Task[object], float] = {}  # by the loop's clock
        self._cut: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._has_waited = False

    def enter(self, task: asyncio.Task[object], seconds: float) -> None:
        """Give the task so many seconds until ``leave``."""
        loop = task.get_loop()
        self._due[task] = loop.time() + seconds
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
        if self._stood_still(now):
            self._timer = loop.call_later(INTERVAL, self._look, loop)
            return
        for task in [task for task, due in self._due.items() if due <= now]:
            del self._due[task]
            self._cut.add(task)
            task.cancel()
        self._timer = loop.call_later(INTERVAL, self._look, loop) if self._due else None

    def _stood_still(self, now: float) -> bool:
        """Tell whether to wait for a look more: timers can come before sockets (on uvloop), but not twice."""
        is_late = self._timer is not None and now > self._timer.when() + STANDSTILL
        self._has_waited = is_late and not self._has_waited
        return self._has_waited
