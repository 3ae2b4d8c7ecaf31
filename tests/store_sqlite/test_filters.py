"""Conditions on jobs, ids by their beginning, and a watch that begins with the latest."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import attrs
import pytest

from sp00ky_conformance.store.harness import failure, settlement
from sp00ky_core.job import Job, JobStatus, NewJob
from sp00ky_core.operators.transitions import kill
from sp00ky_core.outcome import Delivered
from sp00ky_core.ports import JobFilter, JobQuery, JobTable, StoreOptions
from sp00ky_store_sqlite import SqliteStore

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


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


async def test_each_condition_counts(store: SqliteStore) -> None:
    await ended(store, Delivered())
    lost = await ended(store, failure("timeout", 0, retryable=False), path="/a", assigned_to="u:1")
    await ended(store, failure(code=500, retryable=False), backend="mail")
    await store.add([NewJob(backend="api", path="/a", payload={})])
    assert lost.created_at is not None
    cases = {
        JobFilter(): 4,
        JobFilter(backend="api"): 3,
        JobFilter(backend="nobody"): 0,
        JobFilter(status=JobStatus.FAILED): 2,
        JobFilter(path="/a"): 2,
        JobFilter(error_name="timeout"): 1,
        JobFilter(code=500): 1,
        JobFilter(code=0): 1,
        JobFilter(since=lost.created_at): 3,
        JobFilter(until=lost.created_at): 1,
        JobFilter(assigned_to="u:1"): 1,
        JobFilter(until=LONG_AGO): 0,
    }
    assert {each: await store.count(each) for each in cases} == cases
    assert [job.id for job in await store.find(JobQuery(error_name="timeout"))] == [lost.id]


async def test_only_what_has_ended_is_cleared_the_newest_first(store: SqliteStore) -> None:
    old, *_, young = [await ended(store, Delivered(), backend=each) for each in ("api", "mail", "api")]
    (pending,) = await store.add([NewJob(backend="api", path="/a", payload={})])
    assert await store.clear_matching(JobFilter(), limit=2) == 2
    assert {job.id for job in await store.find(JobQuery())} == {old.id, pending.id}
    assert young.id not in {old.id, pending.id}
    assert await store.clear_matching(JobFilter(backend="mail")) == 0
    assert await store.clear_matching(JobFilter(status=JobStatus.SUCCESS)) == 1
    assert await store.clear_matching(JobFilter()) == 0


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


async def test_ids_are_found_by_their_beginning(store: SqliteStore) -> None:
    jobs = await store.add([NewJob(backend="api", path="/a", payload={}) for _ in range(3)])
    assert await store.ids_starting_with(jobs[0].id) == [jobs[0].id]
    assert await store.ids_starting_with("job:0", limit=10) == [job.id for job in jobs]
    assert len(await store.ids_starting_with("job:0")) == 2
    assert await store.ids_starting_with("nowhere:0") == []
    assert await store.ids_starting_with("mail:") == []


async def test_a_watch_begins_with_the_latest(store: SqliteStore) -> None:
    jobs = await store.add([NewJob(backend="api", path="/a", payload={}) for _ in range(5)])
    watch = store.watch(JobQuery(), history=2)
    async with asyncio.timeout(60):
        assert [(await anext(watch)).id for _ in range(2)] == [job.id for job in jobs[3:]]
        await kill(store, [jobs[0].id])
        changed = await anext(watch)
    assert (changed.id, changed.status) == (jobs[0].id, JobStatus.FAILED)
    await watch.aclose()


async def test_a_watch_without_history_begins_with_changes(store: SqliteStore) -> None:
    (job,) = await store.add([NewJob(backend="api", path="/a", payload={})])
    for query in (JobQuery(), JobQuery(ids=(job.id,))):
        watch = store.watch(query, history=0)
        waiting = asyncio.ensure_future(anext(watch))
        done, _ = await asyncio.wait([waiting], timeout=0.2)
        assert not done
        await store.claim({"api": 1}, "runner")
        await store.release("runner", keep=())
        async with asyncio.timeout(60):
            assert (await waiting).id == job.id
        await watch.aclose()
