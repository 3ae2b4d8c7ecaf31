"""Pauses and limits in the memory store."""

from __future__ import annotations

import math

import attrs
import pytest

from sp00ky_conformance.store.harness import settlement
from sp00ky_core.config import RateConfig
from sp00ky_core.job import NewJob
from sp00ky_core.operators.transitions import kill
from sp00ky_core.outcome import Delivered
from sp00ky_core.ports import JobTable, StoreOptions
from sp00ky_core.stores.memory.store import MemoryStore
from sp00ky_core.testing import FakeClock

LEASE = 40.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def store_with(clock: FakeClock, **limits: object) -> MemoryStore:
    table = attrs.evolve(JobTable(backend="api", table="job"), **limits)
    return MemoryStore(StoreOptions(url="memory://", tables=(table,)), now=clock.now)


def jobs(count: int) -> list[NewJob]:
    return [NewJob(path="/a", backend="api")] * count


async def test_a_pause_holds_until_it_is_resumed(clock: FakeClock) -> None:
    store = store_with(clock)
    await store.add(jobs(1))
    assert await store.pause("api", reason="deploy", actor="ann")
    assert not await store.pause("api", reason="longer", actor="bob"), "it was paused before"
    claim = await store.claim({"api": 1}, "r")
    assert (list(claim), claim.paused) == ([], {"api": math.inf})
    paused = (await store.stats())["api"].paused
    assert paused is not None
    assert (paused.reason, paused.actor, paused.since, paused.until) == ("longer", "bob", clock.now(), None)
    assert await store.resume("api")
    assert not await store.resume("api")
    assert len(await store.claim({"api": 1}, "r")) == 1


async def test_a_pause_ends(clock: FakeClock) -> None:
    store = store_with(clock)
    await store.add(jobs(1))
    await store.pause("api", seconds=5)
    clock.advance(2)
    assert (await store.claim({"api": 1}, "r")).paused == {"api": 3.0}
    clock.advance(3)
    claim = await store.claim({"api": 1}, "r")
    assert (len(claim), claim.paused, (await store.stats())["api"].paused) == (1, {}, None)
    assert not await store.resume("api")


async def test_tokens_come_at_the_rate_up_to_the_burst(clock: FakeClock) -> None:
    store = store_with(clock, rate=RateConfig(limit=10, per=1.0, burst=3))
    await store.add(jobs(20))
    claim = await store.claim({"api": 9}, "r")
    assert (len(claim), claim.retry_in) == (3, {"api": pytest.approx(0.1)})
    clock.advance(0.25)
    claim = await store.claim({"api": 9}, "r")
    assert (len(claim), claim.retry_in) == (2, {"api": pytest.approx(0.05)})
    clock.advance(60)
    assert len(await store.claim({"api": 9}, "r")) == 3


async def test_where_nothing_is_left_nothing_is_waited_for(clock: FakeClock) -> None:
    store = store_with(clock, rate=RateConfig(limit=1, per=1.0, burst=1))
    await store.add(jobs(1))
    assert len(await store.claim({"api": 9}, "r")) == 1
    assert (await store.claim({"api": 9}, "r")).retry_in == {}


async def test_in_flight_counts_until_the_lease_ends(clock: FakeClock) -> None:
    store = store_with(clock, max_in_flight=2)
    await store.add(jobs(4))
    claim = await store.claim({"api": 9}, "r")
    assert (len(claim), claim.retry_in) == (2, {"api": 0.25})
    await kill(store, [claim[0].id])
    await store.settle([settlement(claim[1], Delivered())])
    assert len(await store.claim({"api": 9}, "r")) == 1, "the killed one's request may be under way"
    clock.advance(LEASE)
    assert len(await store.claim({"api": 9}, "r")) == 1
