"""Wake-up and live status: who is told, when nobody is, and behind a pooler."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types

from sp00ky_core.ports import JobQuery
from sp00ky_core.stores.transitions import kill
from sp00ky_store_postgres import PostgresStore
from sp00ky_store_postgres.notifications import CHANNEL


@asynccontextmanager
async def heard(dsn: str) -> AsyncIterator[list[str]]:
    """The payloads of the notifications that come."""
    connection = await asyncpg.connect(dsn)
    payloads: list[str] = []
    await connection.add_listener(CHANNEL, lambda *arguments: payloads.append(arguments[-1]))
    try:
        yield payloads
        await connection.fetch("SELECT 1")
    finally:
        await connection.close()


async def test_an_insert_of_any_language_wakes(store: PostgresStore, sql: Any, quoted: str) -> None:
    signals = store.work_signal()
    await anext(signals)
    await sql.execute(f"INSERT INTO {quoted}.job (path, payload) VALUES ('/a', '{{}}')")
    async with asyncio.timeout(60):
        await anext(signals)
    await signals.aclose()


async def test_notify_off_sends_nothing_and_finds_jobs_by_asking(
    store: PostgresStore, make: Any, dsn: str, sql: Any, new_job: Any
) -> None:
    quiet = make(notify="off")
    await quiet.open()
    signals = quiet.work_signal()
    await anext(signals)
    async with heard(dsn) as payloads:
        await quiet.add([new_job()])
        await quiet.add([new_job(), new_job(max_retries=1)])
        async with sql.transaction():
            await quiet.add([new_job()], connection=sql)
        await kill(quiet, [(await quiet.find(JobQuery()))[0].id])
    assert payloads == []
    async with asyncio.timeout(60):
        await anext(signals)
    await quiet.beat("r1")  # else check finds that none runs
    assert await quiet.check() == []
    await signals.aclose()
    await quiet.close()
