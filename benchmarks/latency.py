"""From a commit to the start of the request, where the runner, a process of its own, is idle."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from statistics import median

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import attrs

from benchmarks.delivery import OURS, PGQUEUER
from benchmarks.measure import percentile
from benchmarks.programs import sp00ky_run, started
from benchmarks.project import opened, project
from benchmarks.report import Bound, Row, Section
from benchmarks.server import Answering
from benchmarks.setting import Setting

__all__ = ["run", "Arrivals", "Latencies", "measured", "section"]

PAUSE = 0.03
"""Seconds between a request and the next commit."""

INSERT = "INSERT INTO job (path, payload) VALUES ('/spookify', $1)"


@attrs.frozen(kw_only=True)
class Latencies:
    """Milliseconds, one entry a job."""

    from_commit: list[float]  # from when the client knew of the commit
    from_insert: list[float]  # from before the INSERT was sent: an upper bound, the commit's fsync included


class Arrivals:
    """A backend in this process: it knows when a request's first bytes were there."""

    def __init__(self) -> None:
        self._next: asyncio.Future[float] | None = None

    def seen(self, request: bytes) -> None:
        at = time.perf_counter()
        if self._next is not None and not self._next.done():
            self._next.set_result(at)

    async def next(self, cause: Callable[[], Awaitable[object]]) -> tuple[float, float, float]:
        """When the cause began, when it had ended, and when its request came; seconds."""
        self._next = asyncio.get_running_loop().create_future()
        began = time.perf_counter()
        await cause()
        ended = time.perf_counter()
        return began, ended, await asyncio.wait_for(self._next, 60)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """The backend's URL."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Answering(self.seen), "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def run(setting: Setting) -> Section:
    jobs = setting.count(200, 10)
    arrivals = Arrivals()
    found: dict[str, list[Latencies]] = {}
    async with setting.postgres.database() as url, arrivals.listening() as target:
        async with opened(store=url, base_url=target):
            pass  # the tables are there now
        if setting.peers:
            await setting.peers.install_tables(url)
        for _ in range(setting.count(3, 1)):
            with project(store=url, base_url=target) as config:
                taken = await _measure(arrivals, sp00ky_run(config), jobs, url, _ours)
                found.setdefault(OURS, []).append(taken)
            if setting.peers:
                command = setting.peers.command("serve", url, target)
                taken = await _measure(arrivals, command, jobs, url, _pgqueuers)
                found.setdefault(PGQUEUER, []).append(taken)
    return section("Latency, idle runner", found, jobs, p50=2, p99=5)


def section(title: str, found: dict[str, list[Latencies]], jobs: int, *, p50: float, p99: float) -> Section:
    """The report, with what was wanted of ours in milliseconds."""
    ours = [_row(OURS, each) for each in found[OURS]]
    what = "SurrealDB: commit" if title.startswith("SurrealDB") else "commit"
    return Section(
        title=title,
        rows=[_median_row(name, taken) for name, taken in found.items()],
        bounds=[
            Bound(what=f"{what} to request start, p50, ms", measured=_median(ours, "p50 ms"), at_most=p50),
            Bound(what=f"{what} to request start, p99, ms", measured=_median(ours, "p99 ms"), at_most=p99),
        ],
        note=f"{jobs} jobs a round, one every {PAUSE * 1000:.0f} ms or a little more."
        " The INSERTs come from another process than the runner's.",
        rounds=found,
    )


def _median_row(name: str, taken: list[Latencies]) -> Row:
    rows = [_row(name, each) for each in taken]
    return {"": name} | {column: _median(rows, column) for column in rows[0] if column}


def _median(rows: list[Row], column: str) -> float:
    return median(float(row[column]) for row in rows)


def _row(name: str, taken: Latencies) -> Row:
    return {
        "": name,
        "p50 ms": percentile(taken.from_commit, 0.5),
        "p99 ms": percentile(taken.from_commit, 0.99),
        "p50 ms, INSERT included": percentile(taken.from_insert, 0.5),
        "p99 ms, INSERT included": percentile(taken.from_insert, 0.99),
    }


Insert = Callable[[asyncpg.Connection, int], Awaitable[object]]


async def _ours(connection: asyncpg.Connection, number: int) -> object:
    return await connection.execute(INSERT, json.dumps({"id": number}))


async def _pgqueuers(connection: asyncpg.Connection, number: int) -> object:
    """What its ``enqueue`` does, from here."""
    statement = (
        "INSERT INTO pgqueuer (priority, entrypoint, payload, status) VALUES (0, 'spookify', $1, 'queued')"
    )
    return await connection.execute(statement, json.dumps({"id": number}).encode())


async def _measure(arrivals: Arrivals, command: list[str], jobs: int, url: str, insert: Insert) -> Latencies:
    connection = await asyncpg.connect(url)
    try:
        return await measured(arrivals, command, jobs, lambda number: insert(connection, number))
    finally:
        await connection.close()


async def measured(
    arrivals: Arrivals, command: list[str], jobs: int, insert: Callable[[int], Awaitable[object]]
) -> Latencies:
    """Insert jobs one by one while a command runs, each after the one before has arrived."""
    taken: list[tuple[float, float, float]] = []
    async with started(command):
        for number in range(-3, jobs):  # the first ones wait for the runner's start and connections
            taken.append(await arrivals.next(lambda number=number: insert(abs(number))))  # type: ignore[misc]  # its own number
            await asyncio.sleep(1.0 if number < 0 else PAUSE)
    taken = taken[3:]
    return Latencies(
        from_commit=[(came - ended) * 1000 for _, ended, came in taken],
        from_insert=[(came - began) * 1000 for began, _, came in taken],
    )
