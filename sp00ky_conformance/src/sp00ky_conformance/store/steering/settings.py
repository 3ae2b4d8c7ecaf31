"""``change_settings``, ``settings`` and ``use``: what operators set is kept, and claims follow a table."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import attrs
import pytest

from sp00ky_conformance.store.harness import API, MAIL, RUNNER, StoreHarness, eventually, moment
from sp00ky_conformance.store.steering.rate import daily
from sp00ky_core.ports import LONGEST_SET_TIMEOUT, SettingsRecord, Store, StoreOptions
from sp00ky_core.stores.transitions import kill

__all__ = ["SettingsConformance", "TableInUseConformance"]

LONG, SHORT = 3_600.0, 0.05
RATE: Mapping[str, float] = {"limit": 20, "per": 1.0, "burst": 20}


class SettingsConformance(StoreHarness):
    """What is set of a backend is kept until its end, or until it is reset."""

    async def test_what_is_set_is_there_beside_what_was_set(self, store: Store) -> None:
        assert await store.settings() == {}
        await store.change_settings(API, {"rate": RATE, "concurrency": 5}, actor="ann")
        await store.change_settings(API, {"concurrency": 7, "timeout": 2.5}, actor="bob")
        values = {"rate": RATE, "concurrency": 7, "timeout": 2.5}
        assert await store.settings() == {API: SettingsRecord(values=values, actor="bob")}

    async def test_it_ends_by_its_time(self, store: Store) -> None:
        await store.change_settings(API, {"concurrency": 5}, seconds=LONG)
        first = (await store.settings())[API]
        assert first.until is not None
        await store.change_settings(API, {"timeout": 2.5})
        assert (await store.settings())[API].until == first.until
        await store.change_settings(API, {"concurrency": 6}, seconds=SHORT)
        await eventually(lambda: self._nothing_is_set(store))
        await store.change_settings(API, {"timeout": 1.5})
        assert await store.settings() == {API: SettingsRecord(values={"timeout": 1.5})}

    async def test_a_reset_forgets_it(self, store: Store) -> None:
        assert await store.reset_settings(API) is False
        await store.change_settings(API, {"concurrency": 5})
        await store.change_settings(MAIL, {"concurrency": 6})
        assert await store.reset_settings(API) is True
        assert await store.reset_settings(API) is False
        assert list(await store.settings()) == [MAIL]

    async def test_pauses_and_settings_are_apart(self, store: Store) -> None:
        await store.change_settings(API, {"concurrency": 5}, actor="ann")
        await store.pause(API, actor="bob")
        await store.change_settings(API, {"concurrency": 6}, actor="cid")
        paused = (await store.stats())[API].paused
        assert paused is not None
        assert (paused.actor, (await store.settings())[API].actor) == ("bob", "cid")
        await store.reset_settings(API)
        assert (await store.claim({API: 1}, RUNNER)).paused
        await store.change_settings(API, {"concurrency": 7})
        await store.resume(API)
        assert (await store.settings())[API].values == {"concurrency": 7}

    async def test_settings_outlive_the_store(self, options: StoreOptions) -> None:
        async with self.opened(options) as store:
            await store.change_settings(API, {"concurrency": 5})
        async with self.opened(options) as store:
            assert bool(await store.settings()) is store.capabilities.durable

    async def test_two_who_set_at_once_lose_nothing(self, store: Store) -> None:
        await asyncio.gather(*(store.change_settings(API, {f"k{n}": n}) for n in range(6)))
        assert (await store.settings())[API].values == {f"k{n}": n for n in range(6)}

    async def _nothing_is_set(self, store: Store) -> bool:
        return await store.settings() == {}


class TableInUseConformance(StoreHarness):
    """Claims lease and limit as the table says that is in use."""

    def use(self, store: Store, options: StoreOptions, **changes: Any) -> None:
        """Have the store use another table for ``api``."""
        store.use(attrs.evolve(options.tables[0], **changes))

    async def test_a_rate_begins_and_ends(self, store: Store, options: StoreOptions) -> None:
        await self.add(store, 20)
        assert len(await self.claim(store, 1)) == 1
        self.use(store, options, rate=daily(3))
        assert [len(await self.claim(store, 5)) for _ in range(2)] == [3, 0]
        self.use(store, options)
        assert len(await self.claim(store, 5)) == 5

    async def test_what_was_claimed_before_counts_as_in_flight(
        self, store: Store, options: StoreOptions
    ) -> None:
        await self.add(store, 20)
        assert len(await self.claim(store, 3)) == 3
        self.use(store, options, max_in_flight=5)
        assert [len(await self.claim(store, 5)) for _ in range(2)] == [2, 0]
        self.use(store, options, max_in_flight=6)
        assert len(await self.claim(store, 5)) == 1

    async def test_a_longer_timeout_has_a_longer_lease(self, store: Store, options: StoreOptions) -> None:
        before = await self.claimed(store)
        self.use(store, options, timeout=LONGEST_SET_TIMEOUT)
        job = await self.claimed(store)
        longer = (moment(job.lease_until) - moment(before.lease_until)).total_seconds()
        assert longer == pytest.approx(LONGEST_SET_TIMEOUT - options.tables[0].timeout, abs=60)
        self.use(store, options)  # what was claimed with it is under way all the same
        assert await store.reclaim({}) == []
        (again,) = await self.add(store)
        assert [other.id for other in await self.claim(store)] == [again.id]

    async def test_a_shorter_timeout_ends_no_longer_lease(self, options: StoreOptions) -> None:
        seconds = 2 * LONGEST_SET_TIMEOUT
        longer = attrs.evolve(options.tables[0], timeout=seconds, longest_timeout=seconds)
        options = attrs.evolve(options, tables=(longer, *options.tables[1:]))
        async with self.opened(options) as store:
            under_way = await self.claimed(store, ordering_key="k")
            await self.add(store, ordering_key="k")
            self.use(store, options, timeout=5.0)
            assert await store.reclaim({}) == []
            await kill(store, [under_way.id])
            assert await self.claim(store) == []
