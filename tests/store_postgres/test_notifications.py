"""Wake-up and live status: who is told, when nobody is, and behind a pooler."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import pytest

from sp00ky_conformance.store.harness import eventually
from sp00ky_core.ports import JobQuery
from sp00ky_core.stores.ids import new_key
from sp00ky_core.stores.transitions import kill
from sp00ky_store_postgres import PostgresStore, notifications, polling_under_load
from sp00ky_store_postgres.notifications import CHANNEL
from sp00ky_store_postgres.polling_under_load import FLOW_CHANNEL
from sp00ky_store_postgres.sql.loader import read_sql


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


async def count(sql: Any, payloads: list[str]) -> int:
    """How many notifications of jobs have come: all of those that were committed before."""
    token = new_key()

    async def is_there() -> bool:
        return token in payloads

    await sql.execute("SELECT pg_notify($1, $2)", CHANNEL, token)
    await eventually(is_there)
    return sum(payload.endswith(".job") for payload in payloads)


async def test_while_jobs_flow_nobody_notifies_and_what_is_committed_later_is_found(
    store: PostgresStore, dsn: str, sql: Any, quoted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling_under_load, "MANY_SECONDS", 60.0)  # on however slow a machine
    insert = f"INSERT INTO {quoted}.job (path, payload) VALUES ('/a', '{{}}')"
    signals, meeting, other = store.work_signal(), await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    notifying = meeting.transaction()  # every other one that notifies meets it

    async def notifies() -> bool:
        before = await count(sql, payloads)
        await sql.execute(insert)
        return await count(sql, payloads) > before

    async with heard(dsn) as payloads, asyncio.timeout(60):
        await anext(signals)
        await notifying.start()
        await meeting.execute(insert)
        is_told = True
        while is_told:  # until one was inserted while nobody notified
            while await notifies():
                pass
            transaction = other.transaction()
            await transaction.start()
            key = await other.fetchval(f"{insert} RETURNING id")
            while not await notifies():
                pass
            before = await count(sql, payloads)
            await transaction.commit()
            is_told = await count(sql, payloads) > before
        await anext(signals)  # it may have been sent before
        await anext(signals)
        assert f"job:{key}" in [job.id for job in await store.claim({"api": 1000}, "r1")]
    await signals.aclose()
    await meeting.close()
    await other.close()


async def test_looks_go_on_after_locks_for_what_is_committed_later(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hold(names: Sequence[str]) -> float:
        raise AssertionError(names)

    monkeypatch.setattr(polling_under_load, "LONGEST", 0.0)
    looks: asyncio.Queue[None] = asyncio.Queue()
    flows = polling_under_load.Flow(lambda: looks.put_nowait(None))
    running = asyncio.create_task(flows.run(hold))
    flows.heard(f"public.job{polling_under_load.HELD}")
    async with asyncio.timeout(60):
        for _ in range(4):
            await looks.get()
    running.cancel()


async def test_a_session_that_can_t_take_locks_gives_way_to_another(
    store: PostgresStore, sql: Any, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def read(name: str) -> str:
        asked.append(name)
        return "SELECT 1 / 0" if len(asked) == 1 else read_sql(name)

    monkeypatch.setattr(notifications, "read_sql", read)
    signals = store.work_signal()
    async with asyncio.timeout(60):
        await anext(signals)
        while "let_notify" not in asked:  # the first session has taken no locks, another one has
            for _ in range(polling_under_load.MANY):
                await sql.execute("SELECT pg_notify($1, $2)", FLOW_CHANNEL, f"{schema}.job")
            await asyncio.sleep(0.01)
        await anext(signals)
    await signals.aclose()
