"""The examples as they are deployed: processes of their own, a real database, a real backend."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import asyncpg  # type: ignore[import-untyped]  # it carries no types
import attrs
import pytest
import pytest_asyncio
from aiohttp import web
from tests.ports import free_port

from sp00ky_core.stores.ids import new_key

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
"""Seconds in which what must happen has happened, on a slow machine too."""


async def eventually(holds: Callable[[], Awaitable[Any]]) -> Any:
    """What it says when it is true at last."""
    async with asyncio.timeout(PATIENCE):
        while not (value := await holds()):  # noqa: ASYNC110  # another process sends no event here
            await asyncio.sleep(0.02)
    return value


class Spookify:
    """The backend: a real server, whose answers can be held back."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[dict[str, Any]] = []
        self._arrived = asyncio.Condition()
        self._may_answer = asyncio.Semaphore(10_000)

    def hold(self) -> None:
        """Answer nothing from now on but what ``answer`` lets go."""
        self._may_answer = asyncio.Semaphore(0)

    def answer(self) -> None:
        """Let one held answer go."""
        self._may_answer.release()

    async def received(self, count: int) -> None:
        """Return when that many requests have arrived."""
        async with asyncio.timeout(PATIENCE), self._arrived:
            await self._arrived.wait_for(lambda: len(self.requests) >= count)

    async def spookify(self, request: web.Request) -> web.Response:
        payload = await request.json()
        async with self._arrived:
            self.requests.append(payload)
            self._arrived.notify_all()
        await self._may_answer.acquire()
        return web.json_response({"spooky": payload.get("id")})


@attrs.define
class Service:
    """An example that serves."""

    url: str
    client: aiohttp.ClientSession
    process: asyncio.subprocess.Process
    output: Path

    async def post(self, title: str) -> tuple[int, Any]:
        """A new thread: the status, and what came back."""
        async with self.client.post(f"{self.url}/threads", json={"title": title}) as response:
            is_json = response.content_type == "application/json"
            return response.status, await (response.json() if is_json else response.text())

    async def get(self, path: str) -> tuple[int, Any]:
        async with self.client.get(f"{self.url}{path}") as response:
            is_json = response.content_type == "application/json"
            return response.status, await (response.json() if is_json else response.text())

    async def is_refusing(self) -> bool:
        """Whether it accepts no connections any more: it has begun to shut down."""
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", urlsplit(self.url).port)
        except ConnectionError:
            return True
        writer.close()
        return False

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    async def ended(self) -> int:
        """Its exit code."""
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()

    def said(self) -> str:
        return self.output.read_text()


@pytest_asyncio.fixture
async def server(dsn: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A connection to another database of the server than the example's."""
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
def templates(dsn: str) -> Iterator[dict[str, str]]:
    """Databases in which an example's migration ran, by the example's name; filled when one is needed."""
    made: dict[str, str] = {}
    yield made

    async def drop() -> None:
        connection = await asyncpg.connect(dsn)
        for name in made.values():
            await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await connection.close()

    asyncio.run(drop())


@pytest_asyncio.fixture
async def database_url(
    request: pytest.FixtureRequest, dsn: str, server: Any, templates: dict[str, str]
) -> AsyncIterator[str]:
    """A database of this test's own: empty, or as ``migrated`` leaves it."""
    name, template = f"example_{new_key()[-12:]}", "template1"
    if "migrated" in request.fixturenames:
        example = request.getfixturevalue("example")
        if example not in templates:
            templates[example] = await make_template(server, dsn, example)
        template = templates[example]
    await server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield url_of(dsn, name)
    await server.execute(f"DROP DATABASE {name} WITH (FORCE)")


async def make_template(server: Any, dsn: str, example: str) -> str:
    """Run the example's own migration in a new database, twice, as it is with the second deploy."""
    name = f"example_{new_key()[-12:]}"
    await server.execute(f"CREATE DATABASE {name}")
    variables = {"PATH": os.environ["PATH"], "DATABASE_URL": url_of(dsn, name)}
    folder = ROOT / "examples" / example
    is_django = (folder / "manage.py").exists()
    program = ("manage.py", "migrate", "--verbosity=0") if is_django else ("migrate.py",)
    for _ in range(2):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-B", "-W", "error", *program),
            cwd=folder,
            env=variables,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        assert (process.returncode, said) == (0, b"")
    return name


def url_of(dsn: str, database: str) -> str:
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{database}"))


@pytest_asyncio.fixture
async def sql(database_url: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A connection past the example to its database."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
def abandoned(server: Any, database_url: str) -> Callable[[], Awaitable[int]]:
    """How many connections to the example's database were dropped and not closed, once all have ended."""
    name = urlsplit(database_url).path[1:]

    async def sessions_abandoned() -> int:
        gone = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = $1)"
        await eventually(lambda: server.fetchval(gone, name))
        if server.get_server_version() < (14,):
            pytest.skip("PostgreSQL counts them from version 14 on")
        count = "SELECT sessions_abandoned FROM pg_stat_database WHERE datname = $1"
        return int(await server.fetchval(count, name))

    return sessions_abandoned


@pytest_asyncio.fixture
async def backend() -> AsyncIterator[Spookify]:
    spookify = Spookify()
    app = web.Application()
    app.router.add_post("/{route}", spookify.spookify)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    spookify.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield spookify
    await runner.cleanup()


@pytest.fixture
def project(tmp_path: Path, example: str, backend: Spookify) -> Path:
    """A copy of the example that calls the test's backend, one job at a time."""
    folder = shutil.copytree(ROOT / "examples" / example, tmp_path / example)
    edit(folder / "sp00ky.yml", "http://127.0.0.1:3660", backend.url)
    edit(folder / "sp00ky.yml", "concurrency: 20", "concurrency: 1")
    return folder


def edit(file: Path, old: str, new: str) -> None:
    """Replace what stands there once."""
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


@pytest.fixture(name="edit")
def edit_fixture() -> Callable[[Path, str, str], None]:
    return edit


@pytest.fixture(name="eventually")
def eventually_fixture() -> Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]:
    return eventually


@pytest.fixture
def spawn(project: Path, database_url: str, tmp_path: Path) -> Any:
    """Starts Python in the project's folder, with every warning an error; what it says goes to a file."""

    async def spawn(*arguments: str, **environment: str) -> tuple[asyncio.subprocess.Process, Path]:
        output = tmp_path / f"output-{new_key()[-12:]}"
        with output.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-W", "error"),
                *arguments,
                cwd=project,
                env={"PATH": os.environ["PATH"], "DATABASE_URL": database_url, **environment},
                stdout=file,
                stderr=asyncio.subprocess.STDOUT,
            )
        return process, output

    return spawn


@pytest.fixture
def migrated(database_url: str) -> None:
    """The example's own migration ran in the database: see ``make_template``."""


@pytest.fixture
def serving(spawn: Any, migrated: None) -> Any:
    """Starts the example: ``async with serving("main.py") as service``; ``{port}`` is filled in."""

    @asynccontextmanager
    async def serving(*arguments: str) -> AsyncIterator[Service]:
        port = str(free_port())
        process, output = await spawn(*(argument.format(port=port) for argument in arguments), PORT=port)
        async with aiohttp.ClientSession() as client:
            service = Service(f"http://127.0.0.1:{port}", client, process, output)
            try:
                await eventually(lambda: has_started(service))
                yield service
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()

    return serving


async def has_started(service: Service) -> bool:
    assert service.process.returncode is None, service.said()
    return not await service.is_refusing()
