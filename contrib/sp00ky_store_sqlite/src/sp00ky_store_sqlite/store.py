"""Connect to SQLite, translate its errors, signal changes; all else is ``TransactionalStore``."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import ClassVar

import attrs

from sp00ky_core.errors import RowRefused, SchemaError, StoreError, StoreUnavailable
from sp00ky_core.ports import StoreCapabilities, StoreOptions
from sp00ky_store_kit import (
    Access,
    AsyncLane,
    BlockingLane,
    InLanes,
    Session,
    TransactionalStore,
    WriterGate,
)
from sp00ky_store_sqlite.callers import callers_session
from sp00ky_store_sqlite.session import SqliteSession
from sp00ky_store_sqlite.url import path_of

__all__ = ["SqliteStore"]

PATIENCE = 5.0
"""Seconds that a transaction waits for another process's, or a caller's, to end."""

POLL = 0.05
"""Seconds between two looks for other processes' commits; one costs some microseconds, and reads no table."""


class SqliteStore(InLanes, TransactionalStore):
    """Jobs in a file of SQLite, for any number of processes on one machine."""

    capabilities: ClassVar[StoreCapabilities] = attrs.evolve(
        TransactionalStore.capabilities,
        synchronous=True,
        signals_across_processes=True,
        concurrent_writes=False,
    )

    def __init__(self, options: StoreOptions) -> None:
        super().__init__(options)
        self._path = path_of(options)
        gate = WriterGate()
        reader = partial(self._connect, "PRAGMA query_only = ON")
        self.lanes: Mapping[Access, AsyncLane | BlockingLane] = {
            Access.READ: BlockingLane(reader, "BEGIN"),
            Access.QUERY: BlockingLane(reader, "BEGIN"),
            Access.WRITE: BlockingLane(self._connect, "BEGIN IMMEDIATE", gate.passed),
            Access.BEAT: BlockingLane(self._connect, "BEGIN IMMEDIATE", partial(gate.passed, hurry=True)),
        }

    @property
    def location(self) -> str:
        """See ``Store.location``."""
        return f"sqlite:///{self._path}"

    def adopt(self, connection: object, access: Access) -> Session | None:
        """See ``TransactionalStore.adopt``: of sqlite3, aiosqlite, SQLAlchemy on sqlite3, or Django."""
        return callers_session(connection, self.translate, reads=access is Access.READ)

    def translate(self, error: Exception) -> Exception:
        """See ``TransactionalStore.translate``."""
        problem = str(error)
        unwritable = (
            sqlite3.IntegrityError | UnicodeEncodeError | OverflowError
        )  # the latter are of one value
        if isinstance(error, unwritable):
            return RowRefused(store=self.location, problem=problem)
        if not isinstance(error, sqlite3.Error):
            return error
        if problem.startswith(("no such table", "no such column", "table ")):
            return SchemaError(store=self.location, problem=f"{problem}; run: sp00ky migrate")
        if isinstance(error, sqlite3.OperationalError | sqlite3.ProgrammingError):
            return StoreUnavailable(store=self.location, problem=problem)
        return StoreError(store=self.location, problem=problem)

    @asynccontextmanager
    async def own_transaction(self) -> AsyncIterator[sqlite3.Connection]:
        """See ``Transactions.own_transaction``: on a connection of ``sqlite3``."""
        connection = sqlite3.connect(self._path, timeout=PATIENCE, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        finally:
            connection.close()

    async def changes(self) -> AsyncGenerator[None, None]:
        """See ``TransactionalStore.changes``: SQLite counts the commits of other connections."""
        before = None
        while True:
            version = await self.lanes[Access.READ].run(_version)
            if version != before:
                before = version
                yield
            await asyncio.sleep(POLL)

    def _connect(self, setting: str = "PRAGMA synchronous = FULL") -> SqliteSession:
        connection = sqlite3.connect(
            self._path, timeout=PATIENCE, isolation_level=None, check_same_thread=False
        )
        connection.text_factory = lambda text: text.decode(errors="surrogateescape")
        try:
            _use_wal(connection)
            connection.execute(setting)  # by default: what was committed outlives a power cut
        except BaseException:
            connection.close()
            raise
        return SqliteSession(connection, self.translate)


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch a file to WAL, which SQLite refuses without waiting while another connection writes."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            return


async def _version(session: Session) -> int:
    rows, _ = await session.execute("PRAGMA data_version")  # type: ignore[attr-defined]
    return int(rows[0][0])
