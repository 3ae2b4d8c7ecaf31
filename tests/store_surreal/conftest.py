"""Stores on an embedded database, and the spec's job table as its documentation has it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from sp00ky_core.ports import JobTable, StoreOptions
from sp00ky_schedules.tables import SCHEDULE_RUNS, SCHEDULES
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.connection.conflict_retries import Connection
from sp00ky_store_surreal.jobs import claim_statement

TABLES = (JobTable(backend="api", table="job"),)

LONGER_THAN_A_PING = 200
"""Bytes; every statement of the store is longer."""


class Proxy:
    """A TCP proxy before a server, whose connections can be cut, held, or cut once a reply comes."""

    def __init__(self, port: int) -> None:
        self._behind = port
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._losing = False
        self.accepted = 0

    @property
    def address(self) -> str:
        """``host:port``."""
        assert self._server is not None
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        """Listen on a free port; with ``tls``, encrypted on the client's side."""
        self._server = await asyncio.start_server(self._link, "127.0.0.1", 0, ssl=tls)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.gather(*self._links, return_exceptions=True)

    def cut(self) -> None:
        """End every connection, with what is under way in it."""
        for link in self._links:
            link.cancel()

    def hold(self) -> None:
        """Take connections and bytes, and pass nothing on: a network that swallows everything."""
        self._flowing.clear()

    def flow(self) -> None:
        """Pass on again, also what was held."""
        self._flowing.set()

    def lose_reply(self) -> None:
        """Cut the connection over which the next statement comes, once the server replies to it."""
        self._losing = True

    def lose_reply_to_write(self, connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
        """Lose the reply to the next statement that a store's connection writes."""
        write = connection.write

        async def lose(*call: Any, **how: Any) -> list[Any]:
            monkeypatch.setattr(connection, "write", write)
            self.lose_reply()
            return await write(*call, **how)

        monkeypatch.setattr(connection, "write", lose)

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._links.add(task)
        self.accepted += 1
        try:
            back_reader, back_writer = await asyncio.open_connection("127.0.0.1", self._behind)
            doomed = asyncio.Event()
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._forward(reader, back_writer, doomed))
                    both.create_task(self._back(back_reader, writer, doomed))
            finally:
                back_writer.transport.abort()
        except* (OSError, EOFError):
            pass
        except* asyncio.CancelledError:
            pass
        finally:
            writer.transport.abort()
            self._links.discard(task)

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, doomed: asyncio.Event
    ) -> None:
        while chunk := await reader.read(65_536):
            await self._flowing.wait()
            if self._losing and len(chunk) > LONGER_THAN_A_PING:
                self._losing = False
                doomed.set()
            writer.write(chunk)
        raise EOFError

    async def _back(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, doomed: asyncio.Event
    ) -> None:
        while chunk := await reader.read(65_536):
            await self._flowing.wait()
            if doomed.is_set():
                raise EOFError
            writer.write(chunk)
        raise EOFError


@pytest.fixture(autouse=True)
def patient_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let claims take long: one that is cut off on a busy machine claims fewer jobs than a test expects."""
    monkeypatch.setattr(claim_statement, "CLAIM_SECONDS", 60.0)


@pytest_asyncio.fixture
async def proxy(surreal_address: str) -> AsyncIterator[Proxy]:
    """Before the server that tests share."""
    proxy = Proxy(int(surreal_address.rpartition(":")[2]))
    await proxy.start()
    yield proxy
    await proxy.stop()


@pytest.fixture
def proxied_url(proxy: Proxy, surreal_url: str) -> str:
    """``surreal_url``, through the proxy."""
    user, _, rest = surreal_url.partition("@")
    return f"{user}@{proxy.address}/{rest.partition('/')[2]}"


@pytest_asyncio.fixture
async def proxied(make_store: Callable[..., SurrealStore], proxied_url: str) -> AsyncIterator[SurrealStore]:
    """An open store with its tables, on the server, through the proxy."""
    store = make_store(proxied_url)
    await store.open()
    await store.migrate()
    yield store
    await store.close()


@pytest.fixture
def spec_schema() -> str:
    """The documentation's schema, to the letter."""
    return (Path(__file__).parent / "spec_job.surql").read_text(encoding="utf-8")


@pytest.fixture
def make_store(tmp_path: Path) -> Callable[..., SurrealStore]:
    """A store that isn't open."""

    def make(url: str = "mem://", tables: tuple[JobTable, ...] = TABLES, **options: Any) -> SurrealStore:
        options = {"extension_tables": (SCHEDULES, SCHEDULE_RUNS), **options}
        return SurrealStore(StoreOptions(url=url, tables=tables, directory=tmp_path, **options))

    return make


@pytest_asyncio.fixture
async def make_migrated(make_store: Callable[..., SurrealStore]) -> AsyncIterator[Any]:
    """Make stores that are open and have their tables, and that are closed with the test."""
    stores: list[SurrealStore] = []

    async def make(url: str = "mem://", tables: tuple[JobTable, ...] = TABLES) -> SurrealStore:
        stores.append(make_store(url, tables))
        await stores[-1].open()
        await stores[-1].migrate()
        return stores[-1]

    yield make
    for store in stores:
        await store.close()


@pytest_asyncio.fixture
async def shared(surreal_url: str, make_migrated: Any) -> SurrealStore:
    """An open store with its tables, on a server."""
    return await make_migrated(surreal_url)  # type: ignore[no-any-return]  # as the fixture has it


@pytest.fixture(params=["embedded", "server"])
def url(request: pytest.FixtureRequest) -> str:
    """An empty database, of each kind."""
    return "mem://" if request.param == "embedded" else str(request.getfixturevalue("surreal_url"))


@pytest_asyncio.fixture
async def store(make_store: Callable[..., SurrealStore], url: str) -> AsyncIterator[SurrealStore]:
    """An open store on an empty database."""
    store = make_store(url)
    await store.open()
    yield store
    await store.close()


@pytest_asyncio.fixture
async def migrated(store: SurrealStore) -> SurrealStore:
    """An open store with its tables."""
    await store.migrate()
    return store


@pytest_asyncio.fixture
async def spec_store(store: SurrealStore, spec_schema: str) -> SurrealStore:
    """An open store on the documentation's table, migrated without repairs."""
    await store._connection.write(spec_schema)
    await store.migrate()
    return store
