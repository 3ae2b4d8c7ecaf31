"""Enqueue in a caller's own transaction, on sqlite3 and on aiosqlite."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import aiosqlite
import pytest

from sp00ky_core.errors import OptionInvalid, SchemaError
from sp00ky_core.job.job import NewJob
from sp00ky_core.ports import JobQuery, JobTable, StoreOptions
from sp00ky_store_sqlite import SqliteStore


def new_job(**fields: object) -> NewJob:
    return NewJob(backend="api", path="/spookify", payload={"id": 1}, **fields)  # type: ignore[arg-type]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    options = StoreOptions(
        url="sqlite:///app.db", tables=(JobTable(backend="api", table="job"),), directory=tmp_path
    )
    store = SqliteStore(options)
    await store.open()
    await store.migrate()
    with closing(sqlite3.connect(tmp_path / "app.db")) as connection, connection:
        connection.execute("CREATE TABLE orders (number INTEGER UNIQUE)")
    yield store
    await store.close()


@pytest.mark.parametrize("roll_back", [False, True])
async def test_aiosqlite(store: SqliteStore, tmp_path: Path, *, roll_back: bool) -> None:
    async with aiosqlite.connect(tmp_path / "app.db") as connection:
        connection.row_factory = aiosqlite.Row
        (job, same) = await store.add([new_job(dedup_key="k"), new_job(dedup_key="k")], connection=connection)
        await connection.execute("INSERT INTO orders VALUES (1)")
        if roll_back:
            await connection.rollback()
        else:
            await connection.commit()
    assert same == job
    assert await store.find(JobQuery()) == ([] if roll_back else [job])


async def test_a_connection_that_commits_each_statement_is_refused(
    store: SqliteStore, tmp_path: Path
) -> None:
    with (
        closing(sqlite3.connect(tmp_path / "app.db", isolation_level=None)) as connection,
        pytest.raises(OptionInvalid, match="BEGIN"),
    ):
        await store.add([new_job()], connection=connection)
    async with aiosqlite.connect(tmp_path / "app.db", isolation_level=None) as other:
        with pytest.raises(OptionInvalid, match="BEGIN"):
            await store.add([new_job()], connection=other)
    assert await store.find(JobQuery()) == []


async def test_a_connection_to_another_database_is_told(store: SqliteStore, tmp_path: Path) -> None:
    with (
        closing(sqlite3.connect(tmp_path / "other.db")) as connection,
        pytest.raises(SchemaError, match="no such table: job"),
    ):
        await store.add([new_job()], connection=connection)
