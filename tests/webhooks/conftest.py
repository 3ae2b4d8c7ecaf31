"""Outboxes with webhooks on every store, and a receiver that answers as a test wants."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import attrs
import psycopg
import pytest
from aiohttp import web
from tests.mariadb import NO_MARIADB, MariadbServer, is_installed
from tests.postgres import server_url

from sp00ky_core import Outbox
from sp00ky_core.job.job import Job
from sp00ky_core.runner import RunnerOptions
from sp00ky_webhooks import Webhooks

FAST = RunnerOptions(poll=0.2, grace=5.0)
SETTINGS = "allowPrivate: [127.0.0.0/8], schedule: [0s, 0s, 0s]"
FILE = """\
backends:
  hooks: {{baseUrl: "webhook://endpoints", method: {{type: outbox, table: webhook}}, timeout: 5s}}
store: "{store}"
webhooks: {{{settings}}}
"""


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    with server_url() as url:
        yield url


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariadbServer]:
    if not is_installed():
        pytest.skip(NO_MARIADB)
    with tempfile.TemporaryDirectory(prefix="sp00ky-hooks") as folder:
        server = MariadbServer(Path(folder))
        server.start()
        yield server
        server.kill()


def new_postgres_database(request: pytest.FixtureRequest) -> str:
    server, name = request.getfixturevalue("postgres_server"), f"hooks_{uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    parts = server.split("?")
    return "?".join([f"{parts[0].rpartition('/')[0]}/{name}", *parts[1:]])


def _mariadb(request: pytest.FixtureRequest) -> str:
    server, name = request.getfixturevalue("mariadb_server"), f"hooks_{uuid4().hex}"
    server.run(f"CREATE DATABASE {name}")
    return str(server.url(name))


@pytest.fixture(params=["memory", "sqlite", "postgres", "mariadb", "surreal"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store's URL, of each kind."""
    if request.param == "postgres":
        return new_postgres_database(request)
    if request.param == "mariadb":
        return _mariadb(request)
    if request.param == "surreal":
        return str(request.getfixturevalue("surreal_url"))
    return "memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/jobs.db"


@pytest.fixture
def memory_url() -> str:
    """A store's URL where any will do."""
    return "memory://"


@attrs.define
class Bench:
    """An outbox with webhooks."""

    outbox: Outbox
    webhooks: Webhooks

    async def ended(self, *job_ids: str) -> list[Job]:
        """Wait until deliveries have ended."""
        return [await self.outbox.wait(job_id, timeout=30) for job_id in job_ids]


MakeBench = Callable[..., Any]


@pytest.fixture
async def make_bench(tmp_path: Path) -> AsyncIterator[MakeBench]:
    """Make a bench on a store; ``settings`` of ``webhooks:``."""
    opened: list[Outbox] = []

    async def make(store: str, settings: str = SETTINGS) -> Bench:
        file = tmp_path / "sp00ky.yml"
        file.write_text(FILE.format(store=store, settings=settings))
        outbox = Outbox.open(file)
        await outbox.__aenter__()
        opened.append(outbox)
        await outbox.migrate()
        return Bench(outbox, outbox.extension(Webhooks))

    yield make
    for outbox in opened:
        await outbox.__aexit__(None, None, None)


@pytest.fixture
async def bench(make_bench: MakeBench, store_url: str) -> Any:
    """A bench on each store."""
    return await make_bench(store_url)


@pytest.fixture
async def memory_bench(make_bench: MakeBench) -> Any:
    """A bench where any store will do."""
    return await make_bench("memory://")


@attrs.define
class Receiver:
    """A server on loopback: answers by path, and keeps what it was sent."""

    url: str = ""
    answers: dict[str, Any] = attrs.field(factory=dict)
    requests: list[web.BaseRequest] = attrs.field(factory=list)
    bodies: list[bytes] = attrs.field(factory=list)
    came: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.bodies.append(await request.read())
        self.requests.append(request)
        self.came.set()
        answer = self.answers.get(request.path, 200)
        if callable(answer):
            answer = await answer(request)
        if isinstance(answer, web.Response):
            return answer
        status, headers = answer if isinstance(answer, tuple) else (answer, {})
        return web.Response(status=status, headers=headers)

    def events(self) -> list[Any]:
        return [json.loads(body) for body in self.bodies]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    server = web.ServerRunner(web.Server(made.handle))
    await server.setup()
    site = web.TCPSite(server, "127.0.0.1", 0)
    await site.start()
    port = server.addresses[0][1]
    made.url = f"http://127.0.0.1:{port}"
    yield made
    await server.cleanup()
