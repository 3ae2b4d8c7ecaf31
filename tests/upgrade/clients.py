"""Clients: applications of a release, and one that has none of our packages."""

import asyncio
import signal
import time
from collections.abc import Mapping
from pathlib import Path

from chaos.database import Database
from chaos.history import COMMITTED, Enqueue
from chaos.journal import read_journal
from tests.upgrade.releases import ROOT, Release

__all__ = ["NUMBERS_EACH", "Application", "PlainClient"]

NUMBERS_EACH = 1_000_000
"""A job's number says whose it is."""

EVERY = 0.3
"""Seconds from one plain INSERT to the next."""

AT_ONCE = 100
"""Rows in a script that fills a queue."""


class Application:
    """A process that enqueues by ``Outbox.run_many``."""

    def __init__(self, config: Path, release: Release, number: int) -> None:
        self._config = config
        self._release = release
        self._first = number * NUMBERS_EACH
        self._journal = config.parent / f"journal-{number}.jsonl"
        self._log = config.parent / f"client-{number}.txt"
        self._child: asyncio.subprocess.Process | None = None

    def __str__(self) -> str:
        return f"the application of {self._release.programs}"

    async def start(self, environment: Mapping[str, str]) -> None:
        """Start it; it enqueues as soon as it can."""
        self._journal.touch()
        words = (self._config, self._first, self._journal)
        with self._log.open("wb") as log:
            self._child = await asyncio.create_subprocess_exec(
                *(str(self._release.python), "-m", "tests.upgrade.client_program", *map(str, words)),
                env={**environment, "PYTHONPATH": str(ROOT)},
                stderr=log,
            )

    async def stop(self) -> None:
        """Let the calls end that are under way; it must have gone well."""
        if self._child is None or self._child.returncode is not None:
            raise RuntimeError(f"a client has ended: {self._log.read_text()[-2000:]}")
        self._child.send_signal(signal.SIGTERM)
        if await self._child.wait():
            raise RuntimeError(f"a client ended badly: {self._log.read_text()[-2000:]}")

    def kill(self) -> None:
        """Leave no process behind."""
        if self._child is not None and self._child.returncode is None:
            self._child.kill()

    def enqueues(self) -> list[Enqueue]:
        """What it did, and was told."""
        return read_journal(self._journal)


class PlainClient:
    """Writes rows as the row contract has it, one by one: it knows of no release."""

    def __init__(self, database: Database, statement: str) -> None:
        self._database = database
        self._statement = statement
        self._enqueues: list[Enqueue] = []
        self._stopped = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def __str__(self) -> str:
        return "the plain client"

    async def start(self, environment: Mapping[str, str]) -> None:
        """Enqueue from now on."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End after the statement that is under way; each one must have gone well."""
        self._stopped.set()
        if self._task is not None:
            await self._task

    def kill(self) -> None:
        """Leave no task behind."""
        if self._task is not None:
            self._task.cancel()

    def enqueues(self) -> list[Enqueue]:
        """What it did, and was told."""
        return self._enqueues

    async def fill(self, count: int) -> None:
        """Enqueue many, so that runners are busy for a while."""
        for _ in range(0, count, AT_ONCE):
            await self._write(AT_ONCE)

    async def _run(self) -> None:
        while not self._stopped.is_set():
            await self._write(1)
            await asyncio.sleep(EVERY)

    async def _write(self, count: int) -> None:
        now, first = time.time(), len(self._enqueues) + 1
        numbers = range(first, first + count)
        records = [Enqueue(n=number, at=now, batch=first, begun=now) for number in numbers]
        self._enqueues += records
        statements = [self._statement.format(n=number, max_retries=number % 3) for number in numbers]
        await self._database.execute(";".join(statements))
        for record in records:
            record.fate, record.done = COMMITTED, time.time()
