"""The pool: how many, which next, and what becomes of a connection that can't be trusted."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import pytest
import pytest_asyncio

from sp00ky_core.errors import StoreUnavailable
from sp00ky_store_postgres import PostgresStore
from sp00ky_store_postgres.connection import pool
from sp00ky_store_postgres.connection.connect import Workload
from sp00ky_store_postgres.connection.pool import Pool

# Within a transaction the view would stay as it was read first.
WAITING = """
    SELECT count(*)
    FROM pg_stat_clear_snapshot(), pg_stat_activity
    WHERE application_name = 'busy' AND wait_event_type = 'Lock'
"""


@pytest_asyncio.fixture
async def two(dsn: str) -> AsyncIterator[Pool]:
    """A pool of two."""
    connections = Pool(2, lambda: asyncpg.connect(dsn))
    yield connections
    await connections.close()


async def test_there_are_never_more_than_its_size(two: Pool) -> None:
    first, second = await two.acquire(), await two.acquire()
    third = asyncio.ensure_future(two.acquire())
    await asyncio.wait([third], timeout=0.05)
    assert not third.done()
    two.release(first, sound=True)
    assert await third is first
    two.release(first, sound=True)
    two.release(second, sound=True)
    assert await two.acquire() is second  # the one used last
    two.release(second, sound=True)


async def test_what_cannot_be_trusted_is_not_used_again(two: Pool) -> None:
    broken = await two.acquire()
    two.release(broken, sound=False)
    await asyncio.wait(two._ending)
    assert broken.is_closed()
    begun = await two.acquire()
    await begun.execute("BEGIN")
    two.release(begun, sound=True)
    await asyncio.wait(two._ending)
    assert begun.is_closed()
    lost = await two.acquire()
    two.release(lost, sound=True)
    lost.terminate()
    fresh = await two.acquire()
    assert await fresh.fetchval("SELECT 1") == 1
    two.release(fresh, sound=True)


async def test_a_place_is_freed_where_no_connection_could_be_made() -> None:
    async def connect() -> Any:
        raise ConnectionRefusedError

    connections = Pool(1, connect)
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            await connections.acquire()


async def test_closing_waits_for_calls_but_not_for_ever(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "CLOSE_SECONDS", 3)
    store: PostgresStore = make()
    await store.open()
    short = asyncio.ensure_future(store._executor.fetch(Workload.REST, "SELECT 1 FROM pg_sleep(0.1)"))
    long = asyncio.ensure_future(store._executor.fetch(Workload.BEAT, "SELECT pg_sleep(600)"))
    await asyncio.wait([short, long], timeout=0.05)
    async with asyncio.timeout(60):
        await store.close()
    assert len(await short) == 1
    with pytest.raises(StoreUnavailable):
        await long


async def test_enqueues_that_wait_for_a_key_leave_connections_to_others(
    make: Any, store: PostgresStore, new_job: Any, dsn: str, schema: str, sql: Any
) -> None:
    busy: PostgresStore = make(base=dsn, schema=schema, connections="4", application_name="busy")
    await busy.open()
    waiting = []
    try:
        async with asyncio.timeout(60), sql.transaction():
            (first,) = await store.add([new_job(dedup_key="k")], connection=sql)
            waiting = [asyncio.create_task(busy.add([new_job(dedup_key="k")])) for _ in range(8)]
            while await sql.fetchval(WAITING) < 3:  # noqa: ASYNC110  # the server tells nobody of it
                await asyncio.sleep(0.01)
            await busy.add([new_job()])
            assert (await busy.stats())["api"].pending == 1
        assert [job.id for (job,) in await asyncio.gather(*waiting)] == [first.id] * 8
    finally:
        for task in waiting:
            task.cancel()
        await busy.close()
