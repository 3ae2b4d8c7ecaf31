"""Schedules come in the order of their names; runners that delete old runs share the work."""

import asyncio
from typing import Any

from tests.schedules.firing import NAME, define, fire_of
from tests.schedules.source import schedules_of

from sp00ky_schedules.model.records import RunStatus
from sp00ky_store_postgres import PostgresStore


async def test_runners_that_delete_runs_step_over_each_other(
    store: PostgresStore, sql: Any, quoted: str
) -> None:
    """A row that another transaction has is left for later."""
    schedules = schedules_of(store)
    await define(schedules)
    fire = fire_of(await schedules.schedules(), [f"k{n:03}" for n in range(100)])
    runs = await schedules.change_schedule(fire)
    await sql.execute(f"UPDATE {quoted}.sp00ky_schedule_run SET status = 'success'")
    assert runs is not None
    until = (await schedules.schedules()).now

    async def prune(limit: int) -> int:
        runs = await schedules.prune_runs(NAME, statuses=[RunStatus.SUCCESS], until=until, limit=limit)
        return len(runs)

    async with asyncio.timeout(30), sql.transaction():
        await sql.execute(f"SELECT FROM {quoted}.sp00ky_schedule_run WHERE key = 'k050' FOR UPDATE")
        assert sum(await asyncio.gather(*(prune(30) for _ in range(4)))) == 99
    assert await prune(30) == 1
