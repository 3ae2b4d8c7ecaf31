"""Rows as SQLite keeps them, whose types are a client's own."""

import asyncio
import math
import sqlite3
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import pytest
from tests.store_sqlite.conftest import migrated

from sp00ky_core.errors import JobNotFound, QueryRefused
from sp00ky_core.job.job import NewJob
from sp00ky_core.ports import JobFilter, JobQuery, StoreOptions
from sp00ky_store_sqlite import SqliteStore


async def test_bytes_that_are_no_text_cost_no_other_row(store: SqliteStore, connection: Any) -> None:
    connection.execute("INSERT INTO job (path, payload) VALUES (CAST(X'2fff' AS TEXT), '{}')")
    connection.execute("INSERT INTO job (path, payload, runner_id) VALUES ('/b', '{}', CAST(X'ff' AS TEXT))")
    (good,) = await store.add([NewJob(backend="api", path="/a", payload={})])
    claimed = {job.path: job for job in await store.claim({"api": 5}, "runner")}
    assert claimed["/a"].id == good.id
    assert "surrogate" in (claimed["/\udcff"].defect or "")
    assert "/b" not in claimed  # it can't be named in a guard: it is left out, and logged
    assert (await store.stats())["api"].pending == 1


NO_TEXT = "CAST(X'2fff' AS TEXT)"
"""What isn't UTF-8: it can be read, and never be named."""


@pytest.mark.parametrize("ordering_key", ["NULL", "'k'", NO_TEXT])
@pytest.mark.parametrize("apart", [False, True])
async def test_a_key_that_cannot_be_named_holds_up_no_other_row(
    store: SqliteStore, connection: Any, ordering_key: str, apart: bool
) -> None:
    insert = "INSERT INTO job (id, path, payload, ordering_key, run_at)"
    connection.execute(f"{insert} VALUES ({NO_TEXT}, '/b', '{{}}', {ordering_key}, 0)")
    if apart:
        connection.execute(f"{insert} VALUES ('refused', '/c', '{{}}', NULL, 0)")
        trigger = "CREATE TRIGGER t BEFORE UPDATE ON job WHEN NEW.path = '/c'"
        connection.execute(f"{trigger} BEGIN SELECT RAISE(ABORT, 'refused'); END")
    for _ in range(3):
        (good,) = await store.add([NewJob(backend="api", path="/a", payload={})])
        assert [job.id for job in await store.claim({"api": 1}, "runner")] == [good.id]
    assert await store.claim({"api": 5}, "runner") == []


async def test_a_key_that_cannot_be_named_is_passed_over_by_upkeep(
    options: StoreOptions, connection: Any
) -> None:
    tables = [attrs.evolve(table, keep_success=0.0) for table in options.tables]
    store = await migrated(attrs.evolve(options, tables=tuple(tables)))
    insert = "INSERT INTO job (id, path, payload, status, updated_at) VALUES"
    for status in ("processing", "success"):
        key = f"CAST(X'2fff{status.encode().hex()}' AS TEXT)"
        connection.execute(f"{insert} ({key}, '/b', '{{}}', ?, 0)", (status,))
        connection.execute(f"{insert} (?, '/a', '{{}}', ?, 1)", (status, status))
    reclaimed = [settled.job_id for settled in await store.reclaim({}) if settled.transition is not None]
    assert reclaimed == ["job:processing"]
    assert await store.prune(limit=1) == 1
    bad = [job.id for job in await store.find(JobQuery()) if job.path == "/b"]
    assert len(bad) == 2
    with pytest.raises(JobNotFound):
        await store.get(bad[0])
    assert await store.clear_matching(JobFilter()) == 0
    await store.close()


@pytest.mark.parametrize("key", [None, bytes(16)])
async def test_a_key_that_is_no_text_is_refused(store: SqliteStore, connection: Any, key: Any) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute("INSERT INTO job (id, path, payload) VALUES (?, '/a', '{}')", (key,))
    assert await store.find(JobQuery()) == []


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT max(i) FROM n"


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("PRAGMA query_only = OFF", "it does more than read"),
        ("ATTACH '{folder}/other.db' AS other", "it does more than read"),
        ("COMMIT", "it does more than read"),
        ("SELECT 1; SELECT 2", "one statement"),
        ("DELETE FROM job", "it does more than read"),
        ("SELECT * FROM gone", "there is no such table: gone"),
        (ENDLESS, "takes longer"),
    ],
)
async def test_a_query_of_a_schedule_only_reads(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, query: str, problem: str
) -> None:
    await store.add([NewJob(backend="api", path="/a", payload={})])
    with monkeypatch.context() as hasty:
        if query is ENDLESS:  # and nothing else, however busy the machine is
            hasty.setattr("sp00ky_store_sqlite.session.QUERY_SECONDS", 0.2)
        with pytest.raises(QueryRefused) as caught:
            await store.query_rows(query.format(folder=tmp_path))
    assert caught.value.problem.startswith("the query is refused: ")
    assert problem in caught.value.problem
    assert "migrate" not in caught.value.problem
    for statement in ("DELETE FROM job", "CREATE TABLE other (id)"):
        with pytest.raises(QueryRefused):
            await store.query_rows(statement)
    assert await store.query_rows("SELECT path FROM job") == [{"path": "/a"}]
    assert not (tmp_path / "other.db").exists()


async def test_a_query_of_a_schedule_holds_up_no_claim(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, asked = [0.0], threading.Event()

    def monotonic() -> float:
        asked.set()
        return now[0]

    monkeypatch.setattr("sp00ky_store_sqlite.session.time", SimpleNamespace(monotonic=monotonic))
    (job,) = await store.add([NewJob(backend="api", path="/a", payload={})])
    query = asyncio.ensure_future(store.query_rows(ENDLESS))
    await asyncio.to_thread(asked.wait)
    try:
        async with asyncio.timeout(30):
            assert [claimed.id for claimed in await store.claim({"api": 1}, "r")] == [job.id]
        assert not query.done()
    finally:
        now[0] = math.inf
    with pytest.raises(QueryRefused, match="takes longer"):
        await query
