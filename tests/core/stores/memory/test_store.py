"""Calls of the memory store, by a clock that is moved."""

from datetime import UTC, datetime

import pytest

from sp00ky_core.errors import StoreClosed, UnknownBackend
from sp00ky_core.job.job import NewJob
from sp00ky_core.ports import JobTable, StoreOptions
from sp00ky_core.stores.memory.store import MemoryStore

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
