"""Run a transaction on SQLite: its types, its clock, and what is in its catalogue."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from sp00ky_core.ports import QUERY_SECONDS
from sp00ky_core.stores.transactional import BlockingSession, Column, Default, Kind

__all__ = ["SqliteSession"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

_NOT_FOR_QUERIES = (
    sqlite3.SQLITE_ATTACH,
    sqlite3.SQLITE_DETACH,
    sqlite3.SQLITE_TRANSACTION,
    sqlite3.SQLITE_SAVEPOINT,
)


def to_microseconds(instant: datetime) -> int:
    """Encode an instant: microseconds since 1970, which sort as instants do."""
    return (instant - EPOCH) // MICROSECOND


def from_microseconds(value: Any) -> Any:
    """Decode an instant; what another client has written otherwise stays as it is."""
    try:
        return EPOCH + timedelta(microseconds=value)
    except (TypeError, ValueError, OverflowError):
        return value


def _reads(action: int, _: str | None, value: str | None, *__: str | None) -> int:
    """Deny what ``query_only`` doesn't keep a query from: settings, that one too, and other files."""
    denied = action in _NOT_FOR_QUERIES or (action == sqlite3.SQLITE_PRAGMA and value is not None)
    return sqlite3.SQLITE_DENY if denied else sqlite3.SQLITE_OK


class SqliteSession(BlockingSession):
    """A session on a ``sqlite3.Connection``."""

    undoes_statements = True
    column_names = "SELECT name FROM pragma_table_info(?)"
    index_names = "SELECT name FROM pragma_index_list(?)"
    if sqlite3.sqlite_version_info < (3, 43):  # it has no octet_length yet
        bytes_of = "length(CAST({} AS BLOB))"
    types: ClassVar[Mapping[Kind, str]] = {
        Kind.TEXT: "TEXT",
        Kind.INTEGER: "INTEGER",
        Kind.REAL: "REAL",
        Kind.JSON: "TEXT",
        Kind.INSTANT: "INTEGER",
    }
    defaults: ClassVar[Mapping[Default, str]] = {
        Default.KEY: "(lower(hex(randomblob(16))))",
        Default.NOW: "(CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER))",
    }
    encoders: ClassVar[Mapping[Kind, Callable[[Any], Any]]] = {Kind.INSTANT: to_microseconds}
    decoders: ClassVar[Mapping[Kind, Callable[[Any], Any]]] = {Kind.INSTANT: from_microseconds}

    def type_of(self, column: Column) -> str:
        """See ``SqlSession.type_of``: a key is text, while any other column may hold anything, on SQLite."""
        text = super().type_of(column)
        return f"{text} CHECK (typeof({column.name}) = 'text')" if column.default is Default.KEY else text

    async def now(self) -> datetime:
        """Read this machine's clock, which is that of every process that can open the file."""
        return datetime.now(UTC)

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
