"""Rows that the database refuses, and faults of the database itself: which is which, and what each costs."""

import logging
from typing import Any

import pytest

from sp00ky_conformance.store.harness import settlement
from sp00ky_core.errors import StoreUnavailable
from sp00ky_core.job.job import JobStatus, NewJob
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import SettleFate
from sp00ky_core.stores.transitions import retry
from sp00ky_store_surreal import SurrealStore

NOT_RUN = "The query was not executed due to a failed transaction"

FSYNC = (
    "There was a problem with a datastore transaction: Log error: IO error: kind=other error, message=fsync"
)

COLLIDED = "Failed to commit transaction due to a read or write conflict. This transaction can be retried"


def broken(store: SurrealStore, monkeypatch: pytest.MonkeyPatch, message: str) -> list[str]:
    """Writes fail with this message as long as the list has something; a full disk can't be had here."""
    sdk = store._connection._link.sdk
    real, failing = sdk.query_raw, ["yes"]

    async def query_raw(statement: str, bindings: dict[str, Any]) -> Any:
        if failing and ("UPDATE" in statement or "UPSERT" in statement):
            return {"result": [{"status": "ERR", "result": message}]}
        return await real(statement, bindings)

    monkeypatch.setattr(sdk, "query_raw", query_raw)
    return failing


@pytest.mark.parametrize("url", ["mem://"])  # a server's faults are its own
async def test_a_fault_of_the_engine_is_no_rows(
    migrated: SurrealStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await migrated.add([NewJob(path=f"/{n}", backend="api") for n in range(3)])
    (job, _) = await migrated.claim({"api": 2}, "r")
    failing = broken(migrated, monkeypatch, f"{NOT_RUN}. {FSYNC} failed")
    with pytest.raises(StoreUnavailable, match="fsync"):
        await migrated.settle([settlement(job, Delivered(result="kept"))])
    with pytest.raises(StoreUnavailable, match="fsync"):
        await migrated.claim({"api": 5}, "r")
    failing.clear()
    assert len(await migrated.claim({"api": 5}, "r")) == 1
    (result,) = await migrated.settle([settlement(job, Delivered(result="kept"))])
    assert (result.fate, result.problem) == (SettleFate.SETTLED, None)
    assert (await migrated.get(job.id)).result == "kept"


async def test_a_row_that_is_refused_in_every_form_is_busy_and_said_once(
    migrated: SurrealStore, caplog: pytest.LogCaptureFixture
) -> None:
    await migrated._connection.write(
        "DEFINE EVENT hook ON TABLE job WHEN $after.path = '/bad' AND $after.status IN ['success', 'failed'] "
        "THEN { THROW 'the transaction can be retried: webhook is down' };"
    )
    await migrated.add([NewJob(path=path, backend="api") for path in ("/a", "/bad", "/b")])
    jobs = {job.path: job for job in await migrated.claim({"api": 3}, "r")}
    with caplog.at_level(logging.ERROR):
        results = await migrated.settle([settlement(job, Delivered()) for job in jobs.values()])
        again = await migrated.settle([settlement(jobs["/bad"], Delivered())])
    fates = {result.job_id: result.fate for result in results}
    assert {path: fates[job.id].value for path, job in jobs.items()} == {
        "/a": "settled",
        "/bad": "busy",
        "/b": "settled",
    }
    assert again[0].fate is SettleFate.BUSY
    assert "webhook is down" in (again[0].problem or "")
    assert caplog.text.count("can't be settled") == 1
    assert (await migrated.get(jobs["/bad"].id)).status is JobStatus.PROCESSING


@pytest.mark.parametrize("text", [COLLIDED, "The table 'a' does not exist", FSYNC])
async def test_a_refused_answer_is_left_out_whatever_it_says(migrated: SurrealStore, text: str) -> None:
    await migrated._connection.write(
        "DEFINE FIELD OVERWRITE result ON job TYPE option<string> ASSERT $value = NONE"
    )
    await migrated.add([NewJob(path="/a", backend="api")])
    (job,) = await migrated.claim({"api": 1}, "r")
    (result,) = await migrated.settle([settlement(job, Delivered(result=text))])
    assert (result.fate, (await migrated.get(job.id)).status) == (SettleFate.SETTLED, JobStatus.SUCCESS)


async def test_what_may_have_arrived_is_known_where_no_entry_is_kept(spec_store: SurrealStore) -> None:
    """On the documentation's own table, of a row that has no lease: the old runner left it."""
    await spec_store._connection.write(
        "CREATE thread:a SET title = 'boo'; CREATE job:x SET assigned_to = thread:a, path = '/a', "
        "payload = '{}', max_retries = 0, status = 'processing' RETURN NONE"
    )
    assert [settled.job_id for settled in await spec_store.reclaim({})] == ["job:x"]
    assert (await spec_store.get("job:x")).errors == ()
    (refused,) = await retry(spec_store, ["job:x"])
    assert refused.fate == "illegal"
    (done,) = await retry(spec_store, ["job:x"], resend_unknown=True)
    assert done.fate == "retried"
