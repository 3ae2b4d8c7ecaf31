"""Claims that are released, and those that can't be."""

from __future__ import annotations

from sp00ky_core.job import JobStatus, NewJob
from sp00ky_store_surreal import SurrealStore


async def test_a_claim_whose_lease_ran_out_is_not_given_back(migrated: SurrealStore) -> None:
    await migrated.add([NewJob(path="/a", backend="api") for _ in range(2)])
    late, other = await migrated.claim({"api": 2}, "r")
    await migrated._connection.write(
        "LET $row = <record>$id; UPDATE $row SET lease_until = time::now() - 1s", id=late.id
    )
    assert await migrated.release("r", keep=()) == [other.id]
    assert (await migrated.get(late.id)).status is JobStatus.PROCESSING
