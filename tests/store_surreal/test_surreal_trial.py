"""What check tries on a table: a runner's writes, a new job; and what each refusal means."""

from __future__ import annotations

from typing import Any

import pytest

from sp00ky_core.job import Job, NewJob
from sp00ky_core.machine import decide
from sp00ky_core.outcome import Delivered, Undelivered
from sp00ky_core.ports import Finding, Settlement
from sp00ky_core.retry import RetryPolicy
from sp00ky_store_surreal import SurrealStore

STATUS = "DEFINE FIELD OVERWRITE status ON job TYPE string DEFAULT ALWAYS 'pending'"
FOUR = "$value IN ['pending', 'processing', 'success', 'failed']"


def settlement_of(job: Job, event: Any) -> Settlement:
    transition = decide(job, event, RetryPolicy(base=0))
    return Settlement(job_id=job.id, backend="api", epoch=job.lease_epoch, transition=transition)


async def told(store: SurrealStore, definition: str) -> list[Finding]:
    """What check says once the table is defined so; nothing of what it tried is kept."""
    await store._connection.write(definition)
    before = await store._connection.read("SELECT * FROM job")
    findings = await store.check()
    assert await store._connection.read("SELECT * FROM job") == before
    return findings


GUARDS = {
    "success is final": "$before = NONE OR $before != 'success' OR $value = 'success'",
    "only claims end": "$before IN [NONE, 'success', 'processing'] OR $value != 'success'",
}
"""What an application may ask of ``status``: the state machine's own rules."""


@pytest.mark.parametrize("guard", GUARDS.values(), ids=GUARDS)
@pytest.mark.parametrize("row", ["", "pending", "processing", "failed", "success"])
async def test_a_guard_that_no_runner_violates_is_no_finding(
    migrated: SurrealStore, guard: str, row: str
) -> None:
    if row:
        create = "CREATE job:there SET path = '/a', payload = '{}', max_retries = 0, status = $status"
        await migrated._connection.write(create, status=row)
    assert await told(migrated, f"{STATUS} ASSERT {FOUR} AND ({guard})") == []


@pytest.mark.parametrize("status", ["processing", "success", "failed"])
async def test_a_status_that_is_refused_stops_jobs(migrated: SurrealStore, status: str) -> None:
    (finding,) = await told(migrated, f"{STATUS} ASSERT {FOUR} AND $value != '{status}'")
    assert (finding.stops_jobs, finding.subject) == (True, "job")
    assert finding.problem.startswith(f"it refuses what a runner writes: Found '{status}' for field `status`")


LEFT_OUT = {
    "an answer of another type": (
        "DEFINE FIELD OVERWRITE result ON job TYPE option<object> FLEXIBLE",
        ("job.result", "answers aren't kept"),
    ),
    "no entries": (
        "DEFINE FIELD OVERWRITE errors ON job TYPE array<object> DEFAULT [] ASSERT array::len($value) = 0",
        ("job.errors", "why an attempt failed isn't kept"),
    ),
    "no redrive": (
        f"{STATUS} ASSERT {FOUR} AND ($before = NONE OR $before != 'failed' OR $value = 'failed')",
        ("job", "jobs retry redrives none"),
    ),
}
"""What jobs are delivered without."""


@pytest.mark.parametrize(("definition", "said"), LEFT_OUT.values(), ids=LEFT_OUT)
async def test_what_jobs_are_delivered_without_is_a_warning(
    migrated: SurrealStore, definition: str, said: tuple[str, str]
) -> None:
    (finding,) = await told(migrated, definition)
    assert (finding.stops_jobs, finding.subject) == (False, said[0])
    assert said[1] in finding.consequence
    await migrated.add([NewJob(path="/a", backend="api", max_retries=0) for _ in range(2)])
    jobs = await migrated.claim({"api": 2}, "r")
    events = (Delivered(result={"a": 1}), Undelivered(name="http_status", code=500, reason="boom"))
    results = await migrated.settle([settlement_of(*each) for each in zip(jobs, events, strict=True)])
    assert [each.fate.value for each in results] == ["settled", "settled"]
    assert [(await migrated.get(each.id)).status.value for each in jobs] == ["success", "failed"]
