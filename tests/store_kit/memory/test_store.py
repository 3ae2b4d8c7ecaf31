"""Calls of the memory store, and what they cost."""

import asyncio
from datetime import UTC, datetime
from itertools import count

import pytest

from sp00ky_conformance.store.harness import new_job
from sp00ky_core.errors import RowRefused, StoreError, UnknownBackend
from sp00ky_core.ports import JobQuery, JobTable, StoreOptions
from sp00ky_store_kit.memory import MemoryStore

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


async def test_a_commit_is_refused_whose_key_another_client_has_taken(memory_store: MemoryStore) -> None:
    transaction = memory_store.transaction()
    await memory_store.add([new_job(), new_job(dedup_key="k")], connection=transaction)
    other = memory_store.write_row("job", {"path": "/a", "payload": {}, "dedup_key": "k"})
    with pytest.raises(RowRefused):
        transaction.commit()
    assert [job.id for job in await memory_store.find(JobQuery())] == [other]


LATER = datetime(9999, 1, 1, tzinfo=UTC)


async def steps_of(store: MemoryStore) -> int:
    """Claim ten jobs, and count the database's steps, in hundreds."""
    steps = count()
    store.connection.set_progress_handler(lambda: next(steps) < 0, 100)
    assert len(await store.claim({"api": 10}, "r")) == 10
    return next(steps)


async def test_a_row_that_changes_its_key_frees_the_old_one() -> None:
    store = MemoryStore(OPTIONS)
    first = store.write_row("job", {"path": "/a", "payload": {}, "ordering_key": "one"})
    (second,) = await store.add([new_job(ordering_key="one")])
    store.write_row("job", {"id": first, "path": "/a", "payload": {}, "run_at": LATER})
    assert [claimed.id for claimed in await store.claim({"api": 10}, "r")] == [second.id]
