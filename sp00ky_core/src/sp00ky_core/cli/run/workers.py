"""Supervise worker processes: start again those that die, and drain them together."""

from __future__ import annotations

import asyncio
import logging
import signal
from asyncio import IncompleteReadError, LimitOverrunError, StreamReader
from asyncio.subprocess import PIPE, Process, create_subprocess_exec
from collections.abc import Mapping, Sequence
from contextlib import suppress
from random import random

import click

from sp00ky_core.cli.run.reports import LONGEST_REPORT, Reports
from sp00ky_core.cli.run.signals import AGAIN, stop_signals, unless_stopped
from sp00ky_core.stores.backoff import Backoff

LONGEST_WAIT = 30.0
"""Seconds between two starts of a worker; one that lived as long is started again soon."""

logger: logging.Logger = logging.getLogger("sp00ky")


class Supervisor:
    """Runs workers until each has ended.

    A worker's stdin is a pipe that this process holds: closing it, or dying, drains the worker. Its stdout
    says when it delivers; what plugins print there is passed on. It exits with 0 where it was drained,
    so that it isn't started again.

    Args:
        command: Starts a worker.
        environment: The workers'.
        count: How many there are.
        once: A worker that fails has said why, and isn't started again.
        reports: What the workers report is added to it; None: they report nothing.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        count: int,
        *,
        once: bool,
        reports: Reports | None = None,
    ) -> None:
        self._command = command
        self._environment = environment
        self._count = count
        self._once = once
        self._reports = reports
        self._processes: set[Process] = set()
        self._stopping = asyncio.Event()
        self._has_started = False
        self._killed_by: int | None = None

    async def run(self) -> int:
        """Run them; return the exit code: the worst one, or that of the signal which killed them."""
        with stop_signals(self._signalled):
            codes = await asyncio.gather(*(self._keep(number) for number in range(1, self._count + 1)))
        return max(codes) if self._killed_by is None else 128 + self._killed_by

    def _signalled(self, number: signal.Signals) -> None:
        if not self._stopping.is_set():
            logger.info("draining %d workers; %s", len(self._processes), AGAIN)
            self._drain()
        elif number is not signal.SIGHUP:
            self._killed_by = number
            for each in self._processes:
                each.kill()

    def _drain(self) -> None:
        self._stopping.set()
        for each in self._processes:
            _close(each)

    async def _keep(self, number: int) -> int:
        loop, backoff = asyncio.get_running_loop(), Backoff(random, first=0.5, limit=LONGEST_WAIT)
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
            *self._command, env=self._environment, stdin=PIPE, stdout=PIPE, limit=LONGEST_REPORT
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
            if self._reports is not None:
                self._reports.ended(process.pid)

    async def _read(self, worker: int, output: StreamReader) -> None:
        """Read all that a worker writes, or it would block: a line once it has started, reports, prints."""
        line = await _piece(output)
        self._has_started |= bool(line)  # as it is by now, another worker may have started meanwhile
        while line := await _piece(output):
            if self._reports is None or not self._reports.add(worker, line):
                with suppress(OSError):  # who read this process's stdout has gone
                    click.echo(line, nl=False)

    def _is_over(self, code: int) -> bool:
        if code > 0 and not self._has_started:
            self._drain()  # what keeps the first from starting keeps all
        return code == 0 or self._stopping.is_set() or (code > 0 and self._once)


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
