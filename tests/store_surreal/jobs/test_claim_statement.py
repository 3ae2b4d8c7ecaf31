"""Claims by priority and key, on both databases: what they see, and what they leave in the rows."""

from typing import Any

from sp00ky_core.job.job import Job, NewJob
from sp00ky_core.stores.transitions import kill
from sp00ky_store_surreal import SurrealStore


async def add(store: SurrealStore, *keys: str | None, **options: Any) -> list[Job]:
    return await store.add([NewJob(path="/a", backend="api", ordering_key=key, **options) for key in keys])


async def holders(store: SurrealStore) -> dict[str, str]:
    (rows,) = await store._connection.read("SELECT id, ordering_live FROM job WHERE ordering_live > ''")
    return {str(row["ordering_live"]): str(row["id"].id) for row in rows}


def key_of(job: Job) -> str:
    return job.id.partition(":")[2]


async def test_each_search_begins_behind_the_last_and_goes_round(migrated: SurrealStore) -> None:
    keys = [f"k{n:03}" for n in range(30)]
    await add(migrated, *keys)
    seen: list[list[str]] = []
    for _ in range(6):
        claim = await migrated.claim({"api": 8}, "r")
        seen.append([str(job.ordering_key) for job in claim])
    assert sorted(key for keys in seen for key in keys) == keys
    assert min(seen[0]) < min(seen[1]) < min(seen[2])


async def test_a_search_that_is_cut_off_says_so(migrated: SurrealStore) -> None:
    await add(migrated, *(f"k{n:03}" for n in range(70) for _ in range(8)))
    claim = await migrated.claim({"api": 100}, "r")
    assert len(claim) == 64
    assert claim.retry_in == {"api": 0.0}
    claim = await migrated.claim({"api": 100}, "r")
    assert (len(claim), claim.retry_in) == (6, {})


async def test_maintenance_clears_what_nothing_holds(migrated: SurrealStore) -> None:
    first, _ = await add(migrated, "k", "other")
    await migrated.claim({"api": 5}, "r")
    await kill(migrated, [first.id])
    await migrated.prune()
    assert await holders(migrated) == {"k": key_of(first), "other": key_of(_)}
    await migrated._connection.write("UPDATE job SET lease_until = time::now() WHERE status = 'failed'")
    await migrated.prune()
    assert await holders(migrated) == {"other": key_of(_)}
