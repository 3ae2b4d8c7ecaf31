"""Wake the runner: by the store's signal, a freed place, the next due time, and the poll as a net."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from sp00ky_core.job import Job
from sp00ky_core.runner.options import RunnerOptions

SHORTEST_IDLE = 0.05
"""Seconds to wait, doubling up to the poll, where a job is due that a claim doesn't get (another runner is
taking it)."""


class Wake:
    """Knows which backends may have work, and wakes the claimer when one of them does."""

    def __init__(self, backends: Iterable[str], options: RunnerOptions) -> None:
        self._options = options
        self._may_have_work = dict.fromkeys(backends, True)
        self._event = asyncio.Event()
        self._futile = SHORTEST_IDLE

    def may_have_work(self, backend: str) -> bool:
        """Whether a claim for the backend may find something."""
        return self._may_have_work[backend]

    def all_may_have_work(self) -> None:
        """Note that the store has signalled, or that nothing is known any more."""
        for backend in self._may_have_work:
            self._may_have_work[backend] = True
        self._event.set()

    def freed(self) -> None:
        """Note a free place."""
        self._event.set()

    def expect_nothing(self, backends: Iterable[str]) -> None:
        """Note that a claim is about to be sent: only a signal that comes after this counts."""
        for backend in backends:
            self._may_have_work[backend] = False

    def may_have_more(self, backends: Iterable[str]) -> None:
        """Note that a claim got nothing, or not all, that was due."""
        for backend in backends:
            self._may_have_work[backend] = True

    def claimed(self, wanted: Mapping[str, int], jobs: Sequence[Job]) -> None:
        """Note a claim's result: a backend that filled all its places may have more."""
        counts = Counter([job.backend for job in jobs])
        for backend, places in wanted.items():
            if counts[backend] >= places:
                self._may_have_work[backend] = True
        if jobs:
            self._futile = SHORTEST_IDLE

    def idle_seconds(self, due: float | None) -> float:
        """Return how long to wait where no backend is known to have work; ``due``: seconds to a job."""
        poll = self._options.poll * (0.9 + 0.2 * self._options.random())
        if due is None:
            return poll
        if due > 0:
            return min(due, poll)
        self._futile = min(self._futile * 2, poll)
        return self._futile

    async def wait(self, seconds: float, *, is_of_all: bool = True) -> bool:
        """Wait for something to happen; return whether it did.

        When nothing does, every backend may have work again, unless not ``is_of_all``.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            if is_of_all:
                self.all_may_have_work()
            return False
        finally:
            self._event.clear()
        return True
