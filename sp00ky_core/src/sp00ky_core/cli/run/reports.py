"""Report from a worker to its parent what it has counted: a line of JSON a second, over its stdout."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from sp00ky_core.metrics.observer import Counters
from sp00ky_core.runner import Runner

__all__ = ["LONGEST_REPORT", "Reports", "reporting"]

INTERVAL = 1.0
"""Seconds between two reports."""

LASTS = 5 * INTERVAL
"""Seconds for which a report says what its worker does now."""

LONGEST_REPORT = 2**24
"""Bytes; a report has a line for each kind of attempt that has been made since the last one."""

REPORT_KEYS = {"ready", "in_flight", "attempts", "leases_lost", "store_errors"}


@asynccontextmanager
async def reporting(runner: Runner) -> AsyncIterator[Callable[[], None]]:
    """Give what begins the reports; the last one is made when the block ends.

    A parent that doesn't read holds nothing up.
    """
    pipe, _ = await asyncio.get_running_loop().connect_write_pipe(asyncio.BaseProtocol, sys.stdout)
    reporter, tasks = _Reporter(runner, pipe), list[asyncio.Task[None]]()
    try:
        yield lambda: tasks.append(asyncio.create_task(reporter.run()))
    finally:
        for each in tasks:
            each.cancel()
            reporter.report()
        await asyncio.gather(*tasks, return_exceptions=True)
        pipe.close()


class _Reporter:
    def __init__(self, runner: Runner, pipe: asyncio.WriteTransport) -> None:
        self._runner, self._pipe = runner, pipe
        self._reported = Counters()

    async def run(self) -> None:
        while True:
            self.report()
            await asyncio.sleep(INTERVAL)

    def report(self) -> None:
        """Write what is new, unless the report before hasn't been taken yet."""
        if self._pipe.get_write_buffer_size():
            return
        counters, before = self._runner.observer.counters, self._reported
        document = {
            "ready": self._runner.is_ready,
            "in_flight": dict(self._runner.in_flight_by_backend),
            "attempts": list(counters.since(before.attempts).items()),
            "leases_lost": counters.leases_lost - before.leases_lost,
            "store_errors": counters.store_errors - before.store_errors,
        }
        self._pipe.write(json.dumps(document).encode() + b"\n")
        before.attempts = counters.copy()
        before.leases_lost, before.store_errors = counters.leases_lost, counters.store_errors


class Reports:
    """Sum up what all workers have reported, and what they hold now.

    Attributes:
        counters: Also of those that have ended.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.counters: Counters = Counters()
        self._clock = clock
        self._latest: dict[int, tuple[float, Mapping[str, Any]]] = {}  # when it came, and what it says

    def add(self, worker: int, line: bytes) -> bool:
        """Add a worker's report; whether it is one: whatever else stands in its stdout, a plugin printed."""
        try:
            report = json.loads(line)
        except ValueError:
            return False
        if not (isinstance(report, dict) and report.keys() == REPORT_KEYS):
            return False
        self.counters.add((tuple(kind), counts) for kind, counts in report["attempts"])
        self.counters.leases_lost += report["leases_lost"]
        self.counters.store_errors += report["store_errors"]
        self._latest[worker] = self._clock(), report
        return True

    def ended(self, worker: int) -> None:
        """Forget what a worker that has ended holds."""
        self._latest.pop(worker, None)

    @property
    def is_ready(self) -> bool:
        """Whether any worker delivers."""
        return any(each["ready"] for each in self._recent())

    @property
    def in_flight_by_backend(self) -> Mapping[str, int]:
        """Jobs of each backend that the workers hold now."""
        held = Counter[str]()
        for each in self._recent():
            held.update(each["in_flight"])
        return held

    def _recent(self) -> Iterator[Mapping[str, Any]]:
        """Return the reports that still hold: a worker that is stuck makes no more."""
        since = self._clock() - LASTS
        return (report for at, report in self._latest.values() if at >= since)
