"""What claims and settles cost on an embedded database, beside the same by hand."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from benchmarks.inprocess import OURS
from benchmarks.measure import Sample, Stopwatch, in_turns, median_ratio, nothing
from benchmarks.project import fill, opened
from benchmarks.report import Bound, Section, rate_rows
from benchmarks.setting import Benchmark, Setting
from benchmarks.surreal.backlog import delivered
from benchmarks.surreal.byhand import BATCH, empty_by_hand
from sp00ky_core import Outbox

__all__ = ["in_memory", "on_files"]

BY_HAND = "claims and settles by hand"
NOWHERE = "http://127.0.0.1:9"
ANSWER = '{"ok":true}'


def _benchmark(engine: str, url_in: Callable[[Path], str]) -> Benchmark:
    async def run(setting: Setting) -> Section:
        jobs = setting.count(10_000, 500)

        async def contend(empty: Callable[[Outbox, int], Awaitable[Sample]]) -> Sample:
            with tempfile.TemporaryDirectory(prefix="sp00ky-surreal", ignore_cleanup_errors=True) as folder:
                async with opened(store=url_in(Path(folder)), base_url=NOWHERE) as outbox:
                    await fill(outbox, jobs)
                    return await empty(outbox, jobs)

        contenders = {BY_HAND: lambda: contend(_by_hand), OURS: lambda: contend(_ours)}
        samples = await in_turns(contenders, setting.rounds, before=nothing)
        ratio = median_ratio(samples, OURS, BY_HAND)
        what = f"SurrealDB: claim and settle to the same by hand, {engine}"
        return Section(
            title=f"SurrealDB: claim and settle, {engine}",
            rows=rate_rows(samples, BY_HAND),
            bounds=[Bound(what=what, measured=ratio, at_least=0.5)],
            note=f"{jobs:,} jobs a round, {BATCH} at a time, one batch after the other.",
            rounds=samples,
        )

    return run


in_memory = _benchmark("embedded, memory", lambda _: "mem://")
on_files = _benchmark("embedded, surrealkv", lambda folder: f"surrealkv://{folder / 'jobs.db'}")


async def _by_hand(outbox: Outbox, jobs: int) -> Sample:
    """Only one connection may have the database: the store's own, past the store."""
    store: Any = outbox.store
    return await empty_by_hand(store._connection._link.sdk, ANSWER, jobs)


async def _ours(outbox: Outbox, jobs: int) -> Sample:
    left = jobs
    with Stopwatch() as watch:
        while left:
            claimed = await outbox.store.claim({"api": BATCH}, "bench")
            left -= len(claimed)
            await outbox.store.settle([delivered(job) for job in claimed])
    return watch.sample(jobs)
