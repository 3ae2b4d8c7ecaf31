"""Rollups are found by their time, and hold whatever a document names."""

from __future__ import annotations

from datetime import timedelta

from sp00ky_core.ports import Rollup, RollupQuery
from sp00ky_store_postgres import PostgresStore

NAMES = ["/a", "/ä\\{b}'\"", "/" + "long" * 60]


async def test_routes_are_kept_as_they_are(store: PostgresStore) -> None:
    now = (await store.write_rollups([])).replace(second=0, microsecond=0)
    kind = {"minute": now, "runner_id": "r", "backend": "api", "outcome": "retry"}
    rows = [Rollup(**kind, path=each, count=1) for each in NAMES]
    assert await store.write_rollups(rows) >= now
    found = await store.rollups(RollupQuery(since=now, routes=True))
    assert {each.path for each in found} == set(NAMES)


async def test_bounds_are_of_the_beginning(store: PostgresStore) -> None:
    now = (await store.write_rollups([])).replace(second=0, microsecond=0)
    minutes = [now - timedelta(minutes=n) for n in range(3)]
    await store.write_rollups(
        [Rollup(minute=each, runner_id="r", backend="api", outcome="success", count=1) for each in minutes]
    )
    (row,) = await store.rollups(RollupQuery(since=minutes[2], until=minutes[0]))
    assert (row.minute, row.count) == (minutes[2], 2)
