"""Enqueue in the transaction of a caller's connection: sqlite3, SQLAlchemy, Django, aiosqlite."""

import asyncio
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
import sqlalchemy
from django.db import connections, transaction
from sqlalchemy.orm import Session
from tests.store_postgres.blocking_callers import configure_django

from sp00ky_core.errors import OptionInvalid, RowRefused, SchemaError
from sp00ky_core.job.job import NewJob
from sp00ky_core.ports import JobQuery, JobTable, StoreOptions
from sp00ky_store_sqlite import SqliteStore

Begin = Callable[[Path], AbstractContextManager[Any]]


def new_job(**fields: Any) -> NewJob:
    return NewJob(backend="api", path="/spookify", payload={"id": 1}, **fields)


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


@contextmanager
def engine_of(file: Path, **options: Any) -> Iterator[sqlalchemy.Engine]:
    engine = sqlalchemy.create_engine(f"sqlite:///{file}", **options)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def sqlalchemy_connection(file: Path) -> Iterator[Any]:
    with engine_of(file) as engine, engine.connect() as connection:
        yield connection
        connection.commit()  # of the transaction that the enqueue has begun


@contextmanager
def sqlalchemy_session(file: Path) -> Iterator[Any]:
    with engine_of(file) as engine, Session(engine) as session, session.begin():
        yield session


@contextmanager
def sqlalchemy_with_begin(file: Path) -> Iterator[Any]:
    """As SQLAlchemy's documentation has it, for savepoints that work."""
    with engine_of(file) as engine:

        @sqlalchemy.event.listens_for(engine, "connect")
        def _connected(connection: Any, _record: object) -> None:
            connection.isolation_level = None

        @sqlalchemy.event.listens_for(engine, "begin")
        def _begun(connection: Any) -> None:
            connection.exec_driver_sql("BEGIN")

        with engine.connect() as connection:
            yield connection
            connection.commit()


@contextmanager
def django_alias(file: Path) -> Iterator[str]:
    configure_django()
    alias = str(file)
    own = {"ENGINE": "django.db.backends.sqlite3", "NAME": file}
    connections.databases[alias] = connections.configure_settings({"default": {}, alias: own})[alias]
    try:
        yield alias
    finally:
        connections[alias].close()


@contextmanager
def django_connection(file: Path) -> Iterator[Any]:
    with django_alias(file) as alias, transaction.atomic(using=alias):
        yield connections[alias]


KINDS: dict[str, Begin] = {
    "sqlite3": sqlite3_connection,
    "sqlalchemy": sqlalchemy_connection,
    "sqlalchemy that begins": sqlalchemy_with_begin,
    "session": sqlalchemy_session,
    "django": django_connection,
}


@pytest.fixture(params=KINDS, ids=str)
def begin(request: pytest.FixtureRequest, file: Path) -> Any:
    kind = KINDS[request.param]
    return lambda: kind(file)


def committed(store: SqliteStore, file: Path) -> list[Any]:
    with closing(sqlite3.connect(file)) as connection:
        found = store.find_in(connection, JobQuery())
        assert not connection.in_transaction  # a read takes no lock
        return found


def test_jobs_are_there_when_it_commits_and_not_before(store: SqliteStore, begin: Any, file: Path) -> None:
    with begin() as connection:
        added = store.add_in(connection, [new_job()])
        keyed = store.add_in(connection, [new_job(dedup_key="k"), new_job(dedup_key="k"), new_job()])
        added += keyed[1:]
        assert store.get_in(connection, added[0].id) == added[0]
        assert len(store.find_in(connection, JobQuery())) == 3
        assert committed(store, file) == []
    assert keyed[0] == keyed[1]
    assert {job.id: job for job in committed(store, file)} == {job.id: job for job in added}


def test_it_waits_for_another_writer(store: SqliteStore, begin: Any, file: Path) -> None:
    with ThreadPoolExecutor(1) as other, closing(sqlite3.connect(file, check_same_thread=False)) as writer:
        writer.execute("DELETE FROM job")

        def commit_later() -> None:
            time.sleep(0.2)
            writer.execute("INSERT INTO job (path, payload) VALUES ('/spookify', '{}')")
            writer.commit()

        with begin() as connection:
            committing = other.submit(commit_later)
            store.add_in(connection, [new_job()])
            assert len(store.find_in(connection, JobQuery())) == 2
        committing.result()
    assert len(committed(store, file)) == 2


def test_jobs_are_gone_when_it_rolls_back(store: SqliteStore, begin: Any, file: Path) -> None:
    with pytest.raises(ZeroDivisionError), begin() as connection:  # noqa: PT012  # the block is rolled back
        store.add_in(connection, [new_job()])
        store.add_in(connection, [new_job(dedup_key="k"), new_job()])
        raise ZeroDivisionError
    assert committed(store, file) == []


def test_a_refused_job_leaves_the_transaction_as_it_was(store: SqliteStore, begin: Any, file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        trigger = "CREATE TRIGGER t BEFORE INSERT ON job WHEN NEW.assigned_to IS NULL"
        connection.execute(f"{trigger} BEGIN SELECT RAISE(ABORT, 'assigned_to is missing'); END")
    with begin() as connection:
        store.add_in(connection, [new_job(assigned_to="u:1")])
        with pytest.raises(RowRefused, match=r"app\.db: assigned_to is missing$"):
            store.add_in(connection, [new_job()])
        with pytest.raises(RowRefused, match="assigned_to is missing"):
            store.add_in(connection, [new_job(assigned_to="u:2"), new_job()])
    assert [job.assigned_to for job in committed(store, file)] == ["u:1"]


@contextmanager
def sqlite3_alone(file: Path) -> Iterator[Any]:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        yield connection


@contextmanager
def sqlalchemy_alone(file: Path) -> Iterator[Any]:
    with engine_of(file, isolation_level="AUTOCOMMIT") as engine, engine.connect() as connection:
        yield connection


@contextmanager
def django_alone(file: Path) -> Iterator[Any]:
    with django_alias(file) as alias:
        yield connections[alias]


ALONE: dict[str, Begin] = {"sqlite3": sqlite3_alone, "sqlalchemy": sqlalchemy_alone, "django": django_alone}


@pytest.mark.parametrize("begin", ALONE.values(), ids=ALONE)
def test_a_connection_that_commits_by_itself_only_reads(store: SqliteStore, begin: Begin, file: Path) -> None:
    with begin(file) as connection:
        with pytest.raises(OptionInvalid, match=r"is outside a transaction \(autocommit\); expected one"):
            store.add_in(connection, [new_job()])
        assert store.find_in(connection, JobQuery()) == []
    assert committed(store, file) == []


def test_a_closed_connection_is_refused(store: SqliteStore, file: Path) -> None:
    with sqlite3_connection(file) as plain, sqlalchemy_session(file) as session:
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
    store: SqliteStore, file: Path, *, roll_back: bool
) -> None:
    async with aiosqlite.connect(file) as connection:
        connection.row_factory = aiosqlite.Row
        (job, same) = await store.add([new_job(dedup_key="k"), new_job(dedup_key="k")], connection=connection)
        if roll_back:
            await connection.rollback()
        else:
            await connection.commit()
    assert same == job
    assert committed(store, file) == ([] if roll_back else [job])


async def test_a_connection_that_commits_each_statement_is_refused(store: SqliteStore, file: Path) -> None:
    with (
        closing(sqlite3.connect(file, isolation_level=None)) as connection,
        pytest.raises(OptionInvalid, match="BEGIN"),
    ):
        await store.add([new_job()], connection=connection)
    async with aiosqlite.connect(file, isolation_level=None) as other:
        with pytest.raises(OptionInvalid, match="BEGIN"):
            await store.add([new_job()], connection=other)
    assert committed(store, file) == []


async def test_a_connection_to_another_database_is_told(store: SqliteStore, file: Path) -> None:
    with (
        closing(sqlite3.connect(file.with_name("other.db"))) as connection,
        pytest.raises(SchemaError, match="no such table: job"),
    ):
        await store.add([new_job()], connection=connection)
