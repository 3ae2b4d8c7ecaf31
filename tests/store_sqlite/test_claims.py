"""A claim that gets nothing waits for no writer, and writes nothing."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import attrs
import pytest
from tests.store_sqlite.conftest import migrated

from sp00ky_core.config import RateConfig
from sp00ky_core.job.job import NewJob
from sp00ky_core.ports import StoreOptions
from sp00ky_store_sqlite import SqliteStore


@pytest.fixture
async def store(options: StoreOptions) -> AsyncIterator[SqliteStore]:
    (api,) = options.tables
    limited = attrs.evolve(
        api, backend="slow", table="slow_job", rate=RateConfig(limit=1, per=86_400.0, burst=1)
    )
    full = attrs.evolve(api, backend="full", table="full_job", max_in_flight=1)
    store = await migrated(attrs.evolve(options, tables=(api, limited, full)))
    yield store
    await store.close()


def job(backend: str = "api", **fields: Any) -> NewJob:
    return NewJob(backend=backend, path="/a", payload={}, **fields)


async def empty(store: SqliteStore) -> None:
    """There is no job."""


async def delayed(store: SqliteStore) -> None:
    await store.add([job(priority=n, delay=timedelta(hours=1)) for n in range(4)])
    await store.add([job(ordering_key="k", delay=timedelta(hours=1)), job(ordering_key="k")])


async def paused(store: SqliteStore) -> None:
    await store.add([job()])
    await store.pause("api")


async def in_turn(store: SqliteStore) -> None:
    await store.add([job(ordering_key="k") for _ in range(3)])
    assert len(await store.claim({"api": 3}, "r")) == 1


async def without_tokens(store: SqliteStore) -> None:
    await store.add([job("slow"), job("slow")])
    assert len(await store.claim({"slow": 2}, "r")) == 1


async def without_places(store: SqliteStore) -> None:
    await store.add([job("full"), job("full")])
    assert len(await store.claim({"full": 2}, "r")) == 1


@pytest.mark.parametrize("before", [empty, delayed, paused, in_turn, without_tokens, without_places])
async def test_it_takes_no_lock(
    store: SqliteStore, connection: Any, before: Callable[[SqliteStore], Awaitable[None]]
) -> None:
    await before(store)
    connection.execute("BEGIN IMMEDIATE")
    assert await store.claim({"api": 5, "slow": 5, "full": 5}, "r") == []
    connection.execute("ROLLBACK")
