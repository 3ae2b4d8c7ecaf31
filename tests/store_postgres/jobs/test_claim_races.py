"""Claims keep priority and order, also where two of them are at it at once."""

import asyncio
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import pytest

from sp00ky_core.stores.transitions import kill, retry
from sp00ky_store_postgres import PostgresStore


async def raced(store: PostgresStore, new_job: Any, sql: Any, quoted: str, dsn: str) -> Any:
    """Claim while another claim, not committed yet, takes a key's second job; its first is retried."""
    first, second = await store.add([new_job(ordering_key="k") for _ in range(2)])
    await kill(store, [first.id])
    other = await asyncpg.connect(dsn)
    try:
        transaction = other.transaction()
        await transaction.start()
        taking = f"UPDATE {quoted}.job SET status = 'processing', lease_epoch = 1 WHERE id = $1"
        await other.execute(taking, second.id.partition(":")[2])
        await retry(store, [first.id])
        claiming = asyncio.ensure_future(store.claim({"api": 5}, "r1"))
        waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND locktype = 'transactionid')"
        async with asyncio.timeout(60):
            while not await sql.fetchval(waits):  # noqa: ASYNC110  # a lock sends no event
                await asyncio.sleep(0.01)
            await transaction.commit()
            return await asyncio.gather(claiming, return_exceptions=True)
    finally:
        await other.close()


async def test_a_lost_race_for_a_key_costs_no_other_job(
    store: PostgresStore, new_job: Any, sql: Any, quoted: str, dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The index of processing keys refuses it: it is no row's fault, and none is left out."""
    (plain,) = await store.add([new_job()])
    (claimed,) = await raced(store, new_job, sql, quoted, dsn)
    assert [job.id for job in claimed] == [plain.id]
    assert "can't be claimed" not in caplog.text
