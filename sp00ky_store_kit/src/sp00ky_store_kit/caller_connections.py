"""Work on connections that callers bring, of libraries that aren't imported here."""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from typing import Any, cast

from sp00ky_core.errors import OptionInvalid

__all__ = ["django_of", "kinds_of", "refuse_asynchronous", "refuse_synchronous"]
__all__ += ["refuse_unfit", "sqlalchemy_of", "unknown_kind"]

ASYNCHRONOUS = frozenset(
    {
        "asyncpg.Connection",
        "asyncpg.PoolConnectionProxy",
        "psycopg.AsyncConnection",
        "psycopg.AsyncCursor",
        "sqlalchemy.AsyncConnection",
        "sqlalchemy.AsyncSession",
        "sqlalchemy.async_scoped_session",
        "aiosqlite.Connection",
        "asyncmy.Connection",
        "aiomysql.Connection",
        "surrealdb.AsyncSurrealTransaction",
    }
)

SQLALCHEMY = frozenset({"sqlalchemy.Connection", "sqlalchemy.Session", "sqlalchemy.scoped_session"})
DJANGO = frozenset({"django.BaseDatabaseWrapper", "django.ConnectionProxy"})
BLOCKING_DRIVERS = frozenset(
    {
        "psycopg.Connection",
        "psycopg.Cursor",
        "sqlite3.Connection",
        "pymysql.Connection",
        "MySQLdb.Connection",
    }
)
SYNCHRONOUS = SQLALCHEMY | DJANGO | BLOCKING_DRIVERS


def kinds_of(connection: object) -> frozenset[str]:
    """Return the names of its class and its bases, each after its package: ``psycopg.Connection``."""
    return _kinds_of(cast("Hashable", type(connection)))


@lru_cache(maxsize=256)
def _kinds_of(kind: Hashable) -> frozenset[str]:
    mro = cast("type", kind).__mro__
    return frozenset(f"{base.__module__.partition('.')[0]}.{base.__name__}" for base in mro)


def sqlalchemy_of(connection: Any) -> Any | None:
    """Return the SQLAlchemy connection that it is, or that a session has; None: it is of another library.

    Raises:
        OptionInvalid: it is closed, or has lost its transaction.
    """
    kinds = kinds_of(connection)
    if kinds.isdisjoint(SQLALCHEMY):
        return None
    if "sqlalchemy.Connection" not in kinds:
        connection = connection.connection()  # of the session's transaction, which begins if none has
    if connection.invalidated:
        expected = "one that is connected: its transaction is lost; roll it back and repeat it"
        raise OptionInvalid(option="connection", value="invalidated", expected=expected)
    refuse_unfit(closed=connection.closed, alone=False)
    return connection


def django_of(connection: Any, *, reads: bool = False) -> Any | None:
    """Return the driver's connection that Django's has; None: it is of another library.

    Where a connection is lost Django makes another, which commits each statement: so a lost one is refused.

    Raises:
        OptionInvalid: it is outside a transaction (unless it ``reads``), in one that was lost or failed, or
            in asynchronous code.
    """
    if kinds_of(connection).isdisjoint(DJANGO):
        return None
    before = connection.connection
    _connect_django(connection)
    refuse_unfit(closed=False, alone=not reads and connection.autocommit, blocking=True)
    refuse_unfit(closed=connection.connection is not before and not reads, alone=False)
    if connection.needs_rollback:
        expected = "one without an error before: leave the atomic() block, and repeat it"
        raise OptionInvalid(option="connection", value="in a transaction that failed", expected=expected)
    return connection.connection


def _connect_django(connection: Any) -> None:
    """Connect, if need be; Django refuses that in an event loop's thread, and in another than its own."""
    try:
        connection.ensure_connection()
        connection.validate_thread_sharing()
    except Exception as error:
        if type(error).__name__ != "SynchronousOnlyOperation":
            raise
        expected = "synchronous code around the whole transaction: await sync_to_async(function)()"
        raise OptionInvalid(option="connection", value="in asynchronous code", expected=expected) from error


def refuse_unfit(*, closed: bool, alone: bool, blocking: bool = False) -> None:
    """Refuse a connection before anything is written: what can't be rolled back is in no transaction.

    ``blocking``: a ``SyncOutbox`` was called, which takes ``autocommit`` instead.
    """
    if closed:
        raise OptionInvalid(option="connection", value="closed", expected="an open one")
    if alone:
        instead = "pass autocommit=True instead of it" if blocking else "leave `connection` out"
        raise OptionInvalid(
            option="connection",
            value="outside a transaction (autocommit)",
            expected=f"one within a transaction; for a job that is no part of one, {instead}",
        )


def refuse_asynchronous(connection: object) -> None:
    """Refuse an asynchronous connection. Raises ``OptionInvalid``."""
    if not kinds_of(connection).isdisjoint(ASYNCHRONOUS):
        expected = "a synchronous one; with this one, use Outbox and await its calls"
        raise OptionInvalid(option="connection", value=_named(connection), expected=expected)


def refuse_synchronous(connection: object) -> None:
    """Refuse a synchronous connection, which would block the event loop. Raises ``OptionInvalid``."""
    if not kinds_of(connection).isdisjoint(SYNCHRONOUS):
        expected = "an asynchronous one; with this one, use SyncOutbox (sp00ky_core.sync)"
        raise OptionInvalid(option="connection", value=_named(connection), expected=expected)


def unknown_kind(connection: object, expected: str) -> OptionInvalid:
    """Return the error that names its class; not its ``repr``, which may hold a DSN."""
    return OptionInvalid(option="connection", value=_named(connection), expected=expected)


def _named(connection: object) -> str:
    return f"of type {type(connection).__module__}.{type(connection).__qualname__}"[:80]
