"""Measure how fast jobs are enqueued: 1,000 in a transaction, and one in each."""

from __future__ import annotations

from functools import partial

from benchmarks.measure import Sample, in_turns, nothing
from benchmarks.on_postgres.delivery import ratio
from benchmarks.on_postgres.drive import enqueue
from benchmarks.peers.registry import (
    BARE,
    BY_HAND,
    FUNCTIONS,
    INSERTS,
    OURS,
    OURS_AIOHTTP,
    PGQUEUER,
    PROGRAMS,
)
from benchmarks.report import Section, rate_rows
from benchmarks.setting import Setting

__all__ = ["many", "one"]

CONTENDERS = [name for name in PROGRAMS if name not in {BARE, BY_HAND, OURS_AIOHTTP, *FUNCTIONS}]
BATCH = 1_000


async def many(setting: Setting) -> Section:
    """Enqueue 1,000 jobs in a transaction."""
    jobs = setting.count(50_000, 2_000)
    samples = await _samples(setting, jobs, BATCH)
    return Section(
        title=f"Enqueue, {BATCH:,} at a time",
        rows=rate_rows(samples, PGQUEUER),
        bounds=ratio(samples, "batches of 1,000 enqueued, to pgqueuer", OURS, PGQUEUER, 1.0),
        note=f"{jobs:,} jobs of 200 bytes. Ours: each job checked against its contract.",
        rounds=samples,
    )


async def one(setting: Setting) -> Section:
    """Enqueue one job in a transaction."""
    jobs = setting.count(3_000, 100)
    samples = await _samples(setting, jobs, 1)
    return Section(
        title="Enqueue, one by one",
        rows=rate_rows(samples, INSERTS),
        bounds=ratio(samples, "enqueued one by one, to bare INSERTs", OURS, INSERTS, 0.9),
        note=f"{jobs:,} jobs of 200 bytes, each in a transaction of its own, one after the other.",
        rounds=samples,
    )


async def _samples(setting: Setting, jobs: int, batch: int) -> dict[str, list[Sample]]:
    contenders = {
        program.name: partial(enqueue, program, setting.postgres, jobs=jobs, batch=batch)
        for program in setting.programs(CONTENDERS)
    }
    return await in_turns(contenders, setting.rounds, before=nothing)
