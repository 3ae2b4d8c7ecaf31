"""Changes of pending jobs: claims find them where they now belong."""

from sp00ky_core.job.job import NewJob
from sp00ky_core.job.state_machine import Rescheduled
from sp00ky_core.ports import JobQuery
from sp00ky_core.stores.transitions import reschedule
from sp00ky_store_surreal import SurrealStore


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
