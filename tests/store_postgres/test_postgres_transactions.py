"""Enqueue in the caller's own transaction, on each kind of connection that is known."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import psycopg
import pytest
from psycopg.rows import dict_row
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from sp00ky_core.errors import OptionInvalid, RowRefused, Sp00kyError
from sp00ky_core.ports import JobQuery
from sp00ky_store_postgres import PostgresStore

Begin = Callable[[str], AbstractAsyncContextManager[Any]]


@asynccontextmanager
async def asyncpg_connection(dsn: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def asyncpg_with_codecs(dsn: str) -> AsyncIterator[Any]:
    """As an application sets it up: json becomes Python values."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.set_type_codec("json", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
        async with connection.transaction():
            yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def asyncpg_pool(dsn: str) -> AsyncIterator[Any]:
    async with (
        asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool,
        pool.acquire() as connection,
        connection.transaction(),
    ):
        yield connection


@asynccontextmanager
async def psycopg_connection(dsn: str) -> AsyncIterator[Any]:
    async with await psycopg.AsyncConnection.connect(dsn, row_factory=dict_row) as connection:
        await connection.execute("SET TIME ZONE 'Asia/Kolkata'")
        yield connection


def sqlalchemy_connection(driver: str) -> Begin:
    @asynccontextmanager
    async def begin(dsn: str) -> AsyncIterator[Any]:
        engine = create_async_engine(dsn.replace("postgresql://", f"postgresql+{driver}://", 1))
        try:
            async with engine.begin() as connection:
                yield connection
        finally:
            await engine.dispose()

    return begin


def sqlalchemy_session(driver: str) -> Begin:
    @asynccontextmanager
    async def begin(dsn: str) -> AsyncIterator[Any]:
        engine = create_async_engine(dsn.replace("postgresql://", f"postgresql+{driver}://", 1))
        try:
            async with AsyncSession(engine) as session, session.begin():
                yield session
        finally:
            await engine.dispose()

    return begin


KINDS: dict[str, Begin] = {
    "asyncpg": asyncpg_connection,
    "asyncpg with codecs": asyncpg_with_codecs,
    "asyncpg pool": asyncpg_pool,
    "psycopg": psycopg_connection,
    "sqlalchemy asyncpg": sqlalchemy_connection("asyncpg"),
    "sqlalchemy psycopg": sqlalchemy_connection("psycopg"),
    "session asyncpg": sqlalchemy_session("asyncpg"),
    "session psycopg": sqlalchemy_session("psycopg"),
}


@pytest.fixture(params=KINDS, ids=str)
def begin(request: pytest.FixtureRequest, dsn: str) -> Callable[[], AbstractAsyncContextManager[Any]]:
    kind = KINDS[request.param]
    return lambda: kind(dsn)


async def test_jobs_are_there_when_it_commits_and_not_before(
    store: PostgresStore, begin: Any, new_job: Any
) -> None:
    async with begin() as connection:
        (one,) = await store.add([new_job(payload={"%s": "100 % $1 \u00fc"})], connection=connection)
        many = await store.add([new_job() for _ in range(3)], connection=connection)
        keyed = await store.add(
            [new_job(dedup_key="k", timeout=5, assigned_to="thread:1"), new_job(dedup_key="k")],
            connection=connection,
        )
        assert await store.find(JobQuery()) == []
    assert keyed[0].id == keyed[1].id
    added = [one, *many, keyed[0]]
    kept = {job.id: job for job in await store.find(JobQuery())}
    assert kept == {job.id: job for job in added}


async def test_jobs_are_gone_when_it_rolls_back(store: PostgresStore, begin: Any, new_job: Any) -> None:
    with pytest.raises(ZeroDivisionError):  # noqa: PT012  # the block is what is rolled back
        async with begin() as connection:
            await store.add([new_job()], connection=connection)
            await store.add([new_job(dedup_key="k"), new_job()], connection=connection)
            raise ZeroDivisionError
    assert await store.find(JobQuery()) == []


async def test_a_committed_key_is_found(store: PostgresStore, begin: Any, new_job: Any) -> None:
    (existing,) = await store.add([new_job(dedup_key="k")])
    async with begin() as connection:
        found = await store.add([new_job(dedup_key="k"), new_job()], connection=connection)
    assert found[0] == existing
    assert len(await store.find(JobQuery())) == 2


async def test_what_the_database_refuses_is_told(
    store: PostgresStore, begin: Any, new_job: Any, sql: Any, schema: str
) -> None:
    quoted = schema.replace('"', '""')
    await sql.execute(f'ALTER TABLE "{quoted}".job ADD CHECK (assigned_to IS NOT NULL)')
    with pytest.raises(RowRefused, match="check"):
        async with begin() as connection:
            await store.add([new_job()], connection=connection)
    assert await store.find(JobQuery()) == []


async def test_a_closed_connection_is_an_error_of_ours(store: PostgresStore, dsn: str, new_job: Any) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.close()
    with pytest.raises(Sp00kyError):
        await store.add([new_job()], connection=connection)


@pytest.mark.parametrize("connection", [object(), "postgresql://", 7])
async def test_other_kinds_are_refused_before_anything_is_written(
    store: PostgresStore, new_job: Any, connection: object
) -> None:
    with pytest.raises(OptionInvalid, match="asyncpg"):
        await store.add([new_job()], connection=connection)
    assert await store.find(JobQuery()) == []


async def test_an_engine_of_another_driver_is_refused(store: PostgresStore, new_job: Any) -> None:
    class AsyncConnection:
        class dialect:  # noqa: N801  # as SQLAlchemy names it
            driver = "aiosqlite"

    AsyncConnection.__module__ = "sqlalchemy.ext.asyncio"
    with pytest.raises(OptionInvalid, match="aiosqlite"):
        await store.add([new_job()], connection=AsyncConnection())


async def test_a_plain_insert_of_any_language_is_a_whole_enqueue(
    store: PostgresStore, sql: Any, schema: str
) -> None:
    quoted = schema.replace('"', '""')
    insert = f'INSERT INTO "{quoted}".job (path, payload) VALUES ($1, $2) RETURNING id'
    key = await sql.fetchval(insert, "/spookify", '{"id": "\\u0000", "n": 1e400}')
    (job,) = await store.claim({"api": 5}, "r1")
    assert (job.id, job.path, job.payload_json) == (
        f"job:{key.hex}",
        "/spookify",
        b'{"id": "\\u0000", "n": 1e400}',
    )
    assert (job.max_retries, job.retry_strategy, job.timeout, job.defect) == (3, "linear", None, None)
