"""Changes of pending jobs: claims find them where they now belong."""

from __future__ import annotations

from datetime import UTC, datetime

from sp00ky_core.events import Rescheduled
from sp00ky_core.job import NewJob
from sp00ky_core.operators.transitions import reschedule
from sp00ky_core.ports import JobQuery, OperatorFate
from sp00ky_store_surreal import SurrealStore

LATER = datetime(2300, 1, 1, tzinfo=UTC)


async def groups(store: SurrealStore) -> list[object]:
    (found,) = await store._connection.read("SELECT VALUE claim_group FROM job")
    return list(found)


async def test_a_priority_moves_the_job_to_its_group(migrated: SurrealStore) -> None:
    plain, keyed = await migrated.add(
        [NewJob(path="/a", backend="api"), NewJob(path="/a", backend="api", ordering_key="k")]
    )
    await reschedule(migrated, [plain.id, keyed.id], Rescheduled(priority=2))
    assert sorted(await groups(migrated), key=str) == [2, "k"]
    await reschedule(migrated, [plain.id, keyed.id], Rescheduled(priority=0))
    assert {*await groups(migrated)} == {None, "k"}
    assert [job.priority for job in await migrated.find(JobQuery())] == [0, 0]


async def test_what_is_due_now_is_claimed_though_claims_were_beyond_it(migrated: SurrealStore) -> None:
    (late,) = await migrated.add([NewJob(path="/a", backend="api", run_at=LATER)])
    await migrated.add([NewJob(path="/a", backend="api")])
    assert len(await migrated.claim({"api": 5}, "r")) == 1
    (result,) = await reschedule(migrated, [late.id], Rescheduled(run_at=datetime(2001, 1, 1, tzinfo=UTC)))
    assert result.fate is OperatorFate.RESCHEDULED
    assert [job.id for job in await migrated.claim({"api": 5}, "r")] == [late.id]


async def test_a_delay_that_a_client_wrote_undoes_no_change(migrated: SurrealStore) -> None:
    written = "CREATE job:late SET path = '/a', payload = '{}', status = 'pending', delay = 3600000"
    await migrated._connection.write(written)
    (result,) = await reschedule(migrated, ["job:late"], Rescheduled(delay=0.0))
    assert result.fate is OperatorFate.RESCHEDULED
    assert [job.id for job in await migrated.claim({"api": 5}, "r")] == ["job:late"]
