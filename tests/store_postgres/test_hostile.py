"""Rows, locks and servers as somebody made them on purpose: nobody else's job pays for them."""

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types

from sp00ky_conformance.store.harness import eventually
from sp00ky_core.ports import JobTable
from sp00ky_store_postgres import PostgresStore


async def blocked(sql: Any) -> None:
    """Wait until a statement waits for a lock."""
    await eventually(lambda: sql.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))


async def test_a_lease_counts_from_when_the_row_is_written(
    make: Any, sql: Any, dsn: str, quoted: str, new_job: Any
) -> None:
    """The statement waits for a lock on the table for longer than the lease lasts."""
    store = make(tables=(JobTable(backend="api", table="job", timeout=0.3, lease_margin=0.2),))
    await store.open()
    await store.migrate()
    await store.add([new_job()])
    holder = await asyncpg.connect(dsn)
    async with holder.transaction():
        await holder.execute(f"LOCK TABLE {quoted}.job IN ACCESS EXCLUSIVE MODE")
        claim = asyncio.ensure_future(store.claim({"api": 1}, "r1"))
        await blocked(sql)
        await holder.execute("SELECT pg_sleep(1)")
        released_at = await holder.fetchval("SELECT clock_timestamp()")
    (job,) = await claim
    assert job.lease_until is not None
    assert job.lease_until >= released_at + timedelta(seconds=0.5)
    await holder.close()
    await store.close()


async def test_a_server_that_quotes_every_name_has_the_same_tables(
    store: PostgresStore, sql: Any, make: Any, dsn: str
) -> None:
    quoting = make(quote_all_identifiers="on")
    await quoting.open()
    assert await quoting.check() == []
    assert await quoting.migrate() == []
    await quoting.close()
