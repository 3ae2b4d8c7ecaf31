"""Schedules come in the order of their names; runners that delete old runs share the work."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.firing import NAME, define, fire_of

from sp00ky_core.ports import RunQuery, RunStatus, ScheduleChange, StoredSchedule
from sp00ky_store_postgres import PostgresStore

NAMES = ["A", "Z", "_", "a-b", "ab", "b", "\u00e4"]
"""By code points, as Python sorts them; a language would have another order."""


async def test_names_are_in_the_order_of_their_code_points(store: PostgresStore) -> None:
    for name in reversed(NAMES):
        change = ScheduleChange(schedule=StoredSchedule(name=name, definition={}, hash="h"))
        assert await store.change_schedule(change) == []
    assert list((await store.schedules()).schedules) == NAMES


async def test_keys_of_a_fire_are_in_the_order_of_their_code_points(store: PostgresStore) -> None:
    await define(store)
    await store.change_schedule(fire_of(await store.schedules(), NAMES))
    assert [run.key for run in await store.runs(RunQuery())] == NAMES[::-1]


async def test_runners_that_delete_runs_step_over_each_other(
    store: PostgresStore, sql: Any, quoted: str
) -> None:
    """A row that another transaction has is left for later."""
    await define(store)
    runs = await store.change_schedule(fire_of(await store.schedules(), [f"k{n:03}" for n in range(100)]))
    await sql.execute(f"UPDATE {quoted}.sp00ky_schedule_run SET status = 'success'")
    assert runs is not None
    until = (await store.schedules()).now

    async def prune(limit: int) -> int:
        runs = await store.prune_runs(NAME, statuses=[RunStatus.SUCCESS], until=until, limit=limit)
        return len(runs)

    async with asyncio.timeout(30), sql.transaction():
        await sql.execute(f"SELECT FROM {quoted}.sp00ky_schedule_run WHERE key = 'k050' FOR UPDATE")
        assert sum(await asyncio.gather(*(prune(30) for _ in range(4)))) == 99
    assert await prune(30) == 1
