"""Pauses are seen by claims at once, and by those who ask whether there is work."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

from sp00ky_core.errors import UnknownBackend
from sp00ky_core.ports import JobTable
from sp00ky_store_postgres import PostgresStore


async def test_it_holds_where_there_is_no_breaker(make: Any, store: PostgresStore, new_job: Any) -> None:
    await store.add([new_job()])
    free = make(tables=(JobTable(backend="api", table="job", breaker=False),), notify="off")
    await free.open()
    assert await free._is_due()
    await store.pause("api", seconds=60)
    claim = await free.claim({"api": 1}, "r1")
    assert list(claim) == []
    assert 50 < claim.paused["api"] <= 60
    assert not await free._is_due()  # else idle runners would claim many times a second, for nothing
    assert await free.next_due(["api"]) == 0
    await store.resume("api")
    assert len(await free.claim({"api": 1}, "r1")) == 1
    await free.close()


async def test_of_pauses_at_once_one_is_new(store: PostgresStore) -> None:
    news = await asyncio.gather(*(store.pause("api", reason=f"{n}") for n in range(8)))
    assert news.count(True) == 1
    ends = await asyncio.gather(*(store.resume("api") for _ in range(8)))
    assert ends.count(True) == 1


async def test_a_very_long_pause_ends_within_every_calendar(store: PostgresStore, new_job: Any) -> None:
    await store.add([new_job()])
    assert await store.pause("api", seconds=1e30)
    paused = (await store.stats())["api"].paused
    assert paused is not None
    assert paused.until is not None
    assert (await store.claim({"api": 1}, "r1")).paused["api"] < math.inf


async def test_a_pause_keeps_the_tokens(store: PostgresStore, sql: Any, quoted: str) -> None:
    await sql.execute(
        f"INSERT INTO {quoted}.sp00ky_control (backend, tokens, tokens_at) VALUES ('api', 3, now())"
    )
    await store.pause("api")
    await store.resume("api")
    assert await sql.fetchval(f"SELECT tokens FROM {quoted}.sp00ky_control") == 3


async def test_a_backend_that_is_not_there_is_named(store: PostgresStore) -> None:
    with pytest.raises(UnknownBackend):
        await store.pause("mail")
    with pytest.raises(UnknownBackend):
        await store.resume("mail")
