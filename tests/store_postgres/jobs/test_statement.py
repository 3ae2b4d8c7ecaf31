"""An enqueue as SQL: sent by each driver, in its own style of parameters, it makes what ``add`` makes."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import psycopg
import pytest
import sqlalchemy
from sqlalchemy.ext.asyncio import create_async_engine
from tests.callers import engine_of
from tests.store_postgres.blocking_callers import url_of

from sp00ky_core.job.job import Job
from sp00ky_core.ports import JobQuery, ParamStyle, SqlStatement
from sp00ky_core.stores.transitions import clear, kill
from sp00ky_store_postgres import PostgresStore

Send = Callable[[str, SqlStatement], Awaitable[bool]]


async def by_asyncpg(dsn: str, statement: SqlStatement) -> bool:
    connection = await asyncpg.connect(dsn)
    try:
        return bool(await connection.fetch(statement.text, *statement.parameters))
    finally:
        await connection.close()


async def by_psycopg(dsn: str, statement: SqlStatement) -> bool:
    with psycopg.connect(dsn) as connection:
        return bool(connection.execute(*statement).fetchall())


async def by_psycopg2(dsn: str, statement: SqlStatement) -> bool:
    with engine_of(url_of(dsn, "psycopg2")) as engine, engine.begin() as connection:
        return bool(connection.exec_driver_sql(*statement).fetchall())


async def by_sqlalchemy(dsn: str, statement: SqlStatement) -> bool:
    with engine_of(url_of(dsn, "psycopg")) as engine, engine.begin() as connection:
        text, parameters = statement
        return bool(connection.execute(sqlalchemy.text(text), parameters).fetchall())


async def by_sqlalchemy_on_asyncpg(dsn: str, statement: SqlStatement) -> bool:
    engine = create_async_engine(dsn.replace("postgresql://", "postgresql+asyncpg://", 1))
    async with engine.begin() as connection:
        text, parameters = statement
        found = (await connection.execute(sqlalchemy.text(text), parameters)).fetchall()
    await engine.dispose()
    return bool(found)


STYLES: dict[str, tuple[ParamStyle, Send]] = {
    "asyncpg": ("numeric", by_asyncpg),
    "psycopg": ("pyformat", by_psycopg),
    "psycopg in order": ("format", by_psycopg),
    "psycopg2": ("pyformat", by_psycopg2),
    "sqlalchemy": ("named", by_sqlalchemy),
    "sqlalchemy on asyncpg": ("named", by_sqlalchemy_on_asyncpg),
}


@pytest.mark.parametrize(("style", "send"), STYLES.values(), ids=STYLES)
async def test_each_driver_sends_it(
    store: PostgresStore, new_job: Any, dsn: str, style: ParamStyle, send: Send
) -> None:
    whole: dict[str, Any] = {
        "payload": {"quote": "'\"\\; $1 %s :id", "deep": [None, 1.5]},
        "assigned_to": "thread:t1",
        "max_retries": 7,
        "retry_strategy": "exponential",
        "timeout": 3,
        "traceparent": f"00-{'1' * 32}-{'2' * 16}-01",
        "priority": 2,
        "ordering_key": "k\u00e9y",
        "expires_at": datetime(2100, 1, 1, tzinfo=UTC),
    }
    for fields in (whole, {"run_at": datetime(2042, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)}, {}):
        statement = store.sql_statement(new_job(dedup_key="k", **fields), style)
        assert await send(dsn, statement)
        (job,) = await store.find(JobQuery())
        (added,) = await store.add([new_job(dedup_key="other", **fields)])
        assert job.id == statement.job_id
        instants = {"created_at", "updated_at", "run_at", "ordering_at"}
        for name in set(Job.__annotations__) - instants - {"id", "dedup_key"}:
            assert getattr(job, name) == getattr(added, name), name
        assert (job.ordering_at is None) is (added.ordering_at is None)
        assert (fields.get("run_at") or job.created_at) - job.run_at < timedelta(minutes=1)
        assert not await send(dsn, store.sql_statement(new_job(dedup_key="k"), style))  # its key is taken
        assert not await send(dsn, statement)  # a second time
        await kill(store, [job.id, added.id])
        await clear(store, [job.id, added.id])


async def test_names_that_have_the_style_s_signs_in_them(make: Any, new_job: Any, dsn: str, sql: Any) -> None:
    store = make(schema="100% :id $1")
    await store.open()
    try:
        await store.migrate()
        for style, send in STYLES.values():
            assert await send(dsn, store.sql_statement(new_job(), style))
        assert len(await store.find(JobQuery())) == len(STYLES)
    finally:
        await store.close()
        await sql.execute('DROP SCHEMA IF EXISTS "100% :id $1" CASCADE')
