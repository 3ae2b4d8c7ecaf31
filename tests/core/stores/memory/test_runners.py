"""Runners in the memory store."""

from __future__ import annotations

from sp00ky_core.ports import RunnerInfo, StoreOptions
from sp00ky_core.stores.memory.store import MemoryStore
from sp00ky_core.testing import FakeClock


async def test_a_runner_reports_itself_until_it_is_removed() -> None:
    clock = FakeClock()
    store = MemoryStore(StoreOptions(url="memory://", tables=()), now=clock.now)
    started_at = clock.now()
    await store.beat("old", RunnerInfo(slots={"api": 5}))
    clock.advance(2)
    await store.beat("new")
    await store.beat("old", RunnerInfo(slots={"api": 5}, in_flight={"api": 1}))
    clock.advance(3)
    new, old = await store.runners()
    assert (new.id, old.id, old.started_at, old.silent_for) == ("new", "old", started_at, 3.0)
    assert old.info.in_flight == {"api": 1}
    assert old.host
    await store.remove_runner("old")
    assert [each.id for each in await store.runners()] == ["new"]


async def test_a_drain_that_was_asked_for_stays() -> None:
    store = MemoryStore(StoreOptions(url="memory://", tables=()))
    assert not await store.drain_runner("r")
    await store.beat("r")
    assert await store.drain_runner("r")
    for _ in range(2):
        assert (await store.beat("r", RunnerInfo(draining=False)))["r"].info.draining
    assert (await store.runners())[0].info.draining
