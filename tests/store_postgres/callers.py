"""Connections as callers have them, each kind that is known, within a transaction."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import psycopg
from psycopg.rows import dict_row
from tests.callers import async_connection, async_session
from tests.store_postgres.blocking_callers import url_of

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
        await connection.set_type_codec("timestamptz", encoder=str, decoder=str, schema="pg_catalog")
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


@asynccontextmanager
async def psycopg_with_raw_cursors(dsn: str) -> AsyncIterator[Any]:
    """As an application sets it up that writes ``$1`` itself."""
    raw = psycopg.AsyncRawCursor
    async with await psycopg.AsyncConnection.connect(dsn, cursor_factory=raw) as connection:
        yield connection


def sqlalchemy_kind(kind: Any, driver: str, **options: Any) -> Begin:
    return lambda dsn: kind(url_of(dsn, driver), **options)


KINDS: dict[str, Begin] = {
    "asyncpg": asyncpg_connection,
    "asyncpg with codecs": asyncpg_with_codecs,
    "asyncpg pool": asyncpg_pool,
    "psycopg": psycopg_connection,
    "psycopg with raw cursors": psycopg_with_raw_cursors,
    "sqlalchemy asyncpg": sqlalchemy_kind(async_connection, "asyncpg"),
    "sqlalchemy psycopg": sqlalchemy_kind(async_connection, "psycopg"),
    "session asyncpg": sqlalchemy_kind(async_session, "asyncpg"),
    "session psycopg": sqlalchemy_kind(async_session, "psycopg"),
}
