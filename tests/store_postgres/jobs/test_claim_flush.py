"""Whether a claim's commit waits for the disk: only where a promise hangs on it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import pytest_asyncio

from sp00ky_core.ports import JobTable
from sp00ky_store_postgres import PostgresStore


@asynccontextmanager
async def opened(store: PostgresStore) -> AsyncIterator[PostgresStore]:
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@pytest_asyncio.fixture
async def at_commit(sql: Any, quoted: str) -> Any:
    """What ``synchronous_commit`` was when each update was committed, since the last call."""
    await sql.execute(
        f"CREATE TABLE {quoted}.seen (setting text);"
        f"CREATE FUNCTION {quoted}.look() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN "
        f"INSERT INTO {quoted}.seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $f$;"
        f"CREATE CONSTRAINT TRIGGER look AFTER UPDATE ON {quoted}.job DEFERRABLE INITIALLY DEFERRED "
        f"FOR EACH ROW EXECUTE FUNCTION {quoted}.look()"
    )

    async def seen() -> list[str]:
        return [row[0] for row in await sql.fetch(f"DELETE FROM {quoted}.seen RETURNING setting")]

    return seen


async def test_a_claim_of_jobs_with_retries_left_is_not_flushed(
    store: PostgresStore, new_job: Any, at_commit: Any
) -> None:
    await store.add([new_job(max_retries=3), new_job(max_retries=1)])
    assert len(await store.claim({"api": 5}, "r1")) == 2
    assert await at_commit() == ["off", "off"]
    await store.release("r1", keep=[])
    assert set(await at_commit()) == {"on"}


@pytest.mark.parametrize("options", [{"max_retries": 0}, {"max_retries": 3, "ordering_key": "a"}])
async def test_a_claim_is_flushed_for_one_job_that_a_promise_hangs_on(
    store: PostgresStore, new_job: Any, at_commit: Any, options: dict[str, Any]
) -> None:
    await store.add([new_job(max_retries=3), new_job(**options)])
    assert len(await store.claim({"api": 5}, "r1")) == 2
    assert await at_commit() == ["on", "on"]


async def test_a_claim_under_a_limit_of_the_fleet_is_flushed(
    store: PostgresStore, make: Any, table: JobTable, new_job: Any, at_commit: Any
) -> None:
    await store.add([new_job(max_retries=3)])
    async with opened(make(tables=(attrs.evolve(table, max_in_flight=5),))) as limited:
        assert len(await limited.claim({"api": 5}, "r1")) == 1
    assert await at_commit() == ["on"]


async def test_what_waits_for_a_standby_stays_as_the_operator_has_set_it(
    make: Any, store: PostgresStore, sql: Any, new_job: Any, at_commit: Any
) -> None:
    await store.add([new_job(max_retries=3)])
    (database,) = await sql.fetchrow("SELECT quote_ident(current_database())")
    await sql.execute(f"ALTER DATABASE {database} SET synchronous_commit = remote_apply")
    try:
        async with opened(make()) as other:
            assert len(await other.claim({"api": 5}, "r1")) == 1
    finally:
        await sql.execute(f"ALTER DATABASE {database} RESET synchronous_commit")
    assert await at_commit() == ["remote_apply"]
