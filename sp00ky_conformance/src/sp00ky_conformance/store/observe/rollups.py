"""``write_rollups``, ``rollups`` and ``fold_rollups``: how many attempts ended how, for 30 days."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import attrs

from sp00ky_conformance.store.harness import API, MAIL, StoreHarness, is_close
from sp00ky_core.ports import BUCKETS, Rollup, RollupQuery, Store
from sp00ky_core.ports.statistics import hour_of, step_of

__all__ = ["RollupConformance"]

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def rollup(minute: datetime, runner: str = "r1", count: int = 1, **fields: Any) -> Rollup:
    """Build a row of attempts that took a second each."""
    buckets = (*[0] * 7, count, *[0] * (BUCKETS - 8))
    given = {"backend": API, "path": "/spookify", "outcome": "success", "code": 200, **fields}
    return Rollup(
        minute=minute, runner_id=runner, count=count, seconds_sum=float(count), buckets=buckets, **given
    )


class RollupConformance(StoreHarness):
    """Rollups are replaced by their key, summed up by the database, and folded once."""

    async def clock(self, store: Store) -> datetime:
        """Read the database's clock."""
        return await store.write_rollups([])

    async def read(self, store: Store, since: datetime, **query: Any) -> list[Rollup]:
        """Read rollups."""
        return await store.rollups(RollupQuery(since=since, **query))

    async def test_the_clock_is_the_databases(self, store: Store) -> None:
        (job,) = await self.add(store)
        assert is_close(await self.clock(store), job.created_at)

    async def test_a_row_takes_the_place_of_one_with_its_key(self, store: Store) -> None:
        now = hour_of(await self.clock(store))
        write = store.write_rollups
        await write([rollup(now), rollup(now, "r2")])
        await write([rollup(now, count=5)])
        (row,) = await self.read(store, now)
        assert row == attrs.evolve(rollup(now, count=6), runner_id="", path="")

    async def test_kinds_are_kept_apart(self, store: Store) -> None:
        now = hour_of(await self.clock(store))
        kinds: list[dict[str, Any]] = [
            {},
            {"outcome": "failed", "code": 500},
            {"outcome": "failed", "code": 0},
            {"path": "/other"},
            {"backend": MAIL},
        ]
        await store.write_rollups([rollup(now, **kind) for kind in kinds])
        by_backend = await self.read(store, now)
        assert [(rollup.backend, rollup.outcome, rollup.code, rollup.count) for rollup in by_backend] == [
            (API, "failed", 0, 1),
            (API, "failed", 500, 1),
            (API, "success", 200, 2),
            (MAIL, "success", 200, 1),
        ]
        by_route = await self.read(store, now, routes=True, backend=API)
        assert [(rollup.path, rollup.count) for rollup in by_route if rollup.outcome == "success"] == [
            ("/other", 1),
            ("/spookify", 1),
        ]

    async def test_rows_are_summed_up_by_step(self, store: Store) -> None:
        now = hour_of(await self.clock(store))
        minutes = [now - 7 * MINUTE, now - 6 * MINUTE, now - 2 * MINUTE, now]
        await store.write_rollups([rollup(minute) for minute in minutes])
        steps = await self.read(store, now - 10 * MINUTE, step=300)
        assert [(step.minute, step.count, step.seconds_sum, step.buckets[7]) for step in steps] == [
            (now - 10 * MINUTE, 2, 2.0, 2),
            (now - 5 * MINUTE, 1, 1.0, 1),
            (now, 1, 1.0, 1),
        ]
        (whole,) = await self.read(store, now - 6 * MINUTE, until=now)
        assert (whole.minute, whole.count) == (now - 6 * MINUTE, 2)

    async def test_old_minutes_become_hours(self, store: Store) -> None:
        now = await self.clock(store)
        old, minute = hour_of(now) - 49 * HOUR, step_of(now, 60)
        rows = [rollup(old), rollup(old + MINUTE), rollup(old + MINUTE, "r2"), rollup(minute)]
        await store.write_rollups(rows)
        assert await store.fold_rollups(limit=2) == 2
        assert await store.fold_rollups() == 1
        assert await store.fold_rollups() == 0
        hour, now_row = await self.read(store, old - HOUR, step=60, routes=True)
        assert hour == attrs.evolve(rollup(old, "", count=3))
        assert now_row == rollup(minute, "")

    async def test_runners_that_fold_at_once_count_nothing_twice(self, store: Store) -> None:
        old = hour_of(await self.clock(store)) - 49 * HOUR
        await store.write_rollups([rollup(old + n * MINUTE) for n in range(60)])
        fold = store.fold_rollups
        await asyncio.gather(*(fold(limit=20) for _ in range(4)))
        while await fold():
            pass
        assert [rollup.count for rollup in await self.read(store, old)] == [60]

    async def test_what_is_too_old_is_deleted(self, store: Store) -> None:
        old = hour_of(await self.clock(store)) - 31 * 24 * HOUR
        await store.write_rollups([rollup(old, ""), rollup(old + 2 * 24 * HOUR, "")])
        await store.fold_rollups()
        assert [rollup.count for rollup in await self.read(store, old)] == [1]
