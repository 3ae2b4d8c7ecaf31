"""Measure what a process does and how long its queues are: ``outbox.metrics()`` and ``/metrics``."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Protocol
from weakref import WeakSet

from sp00ky_core.errors import MetricsMissing, Sp00kyError
from sp00ky_core.event_loop import StoreUser
from sp00ky_core.metrics.counters import Counters
from sp00ky_core.ports import BackendStats
from sp00ky_core.stores.naming import NamedJobs

if TYPE_CHECKING:
    from sp00ky_core.runner import Runner

__all__ = ["EXACT", "Measured", "Measures", "Metered", "refuse_unmeasured"]

EXACT = 10_000
"""Jobs: up to so many are counted, more are estimated."""

STATS_SECONDS = 5.0
"""For reading the queue; a scraper waits for 10 s."""

STATS_KEPT = 1.0
"""Seconds for which what was read is good enough for others who ask."""


class Measured(Protocol):
    """Deliver jobs: a runner does, or several in processes of their own."""

    @property
    def is_ready(self) -> bool:
        """Whether its claims go through."""

    @property
    def in_flight_by_backend(self) -> Mapping[str, int]:
        """Jobs of each backend that it holds now."""


class Measures:
    """Sum up what the runners of one process count, and read the queue of their store."""

    def __init__(self, jobs: NamedJobs) -> None:
        self._jobs = jobs
        self._tallies: list[Counters] = []  # also of those that have stopped
        self._measured: WeakSet[Measured] = WeakSet()
        self._turn: asyncio.Lock = asyncio.Lock()
        self._stats: Mapping[str, BackendStats] | None = None
        self._read_at = float("-inf")

    def add(self, counters: Counters, measured: Measured) -> None:
        """Measure what delivers, and what it counts."""
        self._tallies.append(counters)
        self._measured.add(measured)

    def watched(self, runner: Runner) -> Runner:
        """Measure a runner."""
        self.add(runner.observer.counters, runner)
        return runner

    @property
    def is_ready(self) -> bool:
        """Whether any of what is measured delivers."""
        return any(each.is_ready for each in self._measured)

    async def text(self, *, routes: bool = False) -> str:
        """Write the metrics, without those of the queue where it can't be read. Raises ``MetricsMissing``."""
        refuse_unmeasured()
        from sp00ky_core.metrics.families import exposition  # noqa: PLC0415  # optional

        counters, in_flight = Counters(), Counter[str]()
        for each in self._tallies:
            counters.add(each.attempts.items())
            counters.leases_lost += each.leases_lost
            counters.store_errors += each.store_errors
        for measured in self._measured:
            in_flight.update(measured.in_flight_by_backend)
        return exposition(counters, in_flight, await self._queue(), routes=routes)

    async def _queue(self) -> Mapping[str, BackendStats] | None:
        async with self._turn:
            if time.monotonic() - self._read_at > STATS_KEPT:
                self._stats = await self._read()
                self._read_at = time.monotonic()
        return self._stats

    async def _read(self) -> Mapping[str, BackendStats] | None:
        try:
            async with asyncio.timeout(STATS_SECONDS):
                return await self._jobs.stats(limit=EXACT)
        except (Sp00kyError, TimeoutError):
            return None


def refuse_unmeasured() -> None:
    """Raise ``MetricsMissing`` where the library that writes metrics isn't installed."""
    try:
        import prometheus_client  # noqa: F401, PLC0415  # optional
    except ImportError as error:
        raise MetricsMissing from error


class Metered(StoreUser):
    """Measure an outbox; a base of it."""

    @cached_property
    def measures(self) -> Measures:
        """Measure its runners and its queue."""
        return Measures(self.jobs)

    async def metrics(self, *, routes: bool = False) -> str:
        """Return metrics of its runners in this process and of the whole queue, as Prometheus reads them.

        For a route ``/metrics`` of an application that has a runner in it: ``text/plain; version=0.0.4``.
        Where the store can't be reached, the metrics of the queue are missing.

        Args:
            routes: Label attempts with their route, too.

        Raises:
            MetricsMissing: ``sp00ky-core[metrics]`` isn't installed.
        """
        return await self.measures.text(routes=routes)
