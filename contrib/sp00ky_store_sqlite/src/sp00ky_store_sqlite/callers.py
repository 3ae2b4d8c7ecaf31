"""Run in the transactions of callers' connections: of sqlite3, aiosqlite, SQLAlchemy, Django."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from sp00ky_core.errors import OptionInvalid, SchemaError
from sp00ky_store_kit import Reply, Session
from sp00ky_store_kit.caller_connections import (
    django_of,
    kinds_of,
    refuse_unfit,
    sqlalchemy_of,
    unknown_kind,
)
from sp00ky_store_sqlite.session import SqliteSession

__all__ = ["callers_session", "CallersSession", "AiosqliteSession", "SqlalchemySession"]

EXPECTED = (
    "one on SQLite: a sqlite3.Connection or an aiosqlite.Connection, SQLAlchemy's on sqlite+pysqlite, "
    "or Django's"
)

OTHER_THREAD = "SQLite objects created in a thread"
"""How the text of an error begins that has no code."""

PRIMARY = 0xFF
"""The part of a code that extended ones share: https://sqlite.org/rescode.html"""

BEGIN = "BEGIN IMMEDIATE"
"""Begins a transaction as the store's own: it waits for other writers now, rather than failing at its
first write."""

Translate = Callable[[Exception], Exception]


def caller_error(error: Exception, translate: Translate) -> Exception:
    """Return the project's error for what a caller's connection raised; say what is wrong with it."""
    if str(error).startswith(OTHER_THREAD):
        return _of_another_thread()
    if (getattr(error, "sqlite_errorcode", None) or 0) & PRIMARY == sqlite3.SQLITE_READONLY:
        expected = "one that may write: without mode=ro and PRAGMA query_only, to a file that can be written"
        return OptionInvalid(option="connection", value="read-only", expected=expected)
    known = translate(error)
    if isinstance(known, SchemaError):
        problem = f"{error} in the database of your connection; connect to this one, or run: sp00ky migrate"
        return SchemaError(store=known.store, problem=problem)
    return known


def _of_another_thread() -> OptionInvalid:
    expected = "one that this thread has opened: sqlite3 lets no other thread use it"
    return OptionInvalid(option="connection", value="of another thread", expected=expected)


def callers_session(connection: Any, translate: Translate, *, reads: bool) -> Session:
    """Make a session of a caller's connection, in its transaction.

    Raises:
        OptionInvalid: It is of no kind known here, or would commit each statement on its own (unless it only
            ``reads``).
    """
    translate = partial(caller_error, translate=translate)
    if isinstance(connection, sqlite3.Connection):
        return CallersSession(_in_transaction(connection, reads=reads), translate, reads=reads)
    if "aiosqlite.Connection" in kinds_of(connection):
        return AiosqliteSession(_in_transaction(connection, reads=reads), translate, reads=reads)
    if (known := sqlalchemy_of(connection)) is not None:
        return _of_sqlalchemy(known, translate, reads=reads)
    raw = django_of(connection, reads=reads)
    if not isinstance(raw, sqlite3.Connection):
        raise unknown_kind(connection, EXPECTED)
    return CallersSession(raw, translate, reads=reads)


def _of_sqlalchemy(connection: Any, translate: Translate, *, reads: bool) -> Session:
    if connection.dialect.driver != "pysqlite":
        raise unknown_kind(connection, EXPECTED)
    if not connection.in_transaction():
        connection.begin()
    _in_transaction(connection.connection.dbapi_connection, reads=reads)

    def of_driver(error: Exception) -> Exception:
        # SQLAlchemy's own has the statement's parameters in its text, which may be secret.
        return translate(getattr(error, "orig", None) or error)

    return SqlalchemySession(connection, of_driver, reads=reads)


def _in_transaction(connection: Any, *, reads: bool) -> Any:
    """Return a connection of sqlite3's, or of aiosqlite's, whose next statement doesn't commit itself."""
    try:
        alone = not connection.in_transaction and (
            connection.isolation_level is None or getattr(connection, "autocommit", None) is True
        )
    except (sqlite3.ProgrammingError, ValueError) as error:  # what each of them raises once it is closed
        if str(error).startswith(OTHER_THREAD):  # from Python 3.12 on
            raise _of_another_thread() from error
        refuse_unfit(closed=True, alone=False)
    if alone and not reads:
        expected = "one in a transaction: it commits each statement on its own; execute BEGIN first"
        raise OptionInvalid(
            option="connection", value="outside a transaction (autocommit)", expected=expected
        )
    return connection


class CallersSession(SqliteSession):
    """A session on a caller's ``sqlite3.Connection``, in the transaction that its next commit ends."""

    def cursor(self) -> Any:
        """See ``BlockingSession.cursor``."""
        cursor = self._begun().cursor()
        cursor.row_factory = None  # the caller's may make anything of a row
        return cursor

    async def execute_many(self, text: str, parameters: Iterable[Sequence[Any]]) -> int:
        """See ``SqlSession.execute_many``."""
        if self.connection.isolation_level is None:
            self._begun()
        # It begins: a transaction's first write waits for others.
        return int(self.connection.executemany(text, parameters).rowcount)

    def _begun(self) -> Any:
        if not self.reads and not self.connection.in_transaction:
            self.connection.execute(BEGIN)
        return self.connection


class SqlalchemySession(CallersSession):
    """A session on SQLAlchemy's ``Connection``, which logs what is run, and knows of its transaction."""

    async def execute(self, text: str, parameters: Sequence[Any] = ()) -> Reply:
        """See ``SqlSession.execute``."""
        result = self._begun().exec_driver_sql(text, tuple(parameters))
        return (result.fetchall() if result.returns_rows else ()), result.rowcount

    async def execute_many(self, text: str, parameters: Iterable[Sequence[Any]]) -> int:
        """See ``SqlSession.execute_many``."""
        if self.connection.connection.dbapi_connection.isolation_level is None:
            self._begun()
        return int(self.connection.exec_driver_sql(text, list(map(tuple, parameters))).rowcount)

    def _begun(self) -> Any:
        if not self.reads and not self.connection.connection.dbapi_connection.in_transaction:
            self.connection.exec_driver_sql(BEGIN)
        return self.connection


class AiosqliteSession(CallersSession):
    """A session on an ``aiosqlite.Connection``."""

    blocks = False

    async def execute(self, text: str, parameters: Sequence[Any] = ()) -> Reply:
        """See ``SqlSession.execute``."""
        cursor = await self.connection.cursor()
        cursor.row_factory = None
        if not self.reads and not self.connection.in_transaction:
            await cursor.execute(BEGIN)
        await cursor.execute(text, parameters)
        return (await cursor.fetchall() if cursor.description else ()), cursor.rowcount

    async def execute_many(self, text: str, parameters: Iterable[Sequence[Any]]) -> int:
        """See ``SqlSession.execute_many``."""
        cursor = await self.connection.cursor()
        await cursor.executemany(text, parameters)
        return int(cursor.rowcount)
