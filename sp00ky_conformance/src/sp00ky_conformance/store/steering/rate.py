"""``claim`` from a table with a ``rate``: a token for each job, from one bucket for the whole fleet."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from typing import Any

import attrs
import pytest

from sp00ky_conformance.store.connection.other_process import members
from sp00ky_conformance.store.connection.processes import PROCESSES, STARTUP
from sp00ky_conformance.store.harness import API, MAIL, RUNNER, StoreHarness, eventually, failure, new_job
from sp00ky_conformance.store.steering.breakers import open_breaker
from sp00ky_core.config import BreakerConfig, RateConfig
from sp00ky_core.gate.breaker import BreakerState, ProbeAnswered, change_after
from sp00ky_core.ports import Store, StoreOptions

__all__ = ["RateConformance", "RateSharedConformance"]

DAY = 86_400.0
CLAIMS = 20
"""So many claims a claimer, some of which pass because another is at the bucket."""


def daily(burst: int) -> RateConfig:
    """Allow a burst, after which no token comes while a test runs."""
    return RateConfig(limit=1, per=DAY, burst=burst)


def limited(options: StoreOptions, **limits: Any) -> StoreOptions:
    """Limit the table of ``api``, and leave that of ``mail`` as it is."""
    api, *others = options.tables
    return attrs.evolve(options, tables=(attrs.evolve(api, **limits), *others))


class RateConformance(StoreHarness):
    """No more jobs are claimed than there are tokens for."""

    def rated(self, options: StoreOptions, rate: RateConfig) -> AbstractAsyncContextManager[Store]:
        """Open a store whose backend ``api`` has a rate."""
        return self.opened(limited(options, rate=rate))

    async def test_a_burst_is_had_at_once_and_no_more(self, options: StoreOptions) -> None:
        async with self.rated(options, daily(3)) as store:
            await self.add(store, 10)
            assert [len(await self.claim(store)) for _ in range(3)] == [3, 0, 0]

    async def test_a_claim_costs_what_it_takes(self, options: StoreOptions) -> None:
        async with self.rated(options, daily(4)) as store:
            assert [len(await self.claim(store)) for _ in range(5)] == [0] * 5
            await self.add(store)
            assert len(await self.claim(store)) == 1
            await self.add(store, 10)
            assert [len(await self.claim(store, 2)) for _ in range(3)] == [2, 1, 0]

    async def test_it_says_when_the_next_token_comes(self, options: StoreOptions) -> None:
        async with self.rated(options, RateConfig(limit=1, per=100.0, burst=2)) as store:
            await self.add(store, 5)
            for count in (2, 0):
                claim = await store.claim({API: 5}, RUNNER)
                assert len(claim) == count
                assert claim.retry_in.get(API) == pytest.approx(70, abs=30)

    async def test_it_says_nothing_where_nothing_was_left(self, options: StoreOptions) -> None:
        async with self.rated(options, daily(5)) as store:
            assert (await store.claim({API: 5, MAIL: 5}, RUNNER)).retry_in == {}
            await self.add(store)
            await self.add(store, backend=MAIL)
            claim = await store.claim({API: 5, MAIL: 5}, RUNNER)
            assert (len(claim), claim.retry_in) == (2, {})

    async def test_tokens_come_at_the_rate(self, options: StoreOptions) -> None:
        async with self.rated(options, RateConfig(limit=5, per=1.0, burst=6)) as store:
            await self.add(store, 40)
            taken, begun = 0, time.monotonic()
            async with asyncio.timeout(STARTUP):
                while taken < 10:
                    claim = await store.claim({API: 100}, RUNNER)
                    taken += len(claim)
                    assert len(claim) <= 6
                    assert taken <= 6 + 5 * (time.monotonic() - begun) + 1
                    await asyncio.sleep(min(claim.retry_in.get(API, 0), 0.02))

    async def test_no_more_than_a_burst_is_saved_up(self, options: StoreOptions) -> None:
        async with self.rated(options, RateConfig(limit=10_000, per=1.0, burst=3)) as store:
            await self.add(store, 20)
            for _ in range(3):
                await asyncio.sleep(0.05)
                assert len(await self.claim(store)) <= 3
            assert len(await eventually(lambda: self.claim(store, 2))) == 2

    async def test_other_backends_are_not_held_up(self, options: StoreOptions) -> None:
        async with self.rated(options, daily(1)) as store:
            await self.add(store, 5)
            await self.add(store, 5, backend=MAIL)
            claim = await store.claim({API: 5, MAIL: 5}, RUNNER)
            assert sorted(job.backend for job in claim) == [API, *[MAIL] * 5]
            assert set(claim.retry_in) == {API}

    async def test_a_release_gives_no_token_back(self, options: StoreOptions) -> None:
        async with self.rated(options, daily(2)) as store:
            jobs = await self.add(store, 2)
            assert len(await self.claim(store)) == 2
            assert sorted(await store.release(RUNNER, keep=())) == sorted(job.id for job in jobs)
            assert await self.claim(store) == []

    async def test_a_retry_costs_a_token(self, options: StoreOptions) -> None:
        async with self.rated(options, daily(2)) as store:
            await self.settled(store, await self.claimed(store), failure())
            (again,) = await self.claim(store)
            await self.settled(store, again, failure())
            assert await self.claim(store) == []

    async def test_a_probe_costs_a_token(self, options: StoreOptions) -> None:
        async with self.rated(options, daily(2)) as store:
            await self.add(store, 5)
            await open_breaker(store)
            probe = await eventually(lambda: store.claim({API: 5}, RUNNER))
            assert (len(probe), probe.breakers[API].state) == (1, BreakerState.HALF_OPEN)
            answered = ProbeAnswered(runner_id=RUNNER)
            change = change_after(API, probe.breakers[API], answered, BreakerConfig())
            assert change is not None
            assert (await store.change_breaker(change)).written
            assert len(await self.claim(store)) == 1

    async def test_nothing_is_probed_without_a_token(self, options: StoreOptions) -> None:
        async with self.rated(options, daily(1)) as store:
            await self.add(store, 5)
            assert len(await self.claim(store)) == 1
            await open_breaker(store)
            claim = await store.claim({API: 5}, RUNNER)
            breaker = claim.breakers[API]
            assert (list(claim), breaker.state, breaker.probe_runner) == ([], BreakerState.OPEN, None)

    async def test_a_paused_backend_uses_no_token(self, options: StoreOptions) -> None:
        async with self.rated(options, daily(2)) as store:
            await self.add(store, 5)
            await store.pause(API)
            assert [await self.claim(store) for _ in range(3)] == [[]] * 3
            await store.resume(API)
            assert len(await self.claim(store)) == 2

    async def test_priority_counts_where_tokens_are_few(self, options: StoreOptions) -> None:
        async with self.rated(options, daily(2)) as store:
            await store.add([new_job(priority=level) for level in (0, 1, 3, 0, 2)])
            assert sorted(job.priority for job in await self.claim(store)) == [2, 3]

    async def test_jobs_that_wait_for_their_turn_cost_none(self, options: StoreOptions) -> None:
        async with self.rated(options, daily(4)) as store:
            await self.add(store, 5, ordering_key="k")
            assert len(await self.claim(store)) == 1
            await self.add(store, 5)
            assert len(await self.claim(store)) == 3


class RateSharedConformance(StoreHarness):
    """The whole fleet has one bucket, which outlives it."""

    async def test_claimers_at_once_share_the_tokens(self, options: StoreOptions) -> None:
        async with self.opened(options, rate=daily(7)) as store:
            await self.add(store, 40)
            claims = await asyncio.gather(*(self.claim(store, 3, runner=f"r{n}") for n in range(20)))
            assert max(map(len, claims)) <= 3
            left = [await self.claim(store) for _ in range(2)]
            assert sum(map(len, [*claims, *left])) == 7

    async def test_processes_share_the_tokens(self, options: StoreOptions) -> None:
        options = limited(options, rate=daily(9))
        async with self.opened(options) as store:
            if not store.capabilities.shared:
                return
            await self.add(store, 60)
            async with asyncio.timeout(STARTUP), members(self, options, "claim_often", PROCESSES) as others:
                for n, other in enumerate(others):
                    await other.go(runner=f"runner-{n}", slots=2, rounds=CLAIMS)
                taken = sum([await other.result() for other in others])
            left = await self.claim(store)
            assert (taken + len(left), await self.claim(store)) == (9, [])

    async def test_tokens_outlive_the_store(self, options: StoreOptions) -> None:
        async with self.opened(options, rate=daily(3)) as store:
            await self.add(store, 5)
            assert len(await self.claim(store, 2)) == 2
        async with self.opened(options, rate=daily(3)) as store:
            assert len(await self.claim(store)) == (1 if store.capabilities.durable else 0)

    async def test_each_claim_applies_its_own_runners_rate(self, options: StoreOptions) -> None:
        async with self.opened(options, rate=daily(5)) as store:
            await self.add(store, 20)
            assert len(await self.claim(store, 1)) == 1
            if not store.capabilities.durable:
                return
        async with self.opened(options, rate=daily(2)) as store:
            assert len(await self.claim(store)) == 2
        async with self.opened(options) as store:
            assert len(await self.claim(store, 5)) == 5
        async with self.opened(options, rate=daily(50)) as store:
            assert await self.claim(store) == []
