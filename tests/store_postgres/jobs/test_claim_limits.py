"""Limits hold whatever else is at the backend's row; what is refused costs no other job."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import pytest
import pytest_asyncio

from sp00ky_core.config import RateConfig
from sp00ky_core.errors import RowRefused, StoreError
from sp00ky_core.job.job import Job
from sp00ky_core.ports import JobTable
from sp00ky_core.stores import PASSED
from sp00ky_store_postgres import PostgresStore

SLOW = RateConfig(limit=1, per=3_600, burst=5)
TABLES = (JobTable(backend="api", table="job", rate=SLOW), JobTable(backend="mail", table="mail"))


@pytest_asyncio.fixture
async def store(make: Any) -> AsyncIterator[PostgresStore]:
    """A store of two backends, one of them with a rate."""
    store = make(tables=TABLES)
    await store.open()
    await store.migrate()
    yield store
    await store.close()


async def test_a_clock_that_has_gone_back_does_not_stop_the_rate(
    store: PostgresStore, new_job: Any, sql: Any, quoted: str
) -> None:
    await store.add([new_job()])
    insert = f"INSERT INTO {quoted}.sp00ky_control (backend, tokens, tokens_at) VALUES ('api', 0.4, $1)"
    await sql.execute(insert, await sql.fetchval("SELECT now() + interval '1 day'"))
    assert await store.claim({"api": 9}, "r1") == []
    bucket = f"SELECT tokens, tokens_at <= clock_timestamp() AS is_past FROM {quoted}.sp00ky_control"
    assert tuple(await sql.fetchrow(bucket)) == (0.4, True)  # tokens come from now on


async def test_a_control_row_that_is_refused_costs_no_claimed_job(
    store: PostgresStore, new_job: Any, sql: Any, quoted: str
) -> None:
    await store.add([new_job(), new_job(backend="mail")])
    await sql.execute(f"ALTER TABLE {quoted}.sp00ky_control ADD CHECK (backend <> 'api')")
    assert [job.backend for job in await store.claim({"api": 1, "mail": 1}, "r1")] == ["mail"]
    try:
        await store.claim({"api": 1, "mail": 1}, "r1")
    except RowRefused as error:
        assert "sp00ky_control" in str(error)  # noqa: PT017  # nothing else is claimed meanwhile
    else:
        raise AssertionError("a claim without any job raises it")


async def test_a_claim_that_stands_still_in_its_transaction_stops_its_backend_for_seconds_only(
    store: PostgresStore, make: Any, new_job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A runner that is frozen there holds the backend's row, until the server ends its session."""
    await store.add([new_job() for _ in range(4)])
    assert len(await store.claim({"api": 1}, "r1")) == 1  # the backend has a row
    frozen = make(tables=TABLES)
    await frozen.open()
    stands, goes_on = asyncio.Event(), asyncio.Event()

    async def stand_still(slots: dict[str, int], seen: Any, fetch: Any) -> list[Job]:
        if slots:  # else it is of backends without limits
            stands.set()
            await goes_on.wait()
            await fetch("SELECT 1")
        return []

    monkeypatch.setattr(frozen._claims, "_claim_due", stand_still)
    standing = asyncio.ensure_future(frozen.claim({"api": 3}, "r2"))
    await stands.wait()
    assert (await store.claim({"api": 3}, "r1")).retry_in == {"api": PASSED}
    async with asyncio.timeout(60):
        while not (claimed := await store.claim({"api": 3}, "r1")):  # noqa: ASYNC110  # the server tells nobody
            await asyncio.sleep(PASSED)
    assert len(claimed) == 3
    goes_on.set()
    with pytest.raises(StoreError):
        await standing
    await frozen.close()


async def test_a_claim_that_ends_in_the_middle_takes_nothing(
    store: PostgresStore, new_job: Any, dsn: str, sql: Any, quoted: str
) -> None:
    """Its transaction is rolled back as a whole: the jobs, and the tokens."""
    await store.add([new_job() for _ in range(5)])
    blocker = await asyncpg.connect(dsn)
    transaction = blocker.transaction()
    await transaction.start()
    await blocker.execute(f"LOCK TABLE {quoted}.job IN SHARE MODE")  # the claim waits for it
    claiming = asyncio.ensure_future(store.claim({"api": 5}, "r1"))
    waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%share_0%'"
    async with asyncio.timeout(60):
        while (pid := await sql.fetchval(waiting)) is None:  # noqa: ASYNC110  # a lock sends no event
            await asyncio.sleep(0.01)
    claiming.cancel()
    await asyncio.gather(claiming, return_exceptions=True)
    await sql.execute("SELECT pg_terminate_backend($1)", pid)
    await transaction.rollback()
    await blocker.close()
    assert len(await store.claim({"api": 5}, "r2")) == 5
