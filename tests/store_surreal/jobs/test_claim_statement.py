"""Claims by priority and key, on both databases: what they see, and what they leave in the rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from sp00ky_core.job import Job, NewJob
from sp00ky_core.operators.transitions import kill
from sp00ky_core.ports import JobTable
from sp00ky_core.stores import PASSED
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.connection.executor import Lane


async def add(store: SurrealStore, *keys: str | None, **options: Any) -> list[Job]:
    return await store.add([NewJob(path="/a", backend="api", ordering_key=key, **options) for key in keys])


async def holders(store: SurrealStore) -> dict[str, str]:
    (rows,) = await store._connection.read("SELECT id, ordering_live FROM job WHERE ordering_live > ''")
    return {str(row["ordering_live"]): str(row["id"].id) for row in rows}


def key_of(job: Job) -> str:
    return job.id.partition(":")[2]


async def test_a_table_without_groups_is_claimed_as_ever(
    migrated: SurrealStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    ask = migrated._connection._link.ask

    async def noted(statement: str, bindings: Any, **how: Any) -> list[Any]:
        sent.append(statement)
        return await ask(statement, bindings, **how)

    monkeypatch.setattr(migrated._connection._link, "ask", noted)
    await add(migrated, None, "k")
    assert len(await migrated.claim({"api": 5}, "r")) == 2
    claims = [each for each in sent if "'claimed'" in each]
    assert ["array::fold" in each for each in claims][:2] == [False, True]
    sent.clear()
    await add(migrated, None)
    assert len(await migrated.claim({"api": 5}, "r")) == 1
    await add(migrated, None)
    assert len(await migrated.claim({"api": 5}, "r")) == 1
    assert "array::fold" not in [each for each in sent if "'claimed'" in each][-1]


async def test_a_long_queue_of_a_key_hides_no_other_key(migrated: SurrealStore) -> None:
    await add(migrated, *["a"] * 50, "b", *["c"] * 50, "d")
    assert sorted(str(job.ordering_key) for job in await migrated.claim({"api": 9}, "r")) == list("abcd")


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


async def test_a_key_is_held_while_its_lease_lasts_and_then_taken_over(migrated: SurrealStore) -> None:
    first, second = await add(migrated, "k", "k")
    assert [job.id for job in await migrated.claim({"api": 5}, "r")] == [first.id]
    assert await holders(migrated) == {"k": key_of(first)}
    await kill(migrated, [first.id])
    assert await migrated.claim({"api": 5}, "r") == []
    await migrated._connection.write("UPDATE job SET lease_until = time::now() WHERE status = 'failed'")
    assert [job.id for job in await migrated.claim({"api": 5}, "r")] == [second.id]
    assert await holders(migrated) == {"k": key_of(second)}
    assert await migrated.release("r", keep=[]) == [second.id]
    assert await holders(migrated) == {}


async def test_maintenance_clears_what_nothing_holds(migrated: SurrealStore) -> None:
    first, _ = await add(migrated, "k", "other")
    await migrated.claim({"api": 5}, "r")
    await kill(migrated, [first.id])
    await migrated.prune()
    assert await holders(migrated) == {"k": key_of(first), "other": key_of(_)}
    await migrated._connection.write("UPDATE job SET lease_until = time::now() WHERE status = 'failed'")
    await migrated.prune()
    assert await holders(migrated) == {"other": key_of(_)}


async def test_the_database_lets_one_row_have_a_key(migrated: SurrealStore) -> None:
    await add(migrated, "k")
    await migrated._connection.write(
        "CREATE job SET path = '/a', payload = '{}', status = 'processing', ordering_live = 'k'"
    )
    claim = await migrated.claim({"api": 5}, "r")
    assert (list(claim), claim.retry_in) == ([], {"api": PASSED})
    assert await migrated._connection.read("SELECT VALUE status FROM job WHERE ordering_key = 'k'") == [
        ["pending"]
    ]


async def test_the_places_of_a_batch_are_its_order_in_an_index_too(migrated: SurrealStore) -> None:
    jobs = await add(migrated, *["k"] * 300)
    (found,) = await migrated._connection.read(
        "SELECT VALUE id FROM job WHERE status = 'pending' AND claim_group = 'k' LIMIT 300"
    )
    assert [str(each.id) for each in found] == [key_of(job) for job in jobs]
    places = [job.ordering_at for job in jobs]
    assert places == sorted(places, key=str)
    (texts,) = await migrated._connection.read("SELECT VALUE <string>ordering_at FROM job")
    assert {len(each.partition(".")[2]) for each in texts} == {len("123456789Z")}


async def test_limits_hold_with_priorities_and_keys(
    make_store: Callable[..., SurrealStore], url: str
) -> None:
    store = make_store(url, (JobTable(backend="api", table="job", max_in_flight=2),))
    await store.open()
    await store.migrate()
    await add(store, None, "k", "k")
    await add(store, None, priority=1)
    claim = await store.claim({"api": 9}, "r")
    assert {job.priority for job in claim} == {0, 1}
    assert len(claim) == 2
    await store.close()


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
    await kill(store, [stale.id])
    await store._connection.write("UPDATE job SET lease_until = time::now()")
    await add(store, None, None, None, None, "k")
