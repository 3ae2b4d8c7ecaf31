"""Enqueue in a caller's own transaction, on sqlite3 and on aiosqlite."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import aiosqlite
import pytest

from sp00ky_core.errors import OptionInvalid, RowRefused, SchemaError
from sp00ky_core.job import NewJob
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
@pytest.mark.parametrize("first", [False, True], ids=["enqueued first", "ordered first"])
async def test_sqlite3(store: SqliteStore, tmp_path: Path, *, roll_back: bool, first: bool) -> None:
    with closing(sqlite3.connect(tmp_path / "app.db")) as connection:
        connection.row_factory = sqlite3.Row
        if first:
            connection.execute("INSERT INTO orders VALUES (1)")
        (job,) = await store.add([new_job()], connection=connection)
        if not first:
            connection.execute("INSERT INTO orders VALUES (1)")
        assert await store.find(JobQuery()) == []
        if roll_back:
            connection.rollback()
        else:
            connection.commit()
        orders = connection.execute("SELECT * FROM orders").fetchall()
    assert len(orders) == (0 if roll_back else 1)
    assert await store.find(JobQuery()) == ([] if roll_back else [job])


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


async def test_a_transaction_that_was_begun_by_hand(store: SqliteStore, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "app.db", isolation_level=None)) as connection:
        connection.execute("BEGIN")
        await store.add([new_job()], connection=connection)
        connection.execute("COMMIT")
    assert len(await store.find(JobQuery())) == 1


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


async def test_a_refused_job_leaves_the_callers_transaction_as_it_was(
    store: SqliteStore, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "app.db")) as connection:
        trigger = "CREATE TRIGGER t BEFORE INSERT ON job WHEN NEW.assigned_to IS NULL"
        connection.execute(f"{trigger} BEGIN SELECT RAISE(ABORT, 'assigned_to is missing'); END")
        connection.execute("INSERT INTO orders VALUES (1)")
        with pytest.raises(RowRefused, match="assigned_to is missing"):
            await store.add([new_job(assigned_to="u:1"), new_job()], connection=connection)
        await store.add([new_job(assigned_to="u:2")], connection=connection)
        connection.commit()
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (1,)
    assert [job.assigned_to for job in await store.find(JobQuery())] == ["u:2"]


async def test_a_connection_to_another_database_is_told(store: SqliteStore, tmp_path: Path) -> None:
    with (
        closing(sqlite3.connect(tmp_path / "other.db")) as connection,
        pytest.raises(SchemaError, match="no such table: job"),
    ):
        await store.add([new_job()], connection=connection)


async def test_a_plain_insert_is_a_whole_enqueue(store: SqliteStore, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "app.db")) as connection, connection:
        connection.execute("INSERT INTO job (path, payload) VALUES ('/spookify', '{\"id\": 7}')")
    (job,) = await store.claim({"api": 5}, "runner")
    assert (job.payload, job.defect, job.max_retries) == ({"id": 7}, None, 3)
    assert job.created_at is not None
    assert job.run_at is not None
