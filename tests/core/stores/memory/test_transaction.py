"""Transactions of the memory store."""

import asyncio
from typing import Any

import attrs
import pytest

from sp00ky_core.errors import OptionInvalid, StoreError
from sp00ky_core.job import NewJob
from sp00ky_core.operators.transitions import kill, redrive
from sp00ky_core.ports import JobQuery, OperatorFate
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


async def test_an_ended_transaction_takes_no_jobs(memory_store: MemoryStore) -> None:
    async with memory_store.transaction() as transaction:
        pass
    with pytest.raises(OptionInvalid):
        await memory_store.add([job()], connection=transaction)


async def test_a_key_of_an_open_transaction_is_held(memory_store: MemoryStore) -> None:
    (ended,) = await memory_store.add([job(dedup_key="k")])
    await kill(memory_store, [ended.id])
    async with memory_store.transaction() as transaction:
        (added,) = await memory_store.add([job(dedup_key="k")], connection=transaction)
        assert await memory_store.add([job(dedup_key="k")], connection=transaction) == [added]
        assert [each.fate for each in await redrive(memory_store, [ended.id])] == [OperatorFate.DUPLICATE]
        assert await memory_store.count(JobQuery()) == 1
        transaction.rollback()
    assert [each.fate for each in await redrive(memory_store, [ended.id])] == [OperatorFate.REDRIVEN]


async def test_it_sees_its_own_jobs_and_no_other_does(memory_store: MemoryStore) -> None:
    (before,) = await memory_store.add([job(assigned_to="t:0")])
    async with memory_store.transaction() as transaction, memory_store.transaction() as other:
        own = await memory_store.add([job(assigned_to=f"t:{n}") for n in (1, 2)], connection=transaction)
        (after,) = await memory_store.add([job()])
        newest = [after, *reversed(own), before]
        assert await memory_store.find(JobQuery(), connection=transaction) == newest
        assert await memory_store.find(JobQuery(limit=2), connection=transaction) == newest[:2]
        assert await memory_store.find(JobQuery(assigned_to="t:1"), connection=transaction) == [own[0]]
        assert await memory_store.get(own[0].id, connection=transaction) == own[0]
        assert await memory_store.find(JobQuery(), connection=other) == [after, before]
