"""Drive contenders that are programs: start them, fill their queue, and measure until it is empty."""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Self

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import attrs

from benchmarks.measure import Sample
from benchmarks.on_postgres.server import Postgres
from benchmarks.peers.protocol import NOTHING, SAID_EVERY
from benchmarks.peers.registry import Program
from benchmarks.processes import cpu_seconds, family_cpu_seconds, memory_mb
from benchmarks.server import Backend

__all__ = ["Load", "drain", "enqueue", "begun", "run_task", "tables_of"]

WARM_UP = 0.25
"""The share of the jobs that is done before the measurement begins: Node.js compiles what it runs often."""

LOOK_EVERY = 0.01
PATIENCE = 300.0
"""Seconds for one measurement."""


@attrs.frozen(kw_only=True)
class Look:
    """What has been used so far."""

    at: float
    cpu: float
    database_cpu: float
    wal: int

    def until(self, later: Self, jobs: int) -> Sample:
        """Return what was used from this look to a later one."""
        return Sample(
            jobs=jobs,
            seconds=later.at - self.at,
            cpu_seconds=later.cpu - self.cpu,
            database_cpu_seconds=later.database_cpu - self.database_cpu,
            wal_bytes=later.wal - self.wal,
        )


class Observer:
    """Looks at the database server, and at the contender's processes."""

    def __init__(self, connection: asyncpg.Connection, postmaster: int) -> None:
        self.connection = connection
        self._postmaster = postmaster

    @classmethod
    @asynccontextmanager
    async def connected(cls, url: str, postgres: Postgres) -> AsyncIterator[Self]:
        """Connect to a database of the server."""
        connection = await asyncpg.connect(url)
        try:
            yield cls(connection, await postgres.postmaster())
        finally:
            await connection.close()

    async def look(self, processes: Sequence[Process]) -> Look:
        """See what has been used so far."""
        wal = await self.connection.fetchval("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
        return Look(
            at=time.perf_counter(),
            cpu=sum(cpu_seconds(process.pid) for process in processes),
            database_cpu=family_cpu_seconds(self._postmaster),
            wal=int(wal),
        )

    async def until_empty(self, left: str) -> None:
        """Return when the database has no unfinished job any more; ``left`` asks for one."""
        while await self.connection.fetchval(left):  # noqa: ASYNC110  # another process empties it
            await asyncio.sleep(LOOK_EVERY / 2)


class Progress:
    """Counts what the processes of a contender print."""

    def __init__(self) -> None:
        self._done: dict[int, int] = {}

    async def follow(self, process: Process) -> None:
        """Read the lines of a process until it ends."""
        assert process.stdout is not None
        async for line in process.stdout:
            self._done[process.pid] = int(line)

    def count(self) -> int:
        """Return how many jobs they say that they have done."""
        return sum(self._done.values())


@attrs.frozen(kw_only=True)
class Load:
    """What a contender is to do.

    Attributes:
        jobs: that are done; a quarter of them before the measurement begins.
        processes: that do it.
        target: where the requests go; None: nothing is sent.
        fill: puts jobs into the database of the URL that it is given; None: the contender adds ``jobs``.
        drains: whether no job is left at the end.
    """

    jobs: int
    processes: int = 1
    target: Backend | None = None
    fill: Callable[[str], Awaitable[object]] | None = None
    drains: bool = True


async def drain(program: Program, postgres: Postgres, load: Load) -> Sample:
    """Measure how a full queue is emptied, from a quarter of it to the last job that is written."""
    async with postgres.database() as url, Observer.connected(url, postgres) as observer:
        await run_task(program, "tables", url)
        await (load.fill(url) if load.fill else run_task(program, "fill", url, load.jobs))
        await observer.connection.execute("VACUUM ANALYZE")
        await observer.connection.execute("CHECKPOINT")
        task = program.task("work", url, load.target.url if load.target else NOTHING)
        async with _started(program, [task] * load.processes) as workers:
            async with asyncio.timeout(PATIENCE):
                return await _measure(program, observer, workers, load)


async def _measure(program: Program, observer: Observer, workers: list[Process], load: Load) -> Sample:
    async with _counting(workers, load.target) as count:
        for worker in workers:
            _go(worker)
        done = await _until(count, load.jobs * WARM_UP, workers)
        first = await observer.look(workers)
        not_printed_yet = 0 if load.target else SAID_EVERY * len(workers)
        reached = await _until(count, load.jobs - not_printed_yet, workers)
        if load.drains and program.left:
            await observer.until_empty(program.left)
            reached = count() if load.target else load.jobs
            if reached != load.jobs:
                raise RuntimeError(f"{program.name}: {reached} requests for {load.jobs} jobs")
        last = await observer.look(workers)
    memory = max(memory_mb(worker.pid)[1] for worker in workers)
    return attrs.evolve(first.until(last, reached - done), memory_mb=memory)


@asynccontextmanager
async def _counting(workers: list[Process], target: Backend | None) -> AsyncIterator[Callable[[], int]]:
    """Tell how many jobs have been done: by the backend's count, or by what the processes print."""
    if target:
        before = target.count()
        yield lambda: target.count() - before
        return
    progress = Progress()
    following = [asyncio.create_task(progress.follow(worker)) for worker in workers]
    yield progress.count
    for task in following:
        task.cancel()


async def _until(count: Callable[[], int], wanted: float, workers: list[Process]) -> int:
    while (done := count()) < wanted:
        if any(worker.returncode is not None for worker in workers):
            raise RuntimeError(f"a worker ended with {done} of {wanted:.0f} jobs done")
        await asyncio.sleep(LOOK_EVERY)
    return done


async def enqueue(program: Program, postgres: Postgres, *, jobs: int, batch: int) -> Sample:
    """Measure how jobs are enqueued, ``batch`` in a transaction."""
    async with postgres.database() as url, Observer.connected(url, postgres) as observer:
        await run_task(program, "tables", url)
        await observer.connection.execute("CHECKPOINT")
        async with _started(program, [program.task("enqueue", url, jobs, batch)]) as [producer]:
            assert producer.stdout is not None
            before = await observer.look([])
            _go(producer)
            said = await asyncio.wait_for(producer.stdout.readline(), PATIENCE)
            used = before.until(await observer.look([]), jobs)
    measured: dict[str, Any] = json.loads(said)
    return attrs.evolve(used, seconds=measured["seconds"], cpu_seconds=measured["cpu_seconds"])


async def run_task(program: Program, *words: object) -> None:
    """Run a task that ends by itself."""
    child = await asyncio.create_subprocess_exec(
        *program.task(*map(str, words)), env=program.environment(), stdout=asyncio.subprocess.DEVNULL
    )
    if await asyncio.wait_for(child.wait(), PATIENCE):
        raise RuntimeError(f"{program.name}: {words[0]} ended with {child.returncode}")


@asynccontextmanager
async def begun(program: Program, *words: object) -> AsyncIterator[Process]:
    """Start a process that has begun its work, and kill it at the end."""
    async with _started(program, [program.task(*map(str, words))]) as [process]:
        _go(process)
        yield process


@asynccontextmanager
async def tables_of(programs: Sequence[Program], postgres: Postgres) -> AsyncIterator[str]:
    """Make a database with the tables of several contenders; its URL."""
    async with postgres.database() as url:
        for program in programs:
            await run_task(program, "tables", url)
        yield url


@asynccontextmanager
async def _started(program: Program, commands: Sequence[list[str]]) -> AsyncIterator[list[Process]]:
    """Start processes that are ready to begin, and kill them at the end."""
    async with AsyncExitStack() as stack:
        started = [await stack.enter_async_context(_process(program, command)) for command in commands]
        for process in started:
            assert process.stdout is not None
            said = await asyncio.wait_for(process.stdout.readline(), 60)
            if said.strip() != b"ready":
                raise RuntimeError(f"{program.name} isn't ready: {said!r}")
        yield started


@asynccontextmanager
async def _process(program: Program, command: list[str]) -> AsyncIterator[Process]:
    with tempfile.TemporaryDirectory(prefix="sp00ky-bench") as folder:  # it is killed: it can't clean up
        environment = program.environment() | {"TMPDIR": folder}
        child = await asyncio.create_subprocess_exec(*command, env=environment, stdin=PIPE, stdout=PIPE)
        try:
            yield child
        finally:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()


def _go(process: Process) -> None:
    assert process.stdin is not None
    process.stdin.write(b"go\n")
