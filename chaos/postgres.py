"""PostgreSQL: a server of the test's own on a small disk, or that of ``SP00KY_TEST_POSTGRES``."""

import asyncio
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg  # type: ignore[import-untyped]  # it carries no types
from tests.postgres import start_server

from chaos.database import Transactions
from chaos.disk import Disk, small_disk
from chaos.project import TABLES
from chaos.sql_rows import SqlRows

__all__ = ["Postgres", "postgres"]

NOT_OURS = "the server is that of SP00KY_TEST_POSTGRES, not the test's own"

SMALL = "max_wal_size=48MB min_wal_size=32MB checkpoint_timeout=30s max_connections=200 shared_buffers=32MB"
"""Settings that let it live on the small disk."""

MOVES = """
CREATE TABLE chaos_move (
    seq bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(), job text NOT NULL,
    before text, after text, epoch_before bigint, epoch_after bigint, runner text
);
CREATE FUNCTION chaos_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos_move (job, before, after, epoch_before, epoch_after, runner) VALUES (
        TG_ARGV[0] || ':' || NEW.id::text, OLD.status, NEW.status, OLD.lease_epoch,
        NEW.lease_epoch, coalesce(NEW.runner_id, OLD.runner_id)
    );
    RETURN NULL;
END $$;
"""

TRIGGER = """
CREATE TRIGGER chaos_move AFTER UPDATE OF status ON {table}
FOR EACH ROW EXECUTE FUNCTION chaos_move('{table}')
"""


class Postgres(SqlRows):
    """See ``Database``; knows a server by its socket or port."""

    job_id, n = "'{table}:' || id::text", "payload ->> 'n'"

    def __init__(self, dsn: str, disk: Disk, own: Any = None) -> None:
        self.dsn = dsn
        self._disk = disk
        self._own = own
        self.why_no_restart = "" if own else NOT_OURS
        self.why_not_full = disk.why_not if own else NOT_OURS

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._own:
            return await asyncio.open_unix_connection(str(self._socket_folder / ".s.PGSQL.5432"))
        parts = urlsplit(self.dsn)
        return await asyncio.open_connection(parts.hostname, parts.port or 5432)

    def url(self, port: int) -> str:
        parts = urlsplit(self.dsn)
        user = parts.netloc.rpartition("@")[0] or "postgres"
        return urlunsplit(parts._replace(netloc=f"{user}@127.0.0.1:{port}", query="sslmode=disable"))

    async def stop(self) -> None:
        await asyncio.to_thread(self._control, "-m", "immediate", "stop")

    async def start(self) -> None:
        if await asyncio.to_thread(self._control, "status"):
            options = f"-h '' -k {self._socket_folder} {_settings()}"
            await asyncio.to_thread(self._control, "-o", options, "-l", "/dev/null", "start")
        while True:
            try:
                connection = await asyncpg.connect(self.dsn)
            except (OSError, asyncpg.PostgresError):  # it recovers, or has no room yet
                await asyncio.sleep(0.02)
            else:
                await connection.close()
                return

    @property
    def _socket_folder(self) -> Path:
        return Path(self._own.get_postmaster_info().socket_dir)

    def _control(self, *words: str) -> int:
        command = [str(self._own.bin_path / "pg_ctl"), "-w", "-D", str(self._own.pgdata), *words]
        user: dict[str, Any] = {"user": self._own.system_user} if self._own.system_user else {}
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        done: subprocess.CompletedProcess[bytes] = subprocess.run(
            command, check=False, cwd="/", **quiet, **user
        )
        return done.returncode

    def fill(self) -> None:
        self._disk.fill()

    def free(self) -> None:
        self._disk.free()

    async def record_moves(self) -> None:
        triggers = ";".join(TRIGGER.format(table=table) for table in TABLES)
        await self._fetch(MOVES + triggers, script=True)

    async def execute(self, script: str) -> None:
        await self._fetch(script, script=True)

    async def fetch(self, query: str) -> Any:
        return await self._fetch(query)

    async def _fetch(self, statement: str, *, script: bool = False) -> Any:
        connection = await asyncpg.connect(self.dsn)
        try:
            return await (connection.execute(statement) if script else connection.fetch(statement))
        finally:
            await connection.close()

    def transactions(self, url: str) -> Transactions | None:

        @asynccontextmanager
        async def begin() -> AsyncIterator[tuple[Any, Any]]:
            connection = await asyncpg.connect(url, timeout=5, command_timeout=10, statement_cache_size=0)
            try:
                transaction = connection.transaction()
                await transaction.start()
                yield connection, transaction
            finally:
                connection.terminate()

        return begin


def _settings() -> str:
    return " ".join(f"-c {setting}" for setting in SMALL.split())


@asynccontextmanager
async def postgres() -> AsyncIterator[Postgres]:
    """A database of the test's own."""
    external = os.environ.get("SP00KY_TEST_POSTGRES")
    if external:
        async with _database_of(external) as url:
            yield Postgres(url, Disk(Path(), NOT_OURS))
        return
    with (
        tempfile.TemporaryDirectory(prefix="sp00ky-chaos", ignore_cleanup_errors=True) as folder,
        small_disk(Path(folder)) as disk,
    ):
        server = start_server(disk.folder)
        database = Postgres(server.get_uri(), disk, server)
        try:
            await database.stop()  # and start it with the settings for a small disk
            await database.start()
            yield database
        finally:
            disk.free()
            await database.stop()


@asynccontextmanager
async def _database_of(url: str) -> AsyncIterator[str]:
    name = f"sp00ky_chaos_{uuid4().hex[:8]}"
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
        yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()
