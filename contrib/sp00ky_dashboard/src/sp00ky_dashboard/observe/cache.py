"""Share what is read among all browsers: the same question at the same time is asked once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from time import monotonic
from typing import Any, TypeVar, cast

import attrs

Result = TypeVar("Result")

FRESH_SECONDS = 1.0
"""An answer is given again for so long where who asks says nothing else."""

SLOW_TIMES = 5
"""... and for so many times as long as it took to find, likewise."""

PATIENCE = 0.2
"""Seconds that a page waits for what it reads; then the browser gets a page that waits for it."""

MOST_KEPT = 200
"""Answers."""


class StillReading(Exception):
    """An answer takes its time."""


@attrs.define
class _Answer:
    task: asyncio.Future[Any]
    stale_at: float


class Cache:
    """Answers that are still fresh, by their questions."""

    def __init__(self) -> None:
        self._answers: dict[Hashable, _Answer] = {}

    async def get(
        self,
        question: Hashable,
        ask: Callable[[], Awaitable[Result]],
        *,
        fresh: float = FRESH_SECONDS,
        patience: float | None = None,
    ) -> Result:
        """Return a fresh answer; ask for one, once for all who want it at that time. Errors aren't kept.

        Args:
            question: Who asks the same gets the same answer.
            ask: Finds the answer.
            fresh: Seconds for which it is given again, or ``SLOW_TIMES`` as long as it took to find.
            patience: Seconds to wait for it; None: as long as it takes.

        Raises:
            StillReading: It takes longer than ``patience``; it goes on, and is there for who asks again.
        """
        answer = self._answers.get(question)
        if answer is None or monotonic() > answer.stale_at:
            answer = self._asked(question, ask, fresh)
        # A browser that leaves doesn't take the answer from others.
        await asyncio.wait([answer.task], timeout=patience)
        if not answer.task.done():
            raise StillReading
        return cast("Result", answer.task.result())

    def forget(self) -> None:
        """Ask anew from now on: an operator has changed something."""
        self._answers.clear()

    def _asked(self, question: Hashable, ask: Callable[[], Awaitable[Any]], fresh: float) -> _Answer:
        now = monotonic()
        old = [key for key, answer in self._answers.items() if now > answer.stale_at]
        for key in old or list(self._answers)[: max(len(self._answers) - MOST_KEPT + 1, 0)]:
            del self._answers[key]

        answer = self._answers[question] = _Answer(asyncio.ensure_future(ask()), float("inf"))

        def ended(task: asyncio.Future[Any]) -> None:
            answer.stale_at = monotonic() + max(fresh, SLOW_TIMES * (monotonic() - now))
            is_error = task.cancelled() or task.exception() is not None
            if is_error and self._answers.get(question) is answer:
                del self._answers[question]

        answer.task.add_done_callback(ended)
        return answer
