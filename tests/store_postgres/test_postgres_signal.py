"""Wake-up and live status: who is told, when nobody is, and behind a pooler."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import pytest

from sp00ky_core.breaker import Breaker, BreakerChange, BreakerState, Failed, change_after
from sp00ky_core.config import BreakerConfig
from sp00ky_core.job import JobStatus
from sp00ky_core.ports import JobQuery
from sp00ky_store_postgres import PostgresStore
from sp00ky_store_postgres import store as store_module
from sp00ky_store_postgres.listen import CHANNEL
from sp00ky_store_postgres.watch import Trail


@pytest.fixture
def quoted(schema: str) -> str:
    return '"' + schema.replace('"', '""') + '"'


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
    async with asyncio.timeout(5):
        await anext(signals)
    await signals.aclose()


async def test_what_is_written_stays_where_nobody_can_be_told(
    store: PostgresStore, new_job: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await store.add([new_job()])
    (job,) = await store.claim({"api": 1}, "r1")
    opens = change_after("api", Breaker(), Failed(retry_after=0), BreakerConfig(failures=1, interval=60))
    assert opens is not None
    breaker = (await store.change_breaker(opens)).breaker
    closes = BreakerChange(backend="api", before=breaker, to=BreakerState.CLOSED, failures=0)
    monkeypatch.setattr(store_module, "NOTIFY", "SELECT 1 / 0, $1::text")
    assert (await store.change_breaker(closes)).written
    assert await store.release("r1", keep=[]) == [job.id]
    assert caplog.text.count("by polling") == 2


async def test_a_transaction_notifies_once(
    store: PostgresStore, dsn: str, sql: Any, schema: str, new_job: Any
) -> None:
    async with heard(dsn) as payloads:
        async with sql.transaction():
            for _ in range(5):
                await store.add([new_job(), new_job()], connection=sql)
            await store.add([new_job(dedup_key="k")], connection=sql)
        await asyncio.sleep(0.05)
    assert payloads == [f"{schema}.job"]


async def test_an_insert_that_is_rolled_back_notifies_nobody(
    store: PostgresStore, dsn: str, sql: Any, new_job: Any
) -> None:
    async with heard(dsn) as payloads:
        transaction = sql.transaction()
        await transaction.start()
        await store.add([new_job()], connection=sql)
        await transaction.rollback()
        await sql.execute("SELECT pg_notify('sp00ky', 'last')")
        await asyncio.sleep(0.05)
    assert payloads == ["last"]


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
        await quiet.kill([(await quiet.find(JobQuery()))[0].id])
    assert payloads == []
    async with asyncio.timeout(5):
        await anext(signals)
    assert await quiet.check() == []
    await signals.aclose()
    await quiet.close()


async def test_a_redrive_elsewhere_wakes(store: PostgresStore, make: Any, new_job: Any) -> None:
    (job,) = await store.add([new_job()])
    await store.kill([job.id])
    signals = store.work_signal()
    await anext(signals)
    other = make()
    await other.open()
    await other.redrive([job.id])
    async with asyncio.timeout(5):
        await anext(signals)
    await other.close()
    await signals.aclose()


async def test_a_change_elsewhere_is_seen_at_once(store: PostgresStore, make: Any, new_job: Any) -> None:
    """Both kinds of watches; the median is asked for, because the machine may be busy."""
    other = make()
    await other.open()
    for named in (True, False):
        delays = []
        for _ in range(10):
            (job,) = await other.add([new_job()])
            watch = store.watch(JobQuery(ids=(job.id,)) if named else JobQuery(path="/spookify"))
            while (await anext(watch)).id != job.id:
                pass
            following = asyncio.ensure_future(anext(watch))
            await asyncio.sleep(0.02)
            await other.claim({"api": 100}, "r1")
            claimed_at = time.monotonic()
            await following
            delays.append(time.monotonic() - claimed_at)
            await watch.aclose()
        assert statistics.median(delays) < 1.0
    await other.close()


async def test_a_late_commit_is_seen(store: PostgresStore, dsn: str, sql: Any, new_job: Any) -> None:
    """What a transaction wrote long before it committed."""
    connection = await asyncpg.connect(dsn)
    transaction = connection.transaction()
    await transaction.start()
    watch = store.watch(JobQuery(path="/late"))
    following = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0.1)
    await store.add([new_job(path="/late")], connection=connection)
    await asyncio.sleep(1.3)  # longer than the overlap
    assert not following.done()
    await transaction.commit()
    async with asyncio.timeout(5):
        assert (await following).path == "/late"
    await watch.aclose()
    await connection.close()


def test_the_trail_stays_behind_what_is_running() -> None:
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415

    start = datetime(2026, 1, 1, tzinfo=UTC)
    trail = Trail()
    second = timedelta(seconds=1)
    assert trail.follow(start, []) == start - second
    assert (
        trail.follow(start + 10 * second, ["7"]) == start - second
    )  # it may have begun right after the first
    assert trail.follow(start + 20 * second, ["7", "8"]) == start - second
    assert trail.follow(start + 30 * second, ["8"]) == start + 9 * second
    assert trail.follow(start + 40 * second, []) == start + 39 * second
    assert Trail().follow(start, ["1"]) == start - 61 * second


async def test_watchers_of_named_jobs_share_their_questions(
    store: PostgresStore, new_job: Any, sql: Any
) -> None:
    jobs = await store.add([new_job() for _ in range(50)])
    watches = [store.watch(JobQuery(ids=(job.id,))) for job in jobs]
    assert {(await anext(watch)).id for watch in watches} == {job.id for job in jobs}
    following = [asyncio.ensure_future(anext(watch)) for watch in watches]
    await store.claim({"api": 100}, "r1")
    async with asyncio.timeout(10):
        assert {job.status for job in await asyncio.gather(*following)} == {JobStatus.PROCESSING}
    for watch in watches:
        await watch.aclose()
