"""Enqueue in the caller's own transaction, on each kind of connection that is known."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import psycopg
import pytest
import sqlalchemy
from tests.callers import AsynchronousCallers, async_connection, async_session
from tests.store_postgres.callers import KINDS, Begin, sqlalchemy_kind

from sp00ky_core.errors import OptionInvalid, RowRefused, StoreError
from sp00ky_core.ports import JobQuery
from sp00ky_store_postgres import PostgresStore


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def begin(request: pytest.FixtureRequest, dsn: str) -> Any:
    return partial(request.param, dsn)


class TestCallers(AsynchronousCallers):
    pass


def savepoint(connection: Any) -> Any:
    """A transaction within the one that there is, as each library calls it."""
    begin = getattr(connection, "begin_nested", None) or connection.transaction
    return begin()


async def test_a_savepoint_takes_its_jobs_with_it(store: PostgresStore, begin: Any, new_job: Any) -> None:
    async with begin() as connection:
        await store.add([new_job(path="/outer")], connection=connection)
        with pytest.raises(ZeroDivisionError):  # noqa: PT012  # the block is what is rolled back
            async with savepoint(connection):
                await store.add([new_job(path="/inner"), new_job(dedup_key="k")], connection=connection)
                raise ZeroDivisionError
        async with savepoint(connection):
            (kept,) = await store.add([new_job(path="/kept", dedup_key="k")], connection=connection)
    jobs = await store.find(JobQuery())
    assert sorted(job.path for job in jobs) == ["/kept", "/outer"]
    assert kept.id in {job.id for job in jobs}


async def test_what_is_refused_in_a_savepoint_costs_the_savepoint(
    store: PostgresStore, begin: Any, new_job: Any, sql: Any, schema: str
) -> None:
    quoted = schema.replace('"', '""')
    await sql.execute(f'ALTER TABLE "{quoted}".job ADD CHECK (assigned_to IS NULL)')
    async with begin() as connection:
        await store.add([new_job()], connection=connection)
        with pytest.raises(RowRefused, match="check"):
            async with savepoint(connection):
                await store.add([new_job(assigned_to="thread:1")], connection=connection)
    assert len(await store.find(JobQuery())) == 1


@asynccontextmanager
async def asyncpg_alone(dsn: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


@asynccontextmanager
async def psycopg_alone(dsn: str) -> AsyncIterator[Any]:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        yield connection


def sqlalchemy_alone(kind: Any, driver: str) -> Begin:
    return sqlalchemy_kind(kind, driver, isolation_level="AUTOCOMMIT")


ALONE: dict[str, Begin] = {
    "asyncpg": asyncpg_alone,
    "psycopg": psycopg_alone,
    "sqlalchemy asyncpg": sqlalchemy_alone(async_connection, "asyncpg"),
    "sqlalchemy psycopg": sqlalchemy_alone(async_connection, "psycopg"),
    "session asyncpg": sqlalchemy_alone(async_session, "asyncpg"),
    "session psycopg": sqlalchemy_alone(async_session, "psycopg"),
}


@pytest.mark.parametrize("begin", ALONE.values(), ids=ALONE)
async def test_a_connection_that_commits_by_itself_is_refused(
    store: PostgresStore, dsn: str, new_job: Any, begin: Begin
) -> None:
    async with begin(dsn) as connection:
        with pytest.raises(OptionInvalid, match="outside a transaction"):
            await store.add([new_job()], connection=connection)
    assert await store.find(JobQuery()) == []


async def test_a_transaction_that_was_begun_by_hand_is_one(
    store: PostgresStore, dsn: str, new_job: Any
) -> None:
    async with asyncpg_alone(dsn) as plain, psycopg_alone(dsn) as other:
        for connection in (plain, other):
            await connection.execute("BEGIN")
            await store.add([new_job()], connection=connection)
            await connection.execute("COMMIT")
    assert len(await store.find(JobQuery())) == 2


CLOSED = {name: kind for name, kind in KINDS.items() if "session" not in name}  # a session opens again


@pytest.mark.parametrize("begin", CLOSED.values(), ids=CLOSED)
async def test_a_closed_connection_is_refused(
    store: PostgresStore, dsn: str, new_job: Any, begin: Begin
) -> None:
    async with begin(dsn) as connection:
        pass
    with pytest.raises(OptionInvalid, match="connection is closed; expected an open one"):
        await store.add([new_job()], connection=connection)


ABORTED = r"current transaction is aborted.*; roll your transaction back and repeat it"


async def test_a_transaction_that_has_failed_says_so(store: PostgresStore, begin: Any, new_job: Any) -> None:
    with pytest.raises(StoreError, match=ABORTED):  # noqa: PT012  # to its very end
        async with begin() as connection:
            with pytest.raises(Exception, match="nowhere"):
                await connection.execute(text_of(connection, "SELECT nowhere"))
            await store.add([new_job()], connection=connection)


def text_of(connection: Any, statement: str) -> Any:
    """As the library wants a statement."""
    return sqlalchemy.text(statement) if type(connection).__module__.startswith("sqlalchemy") else statement


async def test_a_plain_insert_of_any_language_is_a_whole_enqueue(
    store: PostgresStore, sql: Any, schema: str
) -> None:
    quoted = schema.replace('"', '""')
    insert = f'INSERT INTO "{quoted}".job (path, payload) VALUES ($1, $2) RETURNING id'
    key = await sql.fetchval(insert, "/spookify", '{"id": "\\u0000", "n": 1e400}')
    (job,) = await store.claim({"api": 5}, "r1")
    assert (job.id, job.path, job.payload_json) == (
        f"job:{key}",
        "/spookify",
        b'{"id": "\\u0000", "n": 1e400}',
    )
    assert (job.max_retries, job.retry_strategy, job.timeout, job.defect) == (3, "linear", None, None)


@asynccontextmanager
async def in_mode(dsn: str, mode: str, kind: str) -> AsyncIterator[Any]:
    """A transaction of a mode, as each library gives its connection's."""
    async with KINDS[kind](dsn) as connection:
        await connection.execute(text_of(connection, f"SET TRANSACTION {mode}"))
        yield connection


DRIVERS = [kind for kind in KINDS if kind not in {"asyncpg with codecs", "asyncpg pool"}]


MODES = {
    "ISOLATION LEVEL REPEATABLE READ": "roll your transaction back and repeat it",
    "READ ONLY": "read-only transaction: begin one that may write",
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", DRIVERS)
async def test_a_transaction_that_cannot_take_a_job_is_told_what_to_do(
    store: PostgresStore, dsn: str, new_job: Any, kind: str, mode: str
) -> None:
    with pytest.raises(StoreError, match=MODES[mode]) as caught:  # noqa: PT012  # to its very end
        async with in_mode(dsn, mode, kind) as connection:
            await connection.execute(text_of(connection, "SELECT 1"))
            await store.add([new_job(dedup_key="k")])
            await store.add([new_job(dedup_key="k")], connection=connection)
    assert type(caught.value) is StoreError
