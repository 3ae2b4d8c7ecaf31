"""A queue in numbers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sp00ky_core.operators.transitions import kill
from sp00ky_store_postgres import PostgresStore


async def test_each_job_is_counted_where_it_stands(store: PostgresStore, new_job: Any) -> None:
    await store.add([new_job(), new_job(), new_job(), new_job(delay=timedelta(hours=1))])
    (job,) = await store.claim({"api": 1}, "r1")
    await kill(store, [job.id])
    await store.claim({"api": 1}, "r1")
    stats = (await store.stats())["api"]
    assert (stats.pending, stats.processing, stats.failed, stats.due) == (2, 1, 1, 1)
    assert stats.oldest_due_s is not None
    assert stats.oldest_deferred_s is None


async def test_what_is_beyond_the_limit_is_estimated(store: PostgresStore, new_job: Any) -> None:
    await store.add([new_job() for _ in range(50)])
    await kill(store, [each.id for each in await store.claim({"api": 20}, "r1")])
    stats = (await store.stats(limit=10))["api"]
    assert min(stats.pending, stats.due, stats.failed) >= 10
    assert (stats.processing, stats.success) == (0, 0)
    assert (await store.stats(limit=30))["api"].pending == 30
