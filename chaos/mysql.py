"""MariaDB: a server of the test's own."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import asyncmy  # type: ignore[import-untyped]  # it carries no types
import pymysql  # type: ignore[import-untyped]  # it carries no types
from tests.mariadb import NO_MARIADB, MariadbServer, is_installed

from chaos.database import Transactions
from chaos.project import TABLES
from chaos.sql_rows import SqlRows
from sp00ky_store_mysql.url import address_of

__all__ = ["Mysql", "mysql", "why_no_mysql"]

DURABLE = ("--innodb-flush-log-at-trx-commit=1",)
"""What was committed outlives a crash: the servers of other tests needn't."""

MOVES = """
CREATE TABLE chaos_move (
    seq BIGINT PRIMARY KEY AUTO_INCREMENT, at DOUBLE NOT NULL, job VARCHAR(400) NOT NULL,
    `before` TEXT, after TEXT, epoch_before BIGINT, epoch_after BIGINT, runner TEXT
)
"""

NOW = "unix_timestamp(sysdate(6))"

TRIGGER = """
CREATE TRIGGER chaos_move_{table} AFTER UPDATE ON {table} FOR EACH ROW IF OLD.status <> NEW.status THEN
    INSERT INTO chaos_move (at, job, `before`, after, epoch_before, epoch_after, runner) VALUES (
        {now}, concat('{table}:', NEW.id), OLD.status, NEW.status,
        OLD.lease_epoch, NEW.lease_epoch, coalesce(NEW.runner_id, OLD.runner_id)
    );
END IF
"""


class Mysql(SqlRows):
    """See ``Database``."""

    job_id, n = "concat('{table}:', id)", "json_value(payload, '$.n')"
    why_no_restart = ""
    why_not_full = "its files are on no disk of their own"

    def __init__(self, server: MariadbServer) -> None:
        self._server = server

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(str(self._server.socket))

    def url(self, port: int) -> str:
        return f"mariadb://root@127.0.0.1:{port}/app"

    async def stop(self) -> None:
        await asyncio.to_thread(self._server.kill)

    async def start(self) -> None:
        if self._server.process is None:
            await asyncio.to_thread(self._server.start)

    def fill(self) -> None:
        """Never called."""

    def free(self) -> None:
        """Nothing to give back."""

    async def execute(self, script: str) -> None:
        await self.fetch(script)

    async def fetch(self, query: str) -> Sequence[Any]:
        return await asyncio.to_thread(self._fetch, query)

    async def record_moves(self) -> None:
        for statement in (MOVES, *(TRIGGER.format(table=table, now=NOW) for table in TABLES)):
            await self.execute(statement)

    def transactions(self, url: str) -> Transactions | None:

        @asynccontextmanager
        async def begin() -> AsyncIterator[tuple[Any, Any]]:
            connection = await asyncmy.connect(**address_of(url).driver, connect_timeout=5, read_timeout=10)
            try:
                await connection.begin()
                yield connection, connection  # which commits and rolls back
            finally:
                connection.close()

        return begin

    def _fetch(self, statement: str) -> Sequence[Any]:
        options = {"user": "root", "database": "app", "autocommit": True}
        cursors = {"cursorclass": pymysql.cursors.DictCursor}
        with closing(
            pymysql.connect(unix_socket=str(self._server.socket), **options, **cursors)
        ) as connection:
            cursor = connection.cursor()
            cursor.execute(statement)
            rows: Sequence[Any] = cursor.fetchall()
            return rows


def why_no_mysql() -> str:
    """Say what is missing for it; empty: nothing."""
    return "" if is_installed() else NO_MARIADB


@asynccontextmanager
async def mysql() -> AsyncIterator[Mysql]:
    """A server with a database of the test's own."""
    with tempfile.TemporaryDirectory(prefix="sp00ky-chaos") as folder:
        server = MariadbServer(Path(folder), DURABLE)
        try:
            await asyncio.to_thread(server.start)
            server.run("CREATE DATABASE app CHARACTER SET utf8mb4")
            yield Mysql(server)
        finally:
            server.kill()
