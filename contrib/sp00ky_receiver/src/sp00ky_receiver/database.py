"""Run statements in a handler's transaction, on the connection it has, without importing any driver."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Generic, TypeVar, cast

import attrs

from sp00ky_receiver.errors import ConnectionInvalid, ReceiptLost
from sp00ky_receiver.table import Dialect

__all__ = ["AsyncDatabase", "SyncDatabase", "asynchronous", "synchronous"]

Row = Sequence[Any] | None
"""The first row of a statement."""

Fetch = Callable[[str, Mapping[str, object]], Row]
AsyncFetch = Callable[[str, Mapping[str, object]], Awaitable[Row]]
AnyFetch = TypeVar("AnyFetch", Fetch, AsyncFetch)

SYNCHRONOUS = (
    "a psycopg Connection, a SQLAlchemy Connection or Session, a sqlite3 Connection, "
    "or Django's connections[alias]"
)
ASYNCHRONOUS = (
    "an asyncpg connection, a psycopg AsyncConnection, or a SQLAlchemy AsyncConnection or AsyncSession"
)

NO_TABLE = "42P01"
"""PostgreSQL's state where a table is missing, in whatever language its text is."""

_PLACE = re.compile(r":(\w+)")


@attrs.frozen(kw_only=True, eq=False)
class _Database(Generic[AnyFetch]):
    """A handler's connection.

    Attributes:
        dialect: Of the statements.
        fetch: Runs a statement, and returns its first row.
        driver: The driver's own connection, which knows whether a transaction is under way.
    """

    dialect: Dialect
    fetch: AnyFetch
    driver: Any

    @contextmanager
    def claiming(self) -> Iterator[None]:
        """Refuse one that is closed, and one whose database has no table. Raises ``ConnectionInvalid``."""
        if _is_closed(self.driver):
            raise ConnectionInvalid(problem="it is closed; give an open one")
        try:
            yield
        except Exception as error:
            if not _is_table_missing(error):
                raise
            run = f"run the statements of table_statements({self.dialect!r}) in a migration"
            raise ConnectionInvalid(problem=f"its database has no table sp00ky_receipt; {run}") from error

    def refuse_autocommit(self) -> None:
        """Refuse a connection that has written, and is in no transaction. Raises ``ConnectionInvalid``."""
        if not _in_transaction(self.driver):
            problem = "it is outside a transaction (autocommit); begin one, in which the handler works too"
            raise ConnectionInvalid(problem=problem)


SyncDatabase = _Database[Fetch]
AsyncDatabase = _Database[AsyncFetch]


def synchronous(connection: Any) -> SyncDatabase:
    """Return what runs statements on a connection that blocks. Raises ``ConnectionInvalid``."""
    kinds = _kinds(connection)
    if kinds & {"django.BaseDatabaseWrapper", "django.ConnectionProxy"}:
        return _of_django(connection)
    if "sqlalchemy.Session" in kinds:
        connection, kinds = connection.connection(), {"sqlalchemy.Connection"}
    if "sqlalchemy.Connection" in kinds:
        return _of_sqlalchemy(connection)
    if "psycopg.Connection" in kinds:
        return SyncDatabase(dialect="postgresql", fetch=_of_psycopg(connection), driver=connection)
    if "sqlite3.Connection" in kinds:
        return SyncDatabase(dialect="sqlite", fetch=_of_sqlite(connection), driver=connection)
    raise _unknown(connection, SYNCHRONOUS, "; with an asynchronous one write `async with`")


async def asynchronous(connection: Any) -> AsyncDatabase:
    """Return what runs statements on an asynchronous connection. Raises ``ConnectionInvalid``."""
    kinds = _kinds(connection)
    if "sqlalchemy.AsyncSession" in kinds:
        connection, kinds = await connection.connection(), {"sqlalchemy.AsyncConnection"}
    if "sqlalchemy.AsyncConnection" in kinds:
        return await _of_async_sqlalchemy(connection)
    if "psycopg.AsyncConnection" in kinds:
        return AsyncDatabase(dialect="postgresql", fetch=_of_async_psycopg(connection), driver=connection)
    if kinds & {"asyncpg.Connection", "asyncpg.PoolConnectionProxy"}:
        return AsyncDatabase(dialect="postgresql", fetch=_of_asyncpg(connection), driver=connection)
    raise _unknown(connection, ASYNCHRONOUS, "; with one that blocks write `with`, outside an event loop")


def _kinds(connection: object) -> set[str]:
    return {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(connection).__mro__}


def _unknown(connection: object, expected: str, hint: str) -> ConnectionInvalid:
    # Not its repr: a connection's may hold a DSN.
    kind = f"{type(connection).__module__}.{type(connection).__qualname__}"
    return ConnectionInvalid(problem=f"expected {expected}, not one of type {kind[:80]}{hint}")


def _is_closed(driver: Any) -> bool:
    if hasattr(driver, "is_closed"):  # asyncpg
        return bool(driver.is_closed())
    if isinstance(driver, sqlite3.Connection):
        try:
            return driver.total_changes < 0  # never: one that is closed can't say
        except sqlite3.ProgrammingError:
            return True
    return bool(getattr(driver, "closed", False))  # psycopg


def _is_table_missing(error: Exception) -> bool:
    said = getattr(error, "orig", None) or error  # SQLAlchemy's is around the driver's
    return getattr(said, "sqlstate", "") == NO_TABLE or str(said).startswith("no such table: sp00ky_receipt")


def _in_transaction(driver: Any) -> bool:
    if hasattr(driver, "is_in_transaction"):  # asyncpg
        return bool(driver.is_in_transaction())
    if hasattr(driver, "in_transaction"):  # sqlite3, aiosqlite
        return bool(driver.in_transaction)
    return bool(driver.info.transaction_status)  # psycopg: 0 is idle


def _of_sqlite(connection: Any) -> Fetch:
    def fetch(statement: str, values: Mapping[str, object]) -> Row:
        cursor = connection.cursor()
        cursor.row_factory = None  # the caller's choice may have no order
        rows: list[Row] = cursor.execute(statement, values).fetchall()  # to its end, which RETURNING needs
        return next(iter(rows), None)

    return fetch


def _of_psycopg(connection: Any) -> Fetch:
    from psycopg import Cursor  # noqa: PLC0415  # only such a caller has it installed
    from psycopg.rows import tuple_row  # noqa: PLC0415

    def fetch(statement: str, values: Mapping[str, object]) -> Row:
        with Cursor(connection, row_factory=tuple_row) as cursor:
            cursor.execute(cast("Any", _formatted(statement)), values)
            return cursor.fetchone() if cursor.description else None

    return fetch


def _of_async_psycopg(connection: Any) -> AsyncFetch:
    from psycopg import AsyncCursor  # noqa: PLC0415  # only such a caller has it installed
    from psycopg.rows import tuple_row  # noqa: PLC0415

    async def fetch(statement: str, values: Mapping[str, object]) -> Row:
        async with AsyncCursor(connection, row_factory=tuple_row) as cursor:
            await cursor.execute(cast("Any", _formatted(statement)), values)
            return await cursor.fetchone() if cursor.description else None

    return fetch


def _of_asyncpg(connection: Any) -> AsyncFetch:
    async def fetch(statement: str, values: Mapping[str, object]) -> Row:
        text, names = _numbered(statement)
        row: Row = await connection.fetchrow(text, *(values[name] for name in names))
        return row

    return fetch


def _of_django(connection: Any) -> SyncDatabase:
    connection.ensure_connection()
    database = synchronous(connection.connection)

    def fetch(statement: str, values: Mapping[str, object]) -> Row:
        if connection.needs_rollback:  # of which the driver's connection knows nothing
            raise ReceiptLost
        return database.fetch(statement, values)

    return attrs.evolve(database, fetch=fetch)


def _of_sqlalchemy(connection: Any) -> SyncDatabase:
    from sqlalchemy import text  # noqa: PLC0415  # only such a caller has it installed

    def fetch(statement: str, values: Mapping[str, object]) -> Row:
        result = connection.execute(text(statement), values)
        row: Row = result.first() if result.returns_rows else None
        return row

    driver = connection.connection.driver_connection
    return SyncDatabase(dialect=_dialect(connection), fetch=fetch, driver=driver)


async def _of_async_sqlalchemy(connection: Any) -> AsyncDatabase:
    from sqlalchemy import text  # noqa: PLC0415  # only such a caller has it installed

    async def fetch(statement: str, values: Mapping[str, object]) -> Row:
        result = await connection.execute(text(statement), values)
        row: Row = result.first() if result.returns_rows else None
        return row

    driver = (await connection.get_raw_connection()).driver_connection
    return AsyncDatabase(dialect=_dialect(connection), fetch=fetch, driver=driver)


def _dialect(connection: Any) -> Dialect:
    name = connection.dialect.name
    if name not in ("postgresql", "sqlite"):
        raise ConnectionInvalid(problem=f"receipts are kept on PostgreSQL and SQLite, not on {name}"[:80])
    return cast("Dialect", name)


@lru_cache(maxsize=16)  # as many as there are statements
def _formatted(statement: str) -> str:
    return _PLACE.sub(r"%(\1)s", statement)


@lru_cache(maxsize=16)
def _numbered(statement: str) -> tuple[str, tuple[str, ...]]:
    names = tuple(dict.fromkeys(_PLACE.findall(statement)))
    return _PLACE.sub(lambda place: f"${names.index(place[1]) + 1}", statement), names
