"""Ended jobs that are deleted, by name, by conditions and by age, and one that can't be."""

import asyncio
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from sp00ky_conformance.store.harness import failure, settlement
from sp00ky_core.job.job import Job, NewJob
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import JobFilter, JobQuery, JobTable
from sp00ky_core.stores.transitions import clear, retry
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.jobs import retention_and_delete as deleting


async def refuse(store: SurrealStore, what: str) -> None:
    await store._connection.write(
        f"DEFINE EVENT hook ON TABLE job WHEN $before.path = '/bad' AND {what} THEN {{ THROW 'not so' }};"
    )


async def test_a_row_that_cant_be_deleted_holds_up_no_other(
    migrated: SurrealStore, caplog: pytest.LogCaptureFixture
) -> None:
    paths = ("/a", "/bad", "/b", "/c")
    jobs = await migrated.add([NewJob(path=path, backend="api") for path in paths])
    claimed = await migrated.claim({"api": 4}, "r")
    await migrated.settle([settlement(job, Delivered()) for job in claimed])
    await refuse(migrated, "$event = 'DELETE'")
    bad = next(job for job in jobs if job.path == "/bad")
    cleared = await clear(migrated, [jobs[0].id, bad.id])
    assert [result.fate.value for result in cleared] == ["cleared", "illegal"]
    table = JobTable(backend="api", table="job", keep_success=0.0)
    migrated.options = attrs.evolve(migrated.options, tables=(table,))
    assert await migrated.prune() == 2
    assert [job.id for job in await migrated.find(JobQuery())] == [bad.id]
    assert "can't be deleted" in caplog.text


class Deletes:
    """Lets a store's deletes through, once they are let go."""

    def __init__(self, store: SurrealStore) -> None:
        self.count = 0
        self.begun = asyncio.Event()
        self.let_go = asyncio.Event()
        self._connection, self._write = store._connection, store._connection.write
        self._connection.write = self._pass  # type: ignore[method-assign]

    async def _pass(self, statement: str, *how: Any, **bindings: Any) -> list[Any]:
        if "DELETE $ids" in statement:
            self.count += 1
            self.begun.set()
            await self.let_go.wait()
        return await self._write(statement, *how, **bindings)


@pytest.fixture
def deletes_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[SurrealStore], Deletes]:
    """Ten ended jobs are four deletes."""
    monkeypatch.setattr(deleting, "DELETED_AT_ONCE", 3)
    return Deletes


async def ended_jobs(store: SurrealStore, count: int = 10) -> None:
    await store.add([NewJob(path=f"/{number}", backend="api") for number in range(count)])
    claimed = await store.claim({"api": count}, "r")
    await store.settle([settlement(job, Delivered()) for job in claimed])


async def left_in(store: SurrealStore) -> int:
    return await store.count(JobFilter())


async def test_what_is_deleted_by_conditions_goes_in_portions(
    migrated: SurrealStore, deletes_of: Any
) -> None:
    await ended_jobs(migrated)
    deletes = deletes_of(migrated)
    deletes.let_go.set()
    assert await migrated.clear_matching(JobFilter()) == 10
    assert (deletes.count, await left_in(migrated)) == (4, 0)


async def test_an_interrupted_clear_deletes_no_further_portion(
    migrated: SurrealStore, deletes_of: Any
) -> None:
    await ended_jobs(migrated)
    deletes = deletes_of(migrated)
    clearing = asyncio.ensure_future(migrated.clear_matching(JobFilter()))
    await deletes.begun.wait()
    clearing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await clearing
    deletes.let_go.set()
    assert (deletes.count, await left_in(migrated)) == (1, 10)


DAY = 86_400.0
TABLES = (JobTable(backend="api", table="job", keep_success=DAY, keep_failed=None),)


@pytest.fixture
async def keeping(url: str, make_migrated: Any) -> SurrealStore:
    """A store that keeps what was delivered for a day, and what failed for ever."""
    return await make_migrated(url, TABLES)  # type: ignore[no-any-return]  # as the fixture has it


async def ended(store: SurrealStore, count: int, path: str = "/a", status: str = "success") -> list[Job]:
    jobs = await store.add([NewJob(path=path, backend="api") for _ in range(count)])
    for job in jobs:
        for written in ("processing", status):
            statement = "LET $row = <record>$id; UPDATE $row SET status = $status"
            await store._connection.write(statement, id=job.id, status=written)
    return jobs


async def grow_old(store: SurrealStore) -> None:
    """Have every job ended two days ago, which the table's own clock wouldn't allow."""
    await store._connection.write(
        "DEFINE FIELD OVERWRITE updated_at ON job TYPE option<datetime>;"
        "UPDATE job SET updated_at = time::now() - 2d"
    )


async def test_a_row_that_the_database_keeps(keeping: SurrealStore, caplog: pytest.LogCaptureFixture) -> None:
    await ended(keeping, 2)
    await ended(keeping, 1, "/bad")
    await grow_old(keeping)
    await keeping._connection.write(
        "DEFINE EVENT hook ON TABLE job WHEN $event = 'DELETE' AND $before.path = '/bad' "
        "THEN { THROW 'not so' };"
    )
    assert await keeping.prune() == 2
    assert "can't be deleted" in caplog.text


async def test_a_job_that_ends_anew_before_it_is_deleted_stays(
    surreal_url: str, make_migrated: Any, deletes_of: Any
) -> None:
    store = await make_migrated(surreal_url, (JobTable(backend="api", table="job", keep_failed=0.0),))
    _, again = await ended(store, 2, status="failed")
    deletes = deletes_of(store)
    pruning = asyncio.ensure_future(store.prune())
    await deletes.begun.wait()
    await retry(store, [again.id])
    (claimed,) = await store.claim({"api": 1}, "r")
    await store.settle([settlement(claimed, failure(), max_retries=0)])
    deletes.let_go.set()
    assert await pruning == 1
    assert [job.id for job in await store.find(JobQuery())] == [again.id]
