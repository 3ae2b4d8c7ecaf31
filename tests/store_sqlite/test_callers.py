"""Enqueue in the transaction of a caller's connection: sqlite3, SQLAlchemy, Django, aiosqlite."""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
import sqlalchemy
from tests.callers import (
    BlockingCallers,
    django_alone,
    django_connection,
    django_database,
    engine_of,
    sqlalchemy_connection,
    sqlalchemy_session,
)

from sp00ky_conformance.store.harness import new_job
from sp00ky_core.errors import OptionInvalid, SchemaError
from sp00ky_core.ports import JobQuery, JobTable, StoreOptions
from sp00ky_store_sqlite import SqliteStore

Begin = Callable[[Path], AbstractContextManager[Any]]


def store_in(folder: Path) -> SqliteStore:
    tables = (JobTable(backend="api", table="job"),)
    return SqliteStore(StoreOptions(url="sqlite:///app.db", tables=tables, directory=folder))


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the tables, made once."""
    folder = tmp_path_factory.mktemp("migrated")

    async def migrate() -> None:
        store = store_in(folder)
        await store.open()
        await store.migrate()
        await store.close()

    asyncio.run(migrate())
    return folder / "app.db"


@pytest.fixture
def store(tmp_path: Path, migrated: Path) -> SqliteStore:
    """A store that was never opened: callers' connections are enough."""
    shutil.copy(migrated, tmp_path)
    return store_in(tmp_path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "app.db"


@contextmanager
def sqlite3_connection(file: Path) -> Iterator[Any]:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.row_factory = sqlite3.Row
        yield connection


def url_of(file: Path) -> str:
    return f"sqlite:///{file}"


@contextmanager
def sqlalchemy_with_begin(file: Path) -> Iterator[Any]:
    """As SQLAlchemy's documentation has it, for savepoints that work."""
    with engine_of(url_of(file)) as engine:

        @sqlalchemy.event.listens_for(engine, "connect")
        def _connected(connection: Any, _record: object) -> None:
            connection.isolation_level = None

        @sqlalchemy.event.listens_for(engine, "begin")
        def _begun(connection: Any) -> None:
            connection.exec_driver_sql("BEGIN")

        with engine.connect() as connection:
            yield connection
            connection.commit()


def django_alias(file: Path) -> str:
    return django_database(str(file), ENGINE="django.db.backends.sqlite3", NAME=file)


KINDS: dict[str, Begin] = {
    "sqlite3": sqlite3_connection,
    "sqlalchemy": lambda file: sqlalchemy_connection(url_of(file)),
    "sqlalchemy that begins": sqlalchemy_with_begin,
    "session": lambda file: sqlalchemy_session(url_of(file)),
    "django": lambda file: django_connection(django_alias(file)),
}


@contextmanager
def sqlite3_alone(file: Path) -> Iterator[Any]:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        yield connection


ALONE: dict[str, Begin] = {
    "sqlite3": sqlite3_alone,
    "sqlalchemy": lambda file: sqlalchemy_connection(url_of(file), isolation_level="AUTOCOMMIT"),
    "django": lambda file: django_alone(django_alias(file)),
}


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def begin(request: pytest.FixtureRequest, file: Path) -> Any:
    return partial(request.param, file)


@pytest.fixture
def committed(store: SqliteStore, file: Path) -> Any:
    def read() -> list[Any]:
        with closing(sqlite3.connect(file)) as connection:
            found = store.find_in(connection, JobQuery())
            assert not connection.in_transaction  # a read takes no lock
            return found

    return read


class TestCallers(BlockingCallers):
    @pytest.fixture(params=ALONE.values(), ids=ALONE)
    def alone(self, request: pytest.FixtureRequest, file: Path) -> Any:
        return partial(request.param, file)


def test_a_closed_connection_is_refused(store: SqliteStore, file: Path) -> None:
    with sqlite3_connection(file) as plain, sqlalchemy_session(url_of(file)) as session:
        known = session.connection()
    for connection in (plain, known):
        with pytest.raises(OptionInvalid, match="closed"):
            store.add_in(connection, [new_job()])


async def test_an_asynchronous_connection_is_named(store: SqliteStore, file: Path) -> None:
    async with aiosqlite.connect(file) as connection:
        with pytest.raises(OptionInvalid, match=r"aiosqlite.*expected a synchronous one"):
            store.add_in(connection, [new_job()])
        await store.add([new_job(), new_job()], connection=connection)
        assert len(await store.find(JobQuery(), connection=connection)) == 2


def test_a_connection_of_another_thread_is_refused(store: SqliteStore, file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection, ThreadPoolExecutor(1) as other:
        for call in (
            lambda: store.add_in(connection, [new_job()]),
            lambda: store.get_in(connection, "job:1"),
        ):
            with pytest.raises(OptionInvalid, match="is of another thread; expected one that this thread"):
                other.submit(call).result()


@pytest.mark.parametrize("roll_back", [False, True])
async def test_a_job_shares_the_fate_of_an_asynchronous_transaction(
    store: SqliteStore, file: Path, committed: Any, *, roll_back: bool
) -> None:
    async with aiosqlite.connect(file) as connection:
        connection.row_factory = aiosqlite.Row
        (job, same) = await store.add([new_job(dedup_key="k"), new_job(dedup_key="k")], connection=connection)
        if roll_back:
            await connection.rollback()
        else:
            await connection.commit()
    assert same == job
    assert committed() == ([] if roll_back else [job])


async def test_a_connection_that_commits_each_statement_is_refused(
    store: SqliteStore, file: Path, committed: Any
) -> None:
    with (
        closing(sqlite3.connect(file, isolation_level=None)) as connection,
        pytest.raises(OptionInvalid, match="BEGIN"),
    ):
        await store.add([new_job()], connection=connection)
    async with aiosqlite.connect(file, isolation_level=None) as other:
        with pytest.raises(OptionInvalid, match="BEGIN"):
            await store.add([new_job()], connection=other)
    assert committed() == []


async def test_a_connection_to_another_database_is_told(store: SqliteStore, file: Path) -> None:
    with (
        closing(sqlite3.connect(file.with_name("other.db"))) as connection,
        pytest.raises(SchemaError, match="no such table: job"),
    ):
        await store.add([new_job()], connection=connection)
