"""The SurrealDB server: ``surreal`` from PATH, in memory or on files, or SP00KY_TEST_SURREAL."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from surrealdb import AsyncSurreal

__all__ = ["Surreal", "surreal", "connected", "rows", "is_there"]


class Surreal:
    """A running server, root's."""

    def __init__(self, address: str, kind: str) -> None:
        self.address = address  # user:password@host:port
        self.kind = kind

    @asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        """A store's URL: a new namespace and database, removed at the end."""
        name = f"bench_{uuid4().hex[:8]}"
        url = f"ws://{self.address}/{name}/{name}"
        async with connected(url) as root:
            try:
                yield url
            finally:
                await rows(root, f"REMOVE NAMESPACE IF EXISTS {name}")

    async def version(self) -> str:
        """The version, and where its data is."""
        async with connected(f"ws://{self.address}/main/main") as root:
            return f"{await root.version()}, {self.kind}"


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:  # the SDK's connections have no common type
    """A connection of the SDK's to a store's URL, signed in; an embedded one has no sign-in."""
    parts = urlsplit(url)
    name, _, database = parts.path.strip("/").partition("/")
    async with AsyncSurreal(f"ws://{parts.hostname}:{parts.port}") as connection:
        await connection.signin({"username": parts.username, "password": parts.password})
        await connection.use(name, database)
        yield connection


async def rows(connection: Any, statement: str, **bindings: Any) -> Any:
    """What the last statement returns; all of them must go well."""
    reply = await connection.query_raw(statement, bindings)
    for result in reply.get("result", [{"status": "ERR", "result": reply}]):
        if result["status"] != "OK":
            raise RuntimeError(result["result"])
    return reply["result"][-1]["result"]


def is_there() -> bool:
    """Whether there is a server, or one can be started."""
    return bool(os.environ.get("SP00KY_TEST_SURREAL") or shutil.which("surreal"))


@contextmanager
def surreal(*, on_files: bool = False) -> Iterator[Surreal]:
    """A server for one benchmark; ``on_files`` is always one of our own."""
    external = os.environ.get("SP00KY_TEST_SURREAL")
    if external and not on_files:
        yield Surreal(external.partition("://")[2].rstrip("/"), "as it was found")
        return
    with tempfile.TemporaryDirectory(prefix="sp00ky-surreal", ignore_cleanup_errors=True) as folder:
        path = f"surrealkv://{folder}/data" if on_files else "memory"
        child, port = _start(path)
        try:
            yield Surreal(f"root:root@127.0.0.1:{port}", "surrealkv" if on_files else "memory")
        finally:
            child.terminate()
            child.wait()


def _start(path: str) -> tuple[subprocess.Popen[bytes], int]:
    program = shutil.which("surreal")
    if program is None:
        raise RuntimeError("no `surreal` on PATH: a SurrealDB server can't be started")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = int(found.getsockname()[1])
    where = ["--bind", f"127.0.0.1:{port}", "--log", "error", "--no-banner"]
    command = [program, "start", "--user", "root", "--pass", "root", *where, path]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not _answers(port):
        if child.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("surreal doesn't answer")
        time.sleep(0.05)
    return child, port


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False
