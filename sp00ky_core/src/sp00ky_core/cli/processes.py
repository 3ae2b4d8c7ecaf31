"""Supervise worker processes: start again those that die, drain them together, sum up what they report."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
import time
from asyncio import IncompleteReadError, LimitOverrunError, StreamReader
from asyncio.subprocess import PIPE, Process, create_subprocess_exec
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import attrs
import click

from sp00ky_core.cli.signals import AGAIN, stop_signals, unless_stopped
from sp00ky_core.observe.rates import Counters
from sp00ky_core.runner import Runner
from sp00ky_core.stores.subscription import Backoff

__all__ = ["LONGEST_REPORT", "Reports", "reporting"]

LONGEST_WAIT = 30.0
"""Seconds between two starts of a worker; one that lived as long is started again soon."""

logger: logging.Logger = logging.getLogger("sp00ky")


@attrs.define(kw_only=True, eq=False)
class Supervisor:
    """Runs workers until each has ended.

    A worker's stdin is a pipe that this process holds: closing it, or dying, drains the worker. Its stdout
    says when it delivers; what plugins print there is passed on. It exits with 0 where it was drained,
    so that it isn't started again.

    Attributes:
        command: Starts a worker.
        environment: The workers'.
        count: How many there are.
        once: A worker that fails has said why, and isn't started again.
        reports: What the workers report is added to it; None: they report nothing.
    """

    command: Sequence[str]
    environment: Mapping[str, str]
    count: int
    once: bool
    reports: Reports | None = None
    _processes: set[Process] = attrs.field(factory=set, init=False)
    _stopping: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _has_started: bool = attrs.field(default=False, init=False)
    _killed_by: int | None = attrs.field(default=None, init=False)

    async def run(self) -> int:
        """Run the workers; return the exit code: the worst one, or that of the signal which killed them."""
        with stop_signals(self._signalled, self._kill):
            codes = await asyncio.gather(*(self._keep(number) for number in range(1, self.count + 1)))
        return max(codes) if self._killed_by is None else 128 + self._killed_by

    def _signalled(self) -> None:
        if not self._stopping.is_set():
            logger.info("draining %d workers; %s", len(self._processes), AGAIN)
            self._drain()

    def _kill(self, number: signal.Signals) -> None:
        self._killed_by = number
        for process in self._processes:
            process.kill()

    def _drain(self) -> None:
        self._stopping.set()
        for process in self._processes:
            _close(process)

    async def _keep(self, number: int) -> int:
        loop, backoff = asyncio.get_running_loop(), Backoff(first=0.5, limit=LONGEST_WAIT)
        while True:
            began = loop.time()
            code = await self._worker()
            if self._is_over(code):
                return code if code >= 0 else 128 - code  # killed: as a shell says it
            if loop.time() - began > LONGEST_WAIT:
                backoff.reset()
            seconds = backoff.next()
            logger.warning("worker %d ended with %d and is started again in %.1f s", number, code, seconds)
            await unless_stopped(self._stopping, asyncio.sleep(seconds))
            if self._stopping.is_set():
                return 0

    async def _worker(self) -> int:
        process = await create_subprocess_exec(
            *self.command, env=self.environment, stdin=PIPE, stdout=PIPE, limit=LONGEST_REPORT
        )
        self._processes.add(process)
        try:
            if self._stopping.is_set():
                _close(process)
            assert process.stdout is not None  # noqa: S101  # it was asked for
            await self._read(process.pid, process.stdout)
            return await process.wait()
        finally:
            self._processes.discard(process)
            if self.reports is not None:
                self.reports.ended(process.pid)

    async def _read(self, worker: int, output: StreamReader) -> None:
        """Read all that a worker writes, or it would block: a line once it has started, reports, prints."""
        line = await _piece(output)
        self._has_started |= bool(line)  # as it is by now, another worker may have started meanwhile
        while line := await _piece(output):
            if self.reports is None or not self.reports.add(worker, line):
                with suppress(OSError):  # who read this process's stdout has gone
                    click.echo(line, nl=False)

    def _is_over(self, code: int) -> bool:
        if code > 0 and not self._has_started:
            self._drain()  # what keeps the first from starting keeps all
        return code == 0 or self._stopping.is_set() or (code > 0 and self.once)


async def _piece(output: StreamReader) -> bytes:
    """Read a line, or as much of a longer one as has come; nothing: it has ended."""
    try:
        return await output.readuntil()
    except IncompleteReadError as error:
        return error.partial
    except LimitOverrunError as error:
        return await output.readexactly(error.consumed)


def _close(process: Process) -> None:
    assert process.stdin is not None  # noqa: S101  # it was asked for
    process.stdin.close()


INTERVAL = 1.0
"""Seconds between two reports."""

LASTS = 5 * INTERVAL
"""Seconds for which a report says what its worker does now."""

LONGEST_REPORT = 2**24
"""Bytes; a report has a line for each kind of attempt that has been made since the last one."""

REPORT_KEYS = {"ready", "in_flight", "slots", "attempts", "leases_lost", "store_errors"}


@asynccontextmanager
async def reporting(runner: Runner) -> AsyncIterator[Callable[[], None]]:
    """Yield what begins the reports; the last one is made when the block ends.

    A parent that doesn't read holds nothing up.
    """
    pipe, _ = await asyncio.get_running_loop().connect_write_pipe(asyncio.BaseProtocol, sys.stdout)
    reporter, tasks = _Reporter(runner, pipe), list[asyncio.Task[None]]()
    try:
        yield lambda: tasks.append(asyncio.create_task(reporter.run()))
    finally:
        for task in tasks:
            task.cancel()
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
            "slots": dict(self._runner.slots_by_backend),
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
        """Add a worker's report; return whether it is one: what else is in its stdout, a plugin printed."""
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
        """Tell whether any worker delivers."""
        return any(report["ready"] for report in self._recent())

    @property
    def in_flight_by_backend(self) -> Mapping[str, int]:
        """Count the jobs of each backend that the workers hold now."""
        return self._summed("in_flight")

    @property
    def slots_by_backend(self) -> Mapping[str, int]:
        """Count the attempts of each backend that the workers can make at a time."""
        return self._summed("slots")

    @property
    def stuck(self) -> Collection[str]:
        """Return the backends of which no worker delivers anything."""
        return [name for name, slots in self.slots_by_backend.items() if slots <= 0]

    def _summed(self, what: str) -> Mapping[str, int]:
        sums = Counter[str]()
        for report in self._recent():
            sums.update(report[what])
        return sums

    def _recent(self) -> Iterator[Mapping[str, Any]]:
        """Return the reports that still hold: a worker that is stuck makes no more."""
        since = self._clock() - LASTS
        return (report for at, report in self._latest.values() if at >= since)
