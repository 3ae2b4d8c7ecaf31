"""Conditions on jobs, ids by their beginning, and a watch that begins with the latest."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import attrs
import pytest

from sp00ky_conformance.store.harness import settlement
from sp00ky_core.job import Job, NewJob
from sp00ky_core.outcome import Delivered
from sp00ky_core.ports import JobFilter, JobQuery, JobTable, StoreOptions
from sp00ky_store_sqlite import SqliteStore


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    tables = (JobTable(backend="api", table="job"), JobTable(backend="mail", table="mail"))
    store = SqliteStore(StoreOptions(url="sqlite:///app.db", tables=tables, directory=tmp_path))
    await store.open()
    await store.migrate()
    yield store
    await store.close()


async def ended(store: SqliteStore, event: object, **fields: object) -> Job:
    new = {"backend": "api", "path": "/spookify", "payload": {}, **fields}
    await store.add([NewJob(**new)])  # type: ignore[arg-type]
    (job,) = await store.claim({str(new["backend"]): 1}, "runner")
    await store.settle([settlement(job, event)])  # type: ignore[arg-type]
    return await store.get(job.id)


async def test_a_job_that_is_kept_ends_no_clear_and_no_prune(store: SqliteStore, tmp_path: Path) -> None:
    oldest, *_, newest = [await ended(store, Delivered()) for _ in range(49)]
    keys = [each.id.partition(":")[2] for each in (oldest, newest)]
    trigger = f"CREATE TRIGGER t BEFORE DELETE ON job WHEN OLD.id IN {tuple(keys)}"
    with closing(sqlite3.connect(tmp_path / "app.db")) as connection:
        connection.execute(f"{trigger} BEGIN SELECT RAISE(ABORT, 'kept'); END")
    assert [await store.clear_matching(JobFilter(), limit=10) for _ in range(2)] == [10, 10]
    store.options = attrs.evolve(
        store.options, tables=tuple(attrs.evolve(each, keep_success=0.0) for each in store.options.tables)
    )
    assert [await store.prune(limit=10) for _ in range(4)] == [10, 10, 7, 0]
    assert await store.clear_matching(JobFilter(), limit=10) == 0
    assert {each.id for each in await store.find(JobQuery())} == {oldest.id, newest.id}
