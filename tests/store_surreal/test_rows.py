"""Rows that clients may have written, ids of every kind, rows that the database refuses."""

import pytest
from surrealdb import RecordID

from sp00ky_conformance.store.harness import settlement
from sp00ky_core.errors import RowRefused
from sp00ky_core.job.job import JobStatus, NewJob
from sp00ky_core.job.outcome import INVALID_ROW, Delivered, Undelivered
from sp00ky_core.ports import JobQuery
from sp00ky_core.stores.transitions import clear
from sp00ky_store_surreal import SurrealStore

HOSTILE = {
    "NUL in the key": ("CREATE $id CONTENT { path: '/a', payload: '{}' }", "NUL"),
    "payload a nested object with NUL": ("CREATE job:x CONTENT { path: '/a', payload: { a: $nul } }", None),
    "payload missing": ("CREATE job:x CONTENT { path: '/a' }", "payload"),
    "payload a number": ("CREATE job:x CONTENT { path: '/a', payload: 5 }", "payload"),
    "payload with NUL": ("CREATE job:x CONTENT { path: '/a', payload: $nul }", "payload"),
    "absurd run_at": (
        "CREATE job:x CONTENT { path: '/a', payload: '{}', run_at: d'2000-01-01T00:00:00Z' - 5000y }",
        None,
    ),
    "absurd created_at": (
        "CREATE job:x CONTENT { path: '/a', payload: '{}', created_at: d'2000-01-01T00:00:00Z' + 200000y }",
        None,
    ),
    "errors with NUL": ("CREATE job:x CONTENT { path: '/a', payload: '{}', errors: [{ name: $nul }] }", None),
    "absurd epoch": (
        "CREATE job:x CONTENT { path: '/a', payload: '{}', lease_epoch: 9223372036854775807 }",
        None,
    ),
    "parent with NUL": ("CREATE job:x CONTENT { path: '/a', payload: '{}', assigned_to: $parent }", "NUL"),
    "trace with NUL": ("CREATE job:x CONTENT { path: '/a', payload: '{}', traceparent: $nul }", "NUL"),
}


@pytest.mark.parametrize(("statement", "word"), HOSTILE.values(), ids=HOSTILE)
async def test_a_hostile_row_costs_no_other(migrated: SurrealStore, statement: str, word: str | None) -> None:
    bound = {"id": RecordID("job", "a\0b"), "nul": "a\0b", "parent": RecordID("thread", "a\0b")}
    try:
        await migrated._connection.write(f"{statement} RETURN NONE", **bound)
    except RowRefused:  # as some versions do: nothing is left
        assert await migrated.find(JobQuery()) == []
        return
    (good,) = await migrated.add([NewJob(path="/b", backend="api")])
    claimed = {job.id: job for job in await migrated.claim({"api": 5}, "r")}
    bad = next(job for job in claimed.values() if job.id != good.id)
    assert len(claimed) == 2
    if word:
        assert word in (bad.defect or "")
    failed = settlement(bad, Undelivered(name=INVALID_ROW, reason="no"))
    fates = [
        result.fate for result in await migrated.settle([failed, settlement(claimed[good.id], Delivered())])
    ]
    assert fates == ["settled", "settled"]
    listed = {job.id: job.status for job in await migrated.find(JobQuery())}
    assert listed == {bad.id: JobStatus.FAILED, good.id: JobStatus.SUCCESS}
    assert (await migrated.stats())["api"].failed == 1
    assert [result.fate for result in await clear(migrated, [bad.id])] == ["cleared"]


async def test_a_payload_that_is_an_object_is_read(migrated: SurrealStore) -> None:
    await migrated._connection.write(
        "DEFINE FIELD OVERWRITE payload ON job TYPE object FLEXIBLE;"
        "CREATE job:x CONTENT { path: '/a', payload: { b: 1, c: [true, NULL] } }"
    )
    (job,) = await migrated.claim({"api": 5}, "r")
    assert (job.payload, job.defect) == ({"b": 1, "c": [True, None]}, None)
