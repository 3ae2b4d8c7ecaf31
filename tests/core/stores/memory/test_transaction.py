"""Transactions of the memory store."""

import asyncio
from typing import Any

import attrs
import pytest

from sp00ky_core.errors import StoreError
from sp00ky_core.job.job import NewJob
from sp00ky_core.ports import JobQuery
from sp00ky_core.stores.memory.store import MemoryStore


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
