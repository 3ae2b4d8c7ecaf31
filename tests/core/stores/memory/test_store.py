"""Calls of the memory store, by a clock that is moved."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from sp00ky_core.errors import StoreClosed, StoreError, UnknownBackend
from sp00ky_core.job.job import NewJob
from sp00ky_core.ports import JobQuery, JobTable, StoreOptions
from sp00ky_core.stores.memory import MemoryStore

OPTIONS = StoreOptions(url="memory://", tables=(JobTable(backend="api", table="job"),))


async def test_a_closed_store_takes_no_call_and_keeps_its_jobs() -> None:
    store = MemoryStore(OPTIONS)
    await store.open()
    (job,) = await store.add([NewJob(path="/a", backend="api")])
    await store.close()
    with pytest.raises(StoreClosed):
        await store.get(job.id)
    await store.open()
    assert await store.get(job.id) == job


async def test_its_clock_may_be_another() -> None:
    now = datetime(2026, 1, 31, tzinfo=UTC)
    store = MemoryStore(OPTIONS, now=lambda: now)
    (job,) = await store.add([NewJob(path="/a", backend="api")])
    assert (job.created_at, job.run_at) == (now, now)


async def test_a_backend_without_a_table_is_named() -> None:
    with pytest.raises(UnknownBackend, match="no backend 'mail'"):
        await MemoryStore(OPTIONS).add([NewJob(path="/a", backend="mail")])


def job(**fields: Any) -> NewJob:
    return attrs.evolve(NewJob(path="/a", backend="api"), **fields)


async def test_two_transactions_that_wait_for_each_other_are_told(memory_store: MemoryStore) -> None:
    async with memory_store.transaction() as one:
        await memory_store.add([job(dedup_key="k")], connection=one)
        async with memory_store.transaction() as other:
            await memory_store.add([job(dedup_key="l")], connection=other)
            waiting = asyncio.ensure_future(memory_store.add([job(dedup_key="k")], connection=other))
            await asyncio.sleep(0)
            with pytest.raises(StoreError, match="wait for each other"):
                await memory_store.add([job(dedup_key="l")], connection=one)
            one.rollback()
            (added,) = await waiting
    assert added.id in {each.id for each in await memory_store.find(JobQuery())}
