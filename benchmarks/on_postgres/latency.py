"""Measure from a commit to the start of the request, where the runner, a process of its own, is idle."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from statistics import median

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import attrs

from benchmarks.measure import percentile
from benchmarks.on_postgres.drive import begun, tables_of
from benchmarks.peers.protocol import payload
from benchmarks.peers.registry import GRAPHILE, OURS, PROGRAMS, Program
from benchmarks.report import Bound, Row, Section
from benchmarks.server import Answering
from benchmarks.setting import Setting

__all__ = ["run", "Arrivals", "Latencies", "measured", "section"]

PAUSE = 0.03
"""Seconds between a request and the next commit."""


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
    """Measure everybody whose job can be enqueued by one statement."""
    jobs = setting.count(200, 10)
    arrivals = Arrivals()
    found: dict[str, list[Latencies]] = {}
    programs = [program for program in setting.programs(PROGRAMS) if program.insert]
    async with arrivals.listening() as target:
        for program in random.sample(programs, len(programs)):
            async with tables_of([program], setting.postgres) as url:
                found[program.name] = [await _measure(arrivals, program, jobs, url, target)]
    return section("Latency, idle runner", dict(sorted(found.items())), jobs, p50=1.0)


async def _measure(arrivals: Arrivals, program: Program, jobs: int, url: str, target: str) -> Latencies:
    connection = await asyncpg.connect(url)
    statement = await connection.prepare(program.insert)
    try:
        async with begun(program, "work", url, target):
            return await measured(
                arrivals, jobs, lambda number: statement.fetchval(json.dumps(payload(number)))
            )
    finally:
        await connection.close()


def section(
    title: str, found: dict[str, list[Latencies]], jobs: int, *, p50: float, p99: float | None = None
) -> Section:
    """Make the report; ``p50`` is in milliseconds, or, where graphile-worker was measured, to its own."""
    rows = {name: _median_row(name, taken) for name, taken in found.items()}
    return Section(
        title=title,
        rows=list(rows.values()),
        bounds=_bounds(title.partition(":")[0], rows, p50, p99),
        note=f"{jobs} jobs, one every {PAUSE * 1000:.0f} ms or a little more."
        " The INSERTs come from another process than the runner's.",
        rounds=found,
    )


def _bounds(where: str, rows: Mapping[str, Row], p50: float, p99: float | None) -> list[Bound]:
    if OURS not in rows:
        return []
    ours = {column: float(value) for column, value in rows[OURS].items() if column}
    if p99 is not None:
        what = f"{where}: commit to request start"
        return [
            Bound(what=f"{what}, p50, ms", measured=ours["p50 ms"], at_most=p50),
            Bound(what=f"{what}, p99, ms", measured=ours["p99 ms"], at_most=p99),
        ]
    what = "idle, commit to request start, to graphile-worker"
    theirs = rows.get(GRAPHILE, rows[OURS])
    return [
        Bound(what=f"{what}, p50", measured=ours["p50 ms"] / float(theirs["p50 ms"]), at_most=p50),
        Bound(what=f"{what}, p99", measured=ours["p99 ms"] / float(theirs["p99 ms"])),
    ]


def _median_row(name: str, taken: list[Latencies]) -> Row:
    rows = [_row(name, latencies) for latencies in taken]
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


async def measured(arrivals: Arrivals, jobs: int, insert: Callable[[int], Awaitable[object]]) -> Latencies:
    """Insert jobs one by one while a runner runs, each after the one before has arrived."""
    taken: list[tuple[float, float, float]] = []
    for number in range(-3, jobs):  # the first ones wait for the runner's start and connections
        taken.append(await arrivals.next(lambda number=number: insert(abs(number))))  # type: ignore[misc]  # its own number
        await asyncio.sleep(1.0 if number < 0 else PAUSE)
    taken = taken[3:]
    return Latencies(
        from_commit=[(came - ended) * 1000 for _, ended, came in taken],
        from_insert=[(came - began) * 1000 for began, _, came in taken],
    )
