"""Pending jobs are changed, past what the database refuses and what others hold."""

from typing import Any

from sp00ky_core.job.state_machine import Rescheduled
from sp00ky_core.ports import OperatorFate
from sp00ky_core.stores.transitions import reschedule
from sp00ky_store_postgres import PostgresStore


async def test_a_row_that_another_transaction_holds_is_left(
    store: PostgresStore, new_job: Any, sql: Any, quoted: str
) -> None:
    held, free = await store.add([new_job(), new_job()])
    async with sql.transaction():
        await sql.execute(f"SELECT FROM {quoted}.job WHERE id = $1 FOR UPDATE", held.id.partition(":")[2])
        results = await reschedule(store, [held.id, free.id], Rescheduled(delay=60))
    assert [result.fate for result in results] == [OperatorFate.CHANGED, OperatorFate.RESCHEDULED]
