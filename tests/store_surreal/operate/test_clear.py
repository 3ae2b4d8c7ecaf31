"""Ended jobs that are deleted, and one that can't be."""

from __future__ import annotations

import pytest
from tests.store_surreal.settlements import settlement_of

from sp00ky_core.job import NewJob
from sp00ky_core.outcome import Delivered
from sp00ky_core.ports import JobQuery, JobTable
from sp00ky_store_surreal import SurrealStore


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
    await migrated.settle([settlement_of(job, Delivered()) for job in claimed])
    await refuse(migrated, "$event = 'DELETE'")
    bad = next(job for job in jobs if job.path == "/bad")
    cleared = await migrated.clear([jobs[0].id, bad.id])
    assert [each.fate.value for each in cleared] == ["cleared", "illegal"]
    table = JobTable(backend="api", table="job", keep_success=0.0)
    migrated._tables = (table,)
    assert await migrated.prune() == 2
    assert [job.id for job in await migrated.find(JobQuery())] == [bad.id]
    assert "can't be deleted" in caplog.text
