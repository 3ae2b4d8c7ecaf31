"""A place in which a page's blocks run: a folder, a database, a backend, a namespace."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import copy
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import pytest
from click.testing import CliRunner

import sp00ky_core
from sp00ky_core import Outbox
from sp00ky_core.cli.app import cli
from sp00ky_core.stores.ids import new_key

SHOP = Path(__file__).parents[2] / "docs" / "recipes" / "shop"


class Shop:
    """The backend that the recipes call: it keeps what arrives, and answers 200 or what ``answers`` says."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, Any]] = []
        self.answers: dict[str, int] = {}
        shop = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:  # the name that http.server calls
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                shop.requests.append((self.path, body))
                self.send_response(shop.answers.get(self.path, 200))
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                """Write nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def bodies(self, path: str) -> list[Any]:
        """Return what arrived at a route."""
        return [body for at, body in self.requests if at == path]

    def paths_of(self, **member: object) -> list[str]:
        """Return the routes at which bodies with that member arrived, in order."""
        return [at for at, body in self.requests if member.items() <= body.items()]


@pytest.fixture
def backend() -> Iterator[Shop]:
    """The shop, served by a thread, for the blocks have event loops of their own."""
    shop = Shop()
    with shop.server:
        thread = threading.Thread(target=shop.server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield shop
        shop.server.shutdown()
        thread.join()


@pytest.fixture
def database_url(dsn: str) -> Iterator[str]:
    """The URL of a database of this page's own."""
    name = f"page_{new_key()[-12:]}".lower().replace("-", "_")
    asyncio.run(_execute(dsn, f"CREATE DATABASE {name}"))
    before, _, query = dsn.partition("?")
    yield f"{before.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")
    asyncio.run(_execute(dsn, f"DROP DATABASE {name} WITH (FORCE)"))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


@pytest.fixture
def page(request: pytest.FixtureRequest) -> Path:
    """Return the page that is tried."""
    path: Path = request.param
    return path


@pytest.fixture
def project(
    page: Path, tmp_path: Path, database_url: str, backend: Shop, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """Stand in a page's project, its tables made; returns the names that its blocks know.

    That is the recipes' shop, elsewhere what ``sp00ky init`` writes, on PostgreSQL.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("SP00KY_STORE", database_url)
    if page.parent == SHOP.parent:
        for name in ("sp00ky.yml", "openapi.yml"):
            copy(SHOP / name, tmp_path / name)
    else:
        CliRunner().invoke(cli, ["init"], catch_exceptions=False)
    file = tmp_path / "sp00ky.yml"
    file.write_text(file.read_text().replace("http://127.0.0.1:3660", backend.url))
    asyncio.run(_migrate())

    @asynccontextmanager
    async def connected() -> AsyncIterator[Any]:
        connection = await asyncpg.connect(database_url)
        try:
            yield connection
        finally:
            await connection.close()

    def execute(statement: str) -> None:
        asyncio.run(_execute(database_url, statement))

    return {
        **{name: getattr(sp00ky_core, name) for name in ("NewJob", "Outbox", "JobQuery", "PayloadInvalid")},
        "asyncio": asyncio,
        "timedelta": timedelta,
        "Path": Path,
        "backend": backend,
        "connected": connected,
        "execute": execute,
        "url": database_url,
    }


async def _migrate() -> None:
    async with Outbox.open("sp00ky.yml") as outbox:
        await outbox.migrate()
