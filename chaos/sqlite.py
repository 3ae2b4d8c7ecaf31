"""A file of SQLite: there is no server to break, and no socket between it and those who use it."""

import asyncio
import sqlite3
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from chaos.database import Transactions
from chaos.project import TABLES
from chaos.sql_rows import SqlRows

__all__ = ["Sqlite", "sqlite"]

NO_SERVER = "a file has no server"

NOW = "(julianday('now') - 2440587.5) * 86400.0"
"""Seconds since the epoch, to the millisecond."""

MOVES = """
CREATE TABLE chaos_move (
    seq INTEGER PRIMARY KEY, at REAL NOT NULL, job TEXT NOT NULL,
    before TEXT, after TEXT, epoch_before INTEGER, epoch_after INTEGER, runner TEXT
);
"""

TRIGGER = """
CREATE TRIGGER chaos_move_{table} AFTER UPDATE OF status ON {table} WHEN old.status <> new.status BEGIN
    INSERT INTO chaos_move (at, job, before, after, epoch_before, epoch_after, runner) VALUES (
        {now}, '{table}:' || new.id, old.status, new.status,
        old.lease_epoch, new.lease_epoch, coalesce(new.runner_id, old.runner_id)
    );
END;
"""


class Sqlite(SqlRows):
    """See ``Database``."""

    job_id, n, place = "'{table}:' || id", "payload ->> 'n'", "ordering_at / 1e6"
    why_no_restart = NO_SERVER
    why_not_full = NO_SERVER

    def __init__(self, file: Path) -> None:
        self._file = file

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """See ``Database.connect``: nobody does."""
        raise ConnectionRefusedError(NO_SERVER)

    def url(self, port: int) -> str:
        """See ``Database.url``; no port leads to a file."""
        return f"sqlite:///{self._file}"

    async def stop(self) -> None:
        """Nothing runs."""

    async def start(self) -> None:
        """Nothing has to run."""

    def fill(self) -> None:
        """Never called."""

    def free(self) -> None:
        """Nothing to give back."""

    async def execute(self, script: str) -> None:
        await asyncio.to_thread(self._execute, script)

    async def record_moves(self) -> None:
        await self.execute(MOVES + "".join(TRIGGER.format(table=table, now=NOW) for table in TABLES))

    async def fetch(self, query: str) -> list[Any]:
        return await asyncio.to_thread(self._fetch, query)

    def transactions(self, url: str) -> Transactions | None:
        """See ``Database.transactions``: the store takes callers' connections, of the thread that calls."""
        return None

    def _execute(self, script: str) -> None:
        with closing(sqlite3.connect(self._file, timeout=30)) as connection:
            connection.executescript(script)

    def _fetch(self, query: str) -> list[Any]:
        with closing(sqlite3.connect(self._file, timeout=30)) as connection:
            connection.row_factory = sqlite3.Row
            return connection.execute(query).fetchall()


@asynccontextmanager
async def sqlite() -> AsyncIterator[Sqlite]:
    """A file of the test's own."""
    with tempfile.TemporaryDirectory(prefix="sp00ky-chaos") as folder:
        yield Sqlite(Path(folder) / "app.db")
