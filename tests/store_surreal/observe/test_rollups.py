"""Rollups have ids that are made of their key, and hold whatever a document names."""

from __future__ import annotations

from datetime import timedelta

from sp00ky_core.metrics.summing import hour_of, step_of
from sp00ky_core.ports import Rollup, RollupQuery
from sp00ky_store_surreal import SurrealStore

NAMES = ["/a", "/ä\\{b}'\"", "/" + "long" * 60]


async def test_routes_are_kept_as_they_are(migrated: SurrealStore) -> None:
    now = step_of(await migrated.write_rollups([]), 60)
    kind = {"minute": now, "runner_id": "r", "backend": "api", "outcome": "retry"}
    rows = [Rollup(**kind, path=each, count=1) for each in NAMES]
    assert await migrated.write_rollups(rows) >= now
    found = await migrated.rollups(RollupQuery(since=now, routes=True))
    assert {each.path for each in found} == set(NAMES)


async def test_hours_take_in_what_comes_late(migrated: SurrealStore) -> None:
    now = await migrated.write_rollups([])
    hour = hour_of(now) - timedelta(hours=50)
    for minute in (1, 2):
        at = hour + timedelta(minutes=minute)
        late = Rollup(minute=at, runner_id="r", backend="api", outcome="success", count=2, seconds_sum=0.5)
        await migrated.write_rollups([late])
        assert await migrated.fold_rollups() == 1
    (row,) = await migrated.rollups(RollupQuery(since=hour, step=60))
    assert (row.minute, row.count, row.seconds_sum) == (hour, 4, 1.0)
