"""Calls of the memory store, by a clock that is moved."""

import asyncio
from datetime import UTC, datetime

import pytest

from sp00ky_conformance.store.harness import new_job
from sp00ky_core.errors import StoreError, UnknownBackend
from sp00ky_core.ports import JobQuery, JobTable, StoreOptions
from sp00ky_core.stores.memory import MemoryStore

OPTIONS = StoreOptions(url="memory://", tables=(JobTable(backend="api", table="job"),))


async def test_its_clock_may_be_another() -> None:
    now = datetime(2026, 1, 31, tzinfo=UTC)
    store = MemoryStore(OPTIONS, now=lambda: now)
    (job,) = await store.add([new_job()])
    assert (job.created_at, job.run_at) == (now, now)


async def test_a_backend_without_a_table_is_named() -> None:
    with pytest.raises(UnknownBackend, match="no backend 'mail'"):
        await MemoryStore(OPTIONS).add([new_job(backend="mail")])


async def test_two_transactions_that_wait_for_each_other_are_told(memory_store: MemoryStore) -> None:
    async with memory_store.transaction() as one:
        await memory_store.add([new_job(dedup_key="k")], connection=one)
        async with memory_store.transaction() as other:
            await memory_store.add([new_job(dedup_key="l")], connection=other)
            waiting = asyncio.ensure_future(memory_store.add([new_job(dedup_key="k")], connection=other))
            await asyncio.sleep(0)
            with pytest.raises(StoreError, match="wait for each other"):
                await memory_store.add([new_job(dedup_key="l")], connection=one)
            one.rollback()
            (added,) = await waiting
    assert added.id in {stored.id for stored in await memory_store.find(JobQuery())}
