"""Pending jobs are changed, past what the database refuses and what others hold."""

from __future__ import annotations

import asyncio
from typing import Any

from sp00ky_core.events import Rescheduled
from sp00ky_core.operators.transitions import reschedule
from sp00ky_core.ports import JobQuery, OperatorFate
from sp00ky_store_postgres import PostgresStore


async def test_a_refused_row_costs_no_other(
    store: PostgresStore, new_job: Any, sql: Any, quoted: str
) -> None:
    jobs = await store.add([new_job(path="/kept"), new_job(), new_job()])
    await sql.execute(f"ALTER TABLE {quoted}.job ADD CHECK (path <> '/kept' OR priority = 0)")
    results = await reschedule(store, [job.id for job in jobs], Rescheduled(priority=3))
    illegal, done = OperatorFate.ILLEGAL, OperatorFate.RESCHEDULED
    assert [each.fate for each in results] == [illegal, done, done]
    assert "violates check constraint" in str(results[0].problem)


async def test_a_row_that_another_transaction_holds_is_left(
    store: PostgresStore, new_job: Any, sql: Any, quoted: str
) -> None:
    held, free = await store.add([new_job(), new_job()])
    async with sql.transaction():
        await sql.execute(f"SELECT FROM {quoted}.job WHERE id = $1 FOR UPDATE", held.id.partition(":")[2])
        results = await reschedule(store, [held.id, free.id], Rescheduled(delay=60))
    assert [each.fate for each in results] == [OperatorFate.CHANGED, OperatorFate.RESCHEDULED]


async def test_one_that_was_never_claimed_is_seen_by_who_watches(store: PostgresStore, new_job: Any) -> None:
    """Changed rows are looked for among those that have an epoch."""
    (job,) = await store.add([new_job()])
    watching = store.watch(JobQuery(), history=1)
    assert (await anext(watching)).priority == 0
    await reschedule(store, [job.id], Rescheduled(priority=2))
    async with asyncio.timeout(60):
        assert (await anext(watching)).priority == 2
    await watching.aclose()
