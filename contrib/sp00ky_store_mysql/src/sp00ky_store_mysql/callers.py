"""Run in the transactions of callers' connections: of SQLAlchemy, Django, PyMySQL, asyncmy and the like."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from sp00ky_core.errors import SchemaError, StoreError, StoreUnavailable
from sp00ky_store_kit import BlockingSession, Session
from sp00ky_store_kit.caller_connections import (
    django_of,
    kinds_of,
    refuse_unfit,
    sqlalchemy_of,
    unknown_kind,
)
from sp00ky_store_mysql.dialect import MysqlDialect
from sp00ky_store_mysql.session import MysqlSession

__all__ = ["callers_session", "BlockingCaller", "AwaitedCaller"]

EXPECTED = (
    "one on MySQL: SQLAlchemy's (on PyMySQL, mysqlclient, asyncmy or aiomysql), Django's, or one of these "
    "drivers' own"
)

BLOCKING = ("pymysql.Connection", "MySQLdb.Connection")
AWAITED = ("asyncmy.Connection", "aiomysql.Connection")
SESSIONS = ("sqlalchemy.AsyncSession", "sqlalchemy.async_scoped_session")

IN_TRANSACTION = 1
"""The flag of a connection's status."""

Translate = Callable[[Exception], Exception]


def caller_error(error: Exception, translate: Translate) -> Exception:
    """Return the project's error for what a caller's connection raised: a later call can't mend it."""
    known = translate(error)
    if isinstance(known, SchemaError):
        problem = f"{known.problem}, if your connection is to the database of {known.store}"
        return SchemaError(store=known.store, problem=problem)
    if isinstance(known, StoreUnavailable):
        problem = f"{known.problem}; roll your transaction back and repeat it"
        return StoreError(store=known.store, problem=problem)
    return known


def callers_session(connection: Any, translate: Translate, *, reads: bool) -> Session:
    """Make a session of a caller's connection, in its transaction.

    Raises:
        OptionInvalid: It is of no kind known here, or would commit each statement on its own (unless it only
            ``reads``).
    """
    translate = partial(caller_error, translate=translate)
    kinds = kinds_of(connection)
    if not kinds.isdisjoint((*AWAITED, *SESSIONS, "sqlalchemy.AsyncConnection")):
        return AwaitedCaller(connection, translate, reads=reads)
    if (known := sqlalchemy_of(connection)) is not None:
        if not known.in_transaction():
            known.begin()  # else a commit of SQLAlchemy's would do nothing
        connection = known.connection.dbapi_connection
    elif (raw := django_of(connection, reads=reads)) is not None:
        connection = raw
    if kinds_of(connection).isdisjoint(BLOCKING):
        raise unknown_kind(connection, EXPECTED)
    return BlockingCaller(fit(connection, reads=reads), translate)


def fit(connection: Any, *, reads: bool) -> Any:
    """Return a driver's connection whose next statement doesn't commit itself. Raises ``OptionInvalid``."""
    is_open = getattr(connection, "open", True) and getattr(connection, "connected", True)
    refuse_unfit(closed=not is_open or getattr(connection, "closed", False), alone=False)
    begun = (getattr(connection, "server_status", None) or 0) & IN_TRANSACTION
    refuse_unfit(closed=False, alone=not reads and not begun and connection.get_autocommit())
    return connection


class CallersDialect(MysqlDialect):
    """Has what sessions on callers' connections have in common.

    A locking read sees what others have committed since the transaction began, and waits for them; MariaDB
    would end the transaction instead, where it isn't told.
    """

    before_locking = "/*M!110402 SET STATEMENT innodb_snapshot_isolation = OFF FOR */ "
    locking = " LOCK IN SHARE MODE"
    connection: Any

    def cursor(self) -> Any:
        """See ``BlockingSession.cursor``: its rows are tuples, whatever those of the caller's are."""
        package = type(self.connection).__module__.partition(".")[0]
        return self.connection.cursor(import_module(f"{package}.cursors").Cursor)


class BlockingCaller(CallersDialect, BlockingSession):
    """A session on a caller's blocking connection."""

    waits = True


class AwaitedCaller(CallersDialect, MysqlSession):
    """A session on a caller's asynchronous connection, which SQLAlchemy may have to be asked for."""

    async def join(self) -> None:
        """See ``Session.join``."""
        connection, kinds = self.connection, kinds_of(self.connection)
        if not kinds.isdisjoint(SESSIONS):
            connection = await connection.connection()
        if kinds.isdisjoint(AWAITED):
            if not connection.in_transaction():
                await connection.begin()
            connection = (await connection.get_raw_connection()).driver_connection
        if kinds_of(connection).isdisjoint(AWAITED):
            raise unknown_kind(connection, EXPECTED)
        self.connection = fit(connection, reads=self.reads)
