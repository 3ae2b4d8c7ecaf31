"""Rows that clients may have written, ids of every kind, rows that the database refuses."""

from datetime import UTC, datetime

import attrs
import pytest

from sp00ky_core.job.job import AttemptError, Job, JobStatus
from sp00ky_store_surreal import SurrealStore


async def test_a_payload_that_is_an_object_is_read(migrated: SurrealStore) -> None:
    await migrated._connection.write(
        "DEFINE FIELD OVERWRITE payload ON job TYPE object FLEXIBLE;"
        "CREATE job:x CONTENT { path: '/a', payload: { b: 1, c: [true, NULL] } }"
    )
    (job,) = await migrated.claim({"api": 5}, "r")
    assert (job.payload, job.defect) == ({"b": 1, "c": [True, None]}, None)


@pytest.mark.parametrize(("text", "kept"), [("a\0", "a\ufffd"), ("a\ud800", "a?")])
async def test_an_error_that_no_reply_could_hold_is_imported(
    migrated: SurrealStore, text: str, kept: str
) -> None:
    at = datetime.now(UTC)
    error = AttemptError(at=at, attempt=1, code=1, name=text, reason=text, runner_id=text, scheme=text)
    job = Job(id="job:a", backend="api", path="/a", payload_json=b"{}", status=JobStatus.FAILED)
    await migrated.import_jobs([attrs.evolve(job, errors=(error,), created_at=at, updated_at=at, run_at=at)])
    (stored,) = (await migrated.get("job:a")).errors
    assert {stored.name, stored.reason, stored.runner_id, stored.scheme} == {kept}
