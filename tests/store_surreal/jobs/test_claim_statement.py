"""Claims by priority and key, on both databases: what they see, and what they leave in the rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from sp00ky_core.job import Job, NewJob
from sp00ky_core.ports import JobTable
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.connection.executor import Lane


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
    await migrated.kill([first.id])
    await migrated.prune()
    assert await holders(migrated) == {"k": key_of(first), "other": key_of(_)}
    await migrated._connection.write("UPDATE job SET lease_until = time::now() WHERE status = 'failed'")
    await migrated.prune()
    assert await holders(migrated) == {"other": key_of(_)}


@pytest.mark.parametrize("places", [None, 50], ids=["plain", "limited"])
async def test_a_collision_over_a_stale_key_takes_no_job(
    make_store: Callable[..., SurrealStore],
    surreal_url: str,
    monkeypatch: pytest.MonkeyPatch,
    places: int | None,
) -> None:
    store = make_store(surreal_url, (JobTable(backend="api", table="job", max_in_flight=places),))
    await store.open()
    await store.migrate()
    ask, collided = store._connection._link.ask, asyncio.Event()
    collided.set()

    async def collide(statement: str, bindings: Any, **how: Any) -> list[Any]:
        if "UPDATE $stale0" not in statement or collided.is_set():
            return await ask(statement, bindings, **how)
        touching = asyncio.create_task(touch())
        lift, slowly = "ordering_live = NONE WHERE", "ordering_live = NONE WHERE sleep(1s) = NONE AND"
        try:
            return await ask(statement.replace(lift, slowly), bindings, **how)
        finally:
            collided.set()
            await touching

    async def touch() -> None:
        while not collided.is_set():  # so that one falls within the claim's transaction
            await store._connection.write("UPDATE job SET updated_at = time::now() WHERE status = 'failed'")

    monkeypatch.setattr(store._connection._link, "ask", collide)
    while not store._connection.collided[Lane.CLAIM]:  # none did if the server stood still meanwhile
        await leave_a_stale_key(store)
        collided.clear()
        claim = await store.claim({"api": 2}, "r")
    assert store._connection.collided[Lane.CLAIM] == 1
    (taken,) = await store._connection.read("SELECT VALUE <string>id FROM job WHERE status = 'processing'")
    assert sorted(taken) == sorted(job.id for job in claim)
    await store.close()


async def leave_a_stale_key(store: SurrealStore) -> None:
    """Begin with no jobs; leave five that are due, one of a key that a dead attempt still has."""
    await store._connection.write("DELETE job")
    await add(store, "k")
    (stale,) = await store.claim({"api": 1}, "r")
    await store.kill([stale.id])
    await store._connection.write("UPDATE job SET lease_until = time::now()")
    await add(store, None, None, None, None, "k")
