"""Every kind of connection that receipts are kept on, as transactions, and an effect in them."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import attrs
import psycopg
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from sp00ky_receiver import Answer, Call, Request, table_statements

EFFECT = "INSERT INTO effect (name) VALUES ('done')"


@attrs.frozen(kw_only=True)
class Place:
    """Where the tests' databases are."""

    postgres: str
    folder: Path

    @property
    def sqlite(self) -> Path:
        return self.folder / "receipts.db"

    def with_driver(self, driver: str) -> str:
        return self.postgres.replace("postgresql://", f"postgresql+{driver}://", 1)

    def fresh(self) -> None:
        """Make the tables, empty."""
        with psycopg.connect(self.postgres, autocommit=True) as connection:
            connection.execute("DROP TABLE IF EXISTS effect, sp00ky_receipt")
            for statement in (*table_statements("postgresql"), "CREATE TABLE effect (name text)"):
                connection.execute(statement.encode())
        with sqlite3.connect(self.sqlite) as file:
            for statement in (*table_statements("sqlite"), "CREATE TABLE IF NOT EXISTS effect (name text)"):
                file.execute(statement)
            file.execute("DELETE FROM effect")
            file.execute("DELETE FROM sp00ky_receipt")
        file.close()

    def drop(self) -> None:
        """Drop the table of the receipts, which ``fresh`` makes again."""
        with psycopg.connect(self.postgres, autocommit=True) as connection:
            connection.execute("DROP TABLE sp00ky_receipt")
        file = sqlite3.connect(self.sqlite)
        file.execute("DROP TABLE sp00ky_receipt")
        file.close()

    def fetch(self, statement: str) -> list[Any]:
        """Rows of both databases."""
        with psycopg.connect(self.postgres, autocommit=True) as connection:
            rows: list[Any] = connection.execute(statement.encode()).fetchall()
        file = sqlite3.connect(self.sqlite)
        rows += file.execute(statement).fetchall()
        file.close()
        return rows

    def effects(self) -> int:
        return len(self.fetch("SELECT name FROM effect"))


@contextmanager
def _psycopg(place: Place) -> Iterator[Any]:
    with psycopg.connect(place.postgres, row_factory=psycopg.rows.dict_row) as connection:
        yield connection


@contextmanager
def _sqlite3(place: Place) -> Iterator[Any]:
    connection = sqlite3.connect(place.sqlite, timeout=30)
    connection.row_factory = sqlite3.Row
    try:
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
    finally:
        connection.close()


@contextmanager
def _sqlalchemy(url: str) -> Iterator[Any]:
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        yield connection


@contextmanager
def _session(url: str) -> Iterator[Any]:
    with Session(create_engine(url, poolclass=NullPool)) as session, session.begin():
        yield session


SYNCHRONOUS: dict[str, Callable[[Place], AbstractContextManager[Any]]] = {
    "psycopg": _psycopg,
    "sqlite3": _sqlite3,
    "sqlalchemy": lambda place: _sqlalchemy(place.with_driver("psycopg")),
    "sqlalchemy-session": lambda place: _session(place.with_driver("psycopg")),
    "sqlalchemy-sqlite": lambda place: _sqlalchemy(f"sqlite:///{place.sqlite}"),
}


@asynccontextmanager
async def _asyncpg(place: Place) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(place.postgres)
    try:
        async with connection.transaction():
            yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def _asyncpg_pool(place: Place) -> AsyncIterator[Any]:
    async with (
        asyncpg.create_pool(place.postgres, min_size=1, max_size=1) as pool,
        pool.acquire() as connection,
        connection.transaction(),
    ):
        yield connection


@asynccontextmanager
async def _async_psycopg(place: Place) -> AsyncIterator[Any]:
    async with await psycopg.AsyncConnection.connect(place.postgres) as connection:
        yield connection


@asynccontextmanager
async def _async_sqlalchemy(url: str) -> AsyncIterator[Any]:
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.begin() as connection:
        yield connection


@asynccontextmanager
async def _async_session(url: str) -> AsyncIterator[Any]:
    async with AsyncSession(create_async_engine(url, poolclass=NullPool)) as session, session.begin():
        yield session


ASYNCHRONOUS: dict[str, Callable[[Place], AbstractAsyncContextManager[Any]]] = {
    "asyncpg": _asyncpg,
    "asyncpg-pool": _asyncpg_pool,
    "psycopg-async": _async_psycopg,
    "sqlalchemy-async": lambda place: _async_sqlalchemy(place.with_driver("asyncpg")),
    "sqlalchemy-async-session": lambda place: _async_session(place.with_driver("asyncpg")),
    "sqlalchemy-async-psycopg": lambda place: _async_sqlalchemy(place.with_driver("psycopg")),
    "sqlalchemy-aiosqlite": lambda place: _async_sqlalchemy(f"sqlite+aiosqlite:///{place.sqlite}"),
}


def effect(connection: Any) -> None:
    """Do what must be done once."""
    is_sqlalchemy = type(connection).__module__.startswith("sqlalchemy")
    connection.execute(text(EFFECT) if is_sqlalchemy else EFFECT)


async def effect_async(connection: Any) -> None:
    """Do what must be done once."""
    is_sqlalchemy = type(connection).__module__.startswith("sqlalchemy")
    await connection.execute(text(EFFECT) if is_sqlalchemy else EFFECT)


def request(body: bytes = b"{}", **headers: str) -> Request:
    """A request that isn't signed."""
    return Request(
        method="POST", target="/spookify", headers={"Idempotency-Key": "job:1", **headers}, body=body
    )


def done(call: Call, connection: Any) -> Answer:
    """A handler."""
    effect(connection)
    return DONE


async def done_async(call: Call, connection: Any) -> Answer:
    """A handler."""
    await effect_async(connection)
    return DONE


DONE = Answer(status=201, headers=[("Content-Type", "x/y"), ("Set-Cookie", "a=b")], body=b"\x00done")
REPEATED = Answer(
    status=201, headers=[("content-type", "x/y"), ("idempotent-replayed", "true")], body=b"\x00done"
)
