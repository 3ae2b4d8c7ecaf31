"""Run a transaction on a file of SQLite: a query may read, and no more."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

from sp00ky_core.ports import QUERY_SECONDS
from sp00ky_store_kit.memory import SqliteDialect

__all__ = ["SqliteSession"]

_NOT_FOR_QUERIES = (
    sqlite3.SQLITE_ATTACH,
    sqlite3.SQLITE_DETACH,
    sqlite3.SQLITE_TRANSACTION,
    sqlite3.SQLITE_SAVEPOINT,
)


def _reads(action: int, _: str | None, value: str | None, *__: str | None) -> int:
    """Deny what ``query_only`` doesn't keep a query from: settings, that one too, and other files."""
    denied = action in _NOT_FOR_QUERIES or (action == sqlite3.SQLITE_PRAGMA and value is not None)
    return sqlite3.SQLITE_DENY if denied else sqlite3.SQLITE_OK


class SqliteSession(SqliteDialect):
    """A session on a ``sqlite3.Connection``, whose queries only read."""

    async def query(self, text: str, limit: int) -> list[Any]:
        """See ``Session.query``; its connection is one for reading."""
        end = time.monotonic() + QUERY_SECONDS
        self.connection.set_progress_handler(lambda: time.monotonic() > end, 10_000)
        self.connection.set_authorizer(_reads)
        try:
            return await super().query(text, limit)
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", None)  # some are of Python's own
            if code == sqlite3.SQLITE_INTERRUPT:
                raise ValueError(f"it takes longer than {QUERY_SECONDS:.0f} seconds") from error
            if code in (sqlite3.SQLITE_AUTH, sqlite3.SQLITE_READONLY):
                raise ValueError("it does more than read") from error
            if code == sqlite3.SQLITE_ERROR and str(error).startswith("no such "):
                raise ValueError(f"there is {error}") from error  # no migration makes it
            raise
        finally:
            self.connection.set_authorizer(None)
            self.connection.set_progress_handler(None, 0)
