"""A queue in numbers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sp00ky_store_postgres import PostgresStore


async def test_each_job_is_counted_where_it_stands(store: PostgresStore, new_job: Any) -> None:
    await store.add([new_job(), new_job(), new_job(), new_job(delay=timedelta(hours=1))])
    (job,) = await store.claim({"api": 1}, "r1")
    await store.kill([job.id])
    await store.claim({"api": 1}, "r1")
    stats = (await store.stats())["api"]
    assert (stats.pending, stats.processing, stats.failed, stats.due) == (2, 1, 1, 1)
    assert stats.oldest_due_s is not None
    assert stats.oldest_deferred_s is None
