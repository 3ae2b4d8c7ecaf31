"""What a claim costs with a large backlog and a long history, on each engine."""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from statistics import median

from benchmarks.project import fill, opened
from benchmarks.report import Bound, Row, Section
from benchmarks.setting import Benchmark, Setting
from benchmarks.surreal.database import surreal
from sp00ky_core import Delivered, Job, Outbox, RetryPolicy, Settlement
from sp00ky_core.job.state_machine import decide

__all__ = ["delivered", "embedded_in_memory", "embedded_on_files", "on_files", "on_memory"]

BATCH = 50
WARM = 3
NOWHERE = "http://127.0.0.1:9"
Place = Callable[[], AbstractAsyncContextManager[str]]


@asynccontextmanager
async def _server(*, on_files: bool) -> AsyncIterator[str]:
    with surreal(on_files=on_files) as server:
        async with server.database() as url:
            yield url


@asynccontextmanager
async def _embedded(*, on_files: bool) -> AsyncIterator[str]:
    with tempfile.TemporaryDirectory(prefix="sp00ky-surreal", ignore_cleanup_errors=True) as folder:
        yield f"surrealkv://{Path(folder) / 'jobs.db'}" if on_files else "mem://"


def _benchmark(engine: str, place: Place) -> Benchmark:
    async def run(setting: Setting) -> Section:
        few, many = setting.count(1_000, 1_000), setting.count(200_000, 2_000)
        async with place() as url, opened(store=url, base_url=NOWHERE) as outbox:
            await fill(outbox, few)
            small = await _claim_us(outbox)
            await _finish(outbox, many)
            await fill(outbox, many)
            large = await _claim_us(outbox)
        return _section(engine, small, large, few, many)

    return run


on_memory = _benchmark("server, memory", lambda: _server(on_files=False))
on_files = _benchmark("server, surrealkv", lambda: _server(on_files=True))
embedded_in_memory = _benchmark("embedded, memory", lambda: _embedded(on_files=False))
embedded_on_files = _benchmark("embedded, surrealkv", lambda: _embedded(on_files=True))


def _section(engine: str, small: list[float], large: list[float], few: int, many: int) -> Section:
    rows: list[Row] = [
        {"": f"{few:,} pending", "claim µs/job": median(small[WARM:]), "first claim, ms": _ms(small[0])},
        {
            "": f"{many:,} pending, {many:,} delivered",
            "claim µs/job": median(large[WARM:]),
            "first claim, ms": _ms(large[0]),
        },
    ]
    ratio = median(large[WARM:]) / median(small[WARM:])
    what = f"SurrealDB: claim with {many:,} pending and as many delivered to {few:,} pending, {engine}"
    return Section(
        title=f"SurrealDB: a large backlog, {engine}",
        rows=rows,
        bounds=[Bound(what=what, measured=ratio, at_most=1.5)],
        note=f"Claims of {BATCH}; the delivered ones were claimed and settled in the same database before.",
        rounds={"small": small, "large": large},
    )


def _ms(us_per_job: float) -> float:
    return us_per_job * BATCH / 1_000


async def _finish(outbox: Outbox, jobs: int) -> None:
    """Enqueue, claim and settle so many."""
    for first in range(0, jobs, 10_000):
        await fill(outbox, min(10_000, jobs - first))
        while claimed := await outbox.store.claim({"api": 1_000}, "bench"):
            await outbox.store.settle([delivered(job) for job in claimed])


def delivered(job: Job) -> Settlement:
    transition = decide(job, Delivered(result={"ok": True}), RetryPolicy())
    return Settlement(
        job_id=job.id,
        backend=job.backend,
        epoch=job.lease_epoch,
        runner_id=job.runner_id,
        transition=transition,
    )


async def _claim_us(outbox: Outbox) -> list[float]:
    """Microseconds per job of each claim; what is claimed stays claimed."""
    taken = []
    for _ in range(WARM + 15):
        start = time.perf_counter()
        jobs = await outbox.store.claim({"api": BATCH}, "bench")
        taken.append((time.perf_counter() - start) / len(jobs) * 1e6)
    return taken
