"""The order of a key in the memory store: what opens the next job, and when."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest

from sp00ky_conformance.store.harness import settlement
from sp00ky_core.job import Job, NewJob
from sp00ky_core.machine import Deferred, Released
from sp00ky_core.operators.transitions import clear, kill, redrive
from sp00ky_core.outcome import Delivered, Undelivered
from sp00ky_core.ports import JobTable, StoreOptions
from sp00ky_core.stores.memory.store import MemoryStore
from sp00ky_core.testing import FakeClock

OPTIONS = StoreOptions(url="memory://", tables=(JobTable(backend="api", table="job"),))
LEASE = 40.0  # seconds: the attempt's timeout and the margin


def job(key: str | None = "k", **fields: Any) -> NewJob:
    return attrs.evolve(NewJob(path="/a", backend="api", ordering_key=key), **fields)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(clock: FakeClock) -> MemoryStore:
    return MemoryStore(OPTIONS, now=clock.now)


async def claimed(store: MemoryStore, slots: int = 9) -> list[Job]:
    return list(await store.claim({"api": slots}, "r"))


async def ids(store: MemoryStore, slots: int = 9) -> list[str]:
    return [each.id for each in await claimed(store, slots)]


async def test_the_next_one_comes_when_the_one_before_has_ended(store: MemoryStore) -> None:
    first, second, third = await store.add([job(), job(), job()])
    (one,) = await claimed(store)
    assert one.id == first.id
    await store.settle([settlement(one, Delivered())])
    (two,) = await claimed(store)
    assert two.id == second.id
    await store.settle([settlement(two, Undelivered(name="invalid_row"))])
    assert await ids(store) == [third.id]


async def test_a_job_that_waits_for_its_retry_holds_back_those_behind(
    store: MemoryStore, clock: FakeClock
) -> None:
    first, _ = await store.add([job(), job()])
    for event in (Undelivered(name="timeout", retry_after=3.0), Deferred(delay=5.0)):
        (one,) = await claimed(store)
        await store.settle([settlement(one, event)])
        assert await claimed(store) == []
        clock.advance(await store.next_due(["api"]) or 0)
    assert await ids(store) == [first.id]


async def test_a_released_job_is_the_first_again(store: MemoryStore) -> None:
    first, _ = await store.add([job(), job()])
    (one,) = await claimed(store)
    await store.settle([settlement(one, Released())])
    assert await ids(store) == [first.id]


@pytest.mark.parametrize("is_first_killed", [True, False])
async def test_after_a_lost_attempt_the_key_waits_for_its_lease(
    store: MemoryStore, clock: FakeClock, is_first_killed: bool
) -> None:
    first, second = await store.add([job(), job()])
    await claimed(store)
    if is_first_killed:
        await kill(store, [first.id])
    else:
        await store.reclaim({"r": clock.now()})
    assert await claimed(store) == []
    assert await store.next_due(["api"]) == LEASE
    clock.advance(LEASE)
    assert await ids(store) == [second.id if is_first_killed else first.id]


async def test_a_killed_row_that_is_deleted_holds_nothing_back(store: MemoryStore) -> None:
    first, second = await store.add([job(), job()])
    await claimed(store)
    await kill(store, [first.id])
    await clear(store, [first.id])
    assert await ids(store) == [second.id]


async def test_a_redriven_job_takes_its_old_place(store: MemoryStore) -> None:
    first, second, third = await store.add([job(), job(), job()])
    (one,) = await claimed(store)
    await store.settle([settlement(one, Undelivered(name="invalid_row"))])
    (two,) = await claimed(store)
    await redrive(store, [first.id])
    assert await claimed(store) == [], "two of a key at once"
    await store.settle([settlement(two, Delivered())])
    assert two.id == second.id
    (one,) = await claimed(store)
    await store.settle([settlement(one, Delivered())])
    assert one.id == first.id
    assert await ids(store) == [third.id]


async def test_keys_and_jobs_without_one_are_merged_by_priority_and_age(
    store: MemoryStore, clock: FakeClock
) -> None:
    wanted = []
    for each in (job("a"), job(None), job("b"), job("c", priority=1), job(None, priority=3)):
        wanted += await store.add([each])
        clock.advance(1)
    order = [each.id for each in sorted(wanted, key=lambda each: (-each.priority, each.run_at))]
    assert [job_id for _ in range(5) for job_id in await ids(store, 1)] == order


async def test_priority_does_not_reorder_within_a_key(store: MemoryStore) -> None:
    first, _ = await store.add([job(), job(priority=3)])
    assert await ids(store) == [first.id]


async def test_a_delayed_first_one_holds_back_the_key(store: MemoryStore, clock: FakeClock) -> None:
    first, _ = await store.add([job(delay=timedelta(seconds=9)), job()])
    assert await claimed(store) == []
    assert await store.next_due(["api"]) == 9
    clock.advance(9)
    assert await ids(store) == [first.id]
