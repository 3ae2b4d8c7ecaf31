"""What check tries on a table: a runner's writes, a new job; and what each refusal means."""

from __future__ import annotations

import pytest

from sp00ky_core.ports import Finding
from sp00ky_store_surreal import SurrealStore

STATUS = "DEFINE FIELD OVERWRITE status ON job TYPE string DEFAULT ALWAYS 'pending'"
FOUR = "$value IN ['pending', 'processing', 'success', 'failed']"


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
