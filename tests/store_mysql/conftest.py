"""A real server for these tests: a throw-away one, or that of ``SP00KY_TEST_MYSQL``."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pymysql
import pytest
from pymysql.constants import CLIENT
from tests.mariadb import NO_MARIADB, MariadbServer, is_installed

from sp00ky_core.job.job import NewJob
from sp00ky_core.ports import JobTable, StoreOptions
from sp00ky_core.stores.ids import new_key
from sp00ky_store_mysql import MysqlStore
from sp00ky_store_mysql.url import address_of

SERVER = "SP00KY_TEST_MYSQL"
"""Names a server, for this process and those that tests start."""


def url_of(database: str, server: str | None = None) -> str:
    """A store's URL, for a database on the server of these tests."""
    return urlunsplit(urlsplit(server or os.environ[SERVER])._replace(path=f"/{database}"))


def connect(database: str, **options: Any) -> Any:
    """A blocking connection past the store, which commits each statement."""
    driver = {key: value for key, value in address_of(url_of(database)).driver.items() if value}
    if database == "none":
        del driver["database"]
    flags = CLIENT.FOUND_ROWS | CLIENT.MULTI_STATEMENTS
    return pymysql.connect(
        **{"charset": "utf8mb4", "autocommit": True, "client_flag": flags, **driver, **options}
    )


def run(database: str, text: str, parameters: Any = None) -> tuple[Any, ...]:
    """Run a statement past the store; its rows."""
    with closing(connect(database)) as connection, connection.cursor() as cursor:
        cursor.execute(text, parameters)
        return tuple(cursor.fetchall())


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The server's URL, with any database."""
    if SERVER in os.environ:
        yield os.environ[SERVER]
        return
    if not is_installed():
        pytest.skip(NO_MARIADB)
    with tempfile.TemporaryDirectory(prefix="sp00ky-mariadb", ignore_cleanup_errors=True) as folder:
        mariadb = MariadbServer(Path(folder))
        mariadb.start()
        os.environ[SERVER] = mariadb.url("none")
        try:
            yield os.environ[SERVER]
        finally:
            del os.environ[SERVER]
            mariadb.kill()


@pytest.fixture
def database(server: str) -> Iterator[str]:
    """A database of the test's own."""
    name = f"test_{new_key()[-12:]}"
    run("none", f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
    yield name
    run("none", f"DROP DATABASE `{name}`")


@pytest.fixture
def options(database: str) -> StoreOptions:
    return StoreOptions(url=url_of(database), tables=(JobTable(backend="api", table="job"),))


Sql = Callable[..., tuple[Any, ...]]


@pytest.fixture
def sql(database: str) -> Sql:
    """Runs statements past the store."""
    return lambda text, parameters=None: run(database, text, parameters)


async def migrated(options: StoreOptions) -> MysqlStore:
    store = MysqlStore(options)
    await store.open()
    await store.migrate()
    return store


@pytest.fixture
async def store(options: StoreOptions) -> AsyncIterator[MysqlStore]:
    store = await migrated(options)
    yield store
    await store.close()


@pytest.fixture
def connection(database: str) -> Iterator[Any]:
    with closing(connect(database, autocommit=False)) as connection:
        yield connection


def new_job(**fields: Any) -> NewJob:
    return NewJob(**{"backend": "api", "path": "/a", "payload": {}, **fields})
