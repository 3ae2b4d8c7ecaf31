"""A queue in numbers, and when its next job is due."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sp00ky_core.job import NewJob
from sp00ky_store_surreal import SurrealStore


async def test_numbers(migrated: SurrealStore) -> None:
    later = NewJob(path="/a", backend="api", delay=timedelta(hours=1))
    await migrated.add([NewJob(path="/a", backend="api") for _ in range(3)] + [later])
    await migrated.claim({"api": 1}, "r")
    stats = (await migrated.stats())["api"]
    assert (stats.pending, stats.due, stats.processing, stats.success, stats.failed) == (3, 2, 1, 0, 0)
    assert (stats.stalled, stats.deferred, stats.oldest_deferred_s) == (0, 0, None)
    assert stats.oldest_due_s is not None
    assert (stats.breaker.state, stats.breaker.paused_for_s) == ("closed", 0.0)


async def test_an_empty_queue(migrated: SurrealStore) -> None:
    stats = (await migrated.stats())["api"]
    assert (stats.pending, stats.due, stats.oldest_due_s) == (0, 0, None)
    assert await migrated.next_due(["api"]) is None


async def test_when_the_next_one_is_due(migrated: SurrealStore) -> None:
    await migrated.add([NewJob(path="/a", backend="api", delay=timedelta(hours=1))])
    assert await migrated.next_due(["api"]) == pytest.approx(3_600, abs=60)
    await migrated.add([NewJob(path="/a", backend="api")])
    assert await migrated.next_due(["api"]) == 0
