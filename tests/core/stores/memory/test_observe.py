"""Reading the memory store changes nothing, and a watch misses nothing."""

from __future__ import annotations

import pytest

from sp00ky_core.errors import JobNotFound
from sp00ky_core.job import NewJob
from sp00ky_core.ports import JobFilter, JobQuery
from sp00ky_core.stores.memory.store import MemoryStore


async def added(store: MemoryStore, count: int) -> list[str]:
    return [each.id for each in await store.add([NewJob(path=f"/{n}", backend="api") for n in range(count)])]


async def test_pages_are_newest_first(memory_store: MemoryStore) -> None:
    ids = await added(memory_store, 5)
    first = await memory_store.find(JobQuery(limit=2))
    rest = await memory_store.find(JobQuery(after=first[-1].id))
    assert [each.id for each in (*first, *rest)] == ids[::-1]
    assert await memory_store.count(JobFilter(path="/3")) == 1


async def test_an_id_is_completed_within_its_table(memory_store: MemoryStore) -> None:
    ids = await added(memory_store, 3)
    assert await memory_store.ids_starting_with(ids[1]) == [ids[1]]
    assert len(await memory_store.ids_starting_with("job:", limit=2)) == 2
    assert await memory_store.ids_starting_with("other:") == []
    with pytest.raises(JobNotFound):
        await memory_store.get("job:none")


async def test_a_watch_begins_with_what_is_there_and_ends_with_its_jobs(memory_store: MemoryStore) -> None:
    (job_id,) = await added(memory_store, 1)
    watch = memory_store.watch(JobQuery(ids=(job_id,)))
    assert (await anext(watch)).id == job_id
    await memory_store.kill([job_id])
    assert (await anext(watch)).is_terminal
    await memory_store.clear([job_id])
    with pytest.raises(StopAsyncIteration):
        await anext(watch)
    assert memory_store._watched == []


async def test_a_watch_may_begin_with_the_latest(memory_store: MemoryStore) -> None:
    ids = await added(memory_store, 3)
    watch = memory_store.watch(JobQuery(), history=2)
    assert [(await anext(watch)).id for _ in range(2)] == ids[1:]
    await watch.aclose()
