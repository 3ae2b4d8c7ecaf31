"""``add``, ``claim``, ``settle`` and ``release`` where the caller is cancelled at any moment."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from sp00ky_conformance.store.harness import API, PATIENCE, RUNNER, StoreHarness, new_job, settlement, where
from sp00ky_conformance.store.steering.rate import limited
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import JobQuery, Store, StoreOptions

__all__ = ["InterruptionConformance"]

MOMENTS = 24
"""So many moments are tried: turns of the event loop first, then fractions of a millisecond."""


async def cut_off(call: Awaitable[object], moment: int) -> None:
    """Begin a call and cancel it at a moment of its life; what it raises besides is a failure."""
    task = asyncio.ensure_future(call)
    if moment < MOMENTS // 2:
        for _ in range(moment):
            await asyncio.sleep(0)
    else:
        await asyncio.sleep((moment - MOMENTS // 2) * 0.0004)
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()


class InterruptionConformance(StoreHarness):
    """A call that is cut off has happened or not, and leaves nothing behind."""

    async def test_an_add_that_is_cut_off_is_all_or_none(self, store: Store) -> None:
        for moment in range(MOMENTS):
            await cut_off(store.add([new_job(path=f"/{moment}") for _ in range(3)]), moment)
            await self._works(store)
        jobs = await store.find(JobQuery(limit=1_000))
        for moment in range(MOMENTS):
            assert sum(job.path == f"/{moment}" for job in jobs) in {0, 3}

    async def test_a_settle_that_is_cut_off_can_be_repeated(self, store: Store) -> None:
        for moment in range(MOMENTS):
            job = await self.claimed(store)
            await cut_off(store.settle([settlement(job, Delivered(result=moment))]), moment)
            await self._works(store)
            fate = "busy"
            async with asyncio.timeout(PATIENCE):
                while fate == "busy":  # the one that was cut off may still hold the row
                    fate = (await store.settle([settlement(job, Delivered(result=moment))]))[0].fate
                    await asyncio.sleep(0)
            assert fate in {"settled", "already_settled"}
            assert (await store.get(job.id)).result == moment

    async def test_a_claim_that_is_cut_off_is_given_back(self, store: Store) -> None:
        for moment in range(MOMENTS):
            added = {job.id for job in await self.add(store, 3)}
            await cut_off(store.claim({API: 10}, RUNNER), moment)
            jobs: dict[str, int] = {}
            async with asyncio.timeout(PATIENCE):
                while len(jobs) < len(added):  # it may commit late, for a runner releases again and again
                    jobs |= await self._given_back(store)
                    await asyncio.sleep(0)
            assert jobs == dict.fromkeys(added, 0)

    async def test_a_claim_of_a_key_that_is_cut_off_is_given_back(self, store: Store) -> None:
        for moment in range(MOMENTS):
            added = await self.add(store, 3, ordering_key="k")
            await cut_off(store.claim({API: 10}, RUNNER), moment)
            delivered: dict[str, int] = {}
            async with asyncio.timeout(PATIENCE):
                while len(delivered) < len(added):
                    delivered |= await self._given_back(store)
                    await asyncio.sleep(0)
            assert list(delivered) == [job.id for job in added]

    async def test_a_claim_with_limits_that_is_cut_off_is_given_back(self, options: StoreOptions) -> None:
        async with self.opened(limited(options, max_in_flight=2)) as store:
            for moment in range(MOMENTS):
                added = {job.id for job in await self.add(store, 3)}
                await cut_off(store.claim({API: 10}, RUNNER), moment)
                delivered: dict[str, int] = {}
                async with asyncio.timeout(PATIENCE):
                    while len(delivered) < len(added):
                        delivered |= await self._given_back(store)
                        await asyncio.sleep(0)
                assert set(delivered) == added

    @where("transactions")
    async def test_a_claim_that_waits_when_it_is_cut_off_is_given_back(self, store: Store) -> None:
        """A claim that a caller's transaction holds up may get through after its own caller's end."""
        if store.capabilities.concurrent_writes:
            await self._is_held_up_by_nothing(store)
            return
        for moment in range(12):  # a database may poll for its lock: the release must be first once
            await self.add(store, 3)
            async with self.transaction(store) as connection:
                await store.add([new_job()], connection=connection)
                await cut_off(store.claim({API: 10}, RUNNER), MOMENTS // 2 + 20 * moment)
                releasing = asyncio.ensure_future(store.release(RUNNER, keep=()))
                await asyncio.wait([releasing], timeout=0.05)
            await releasing
            jobs = await store.claim({API: 10}, "runner-2")
            assert len(jobs) == 4, "a claim got through after the release that should have given it back"
            await store.settle([settlement(job, Delivered()) for job in jobs])

    async def _given_back(self, store: Store) -> dict[str, int]:
        """Release, have another runner claim, and end what that got: retries by id."""
        await store.release(RUNNER, keep=())
        jobs = await store.claim({API: 10}, "runner-2")
        await store.settle([settlement(job, Delivered()) for job in jobs])
        return {job.id: job.retries for job in jobs}

    async def _works(self, store: Store) -> None:
        """Check that the next calls go through: no transaction has been left open."""
        async with asyncio.timeout(PATIENCE):
            await store.add([new_job(path="/next")])
            await store.beat(RUNNER)
            await store.claim({API: 1_000}, "runner-2")

    async def _is_held_up_by_nothing(self, store: Store) -> None:
        """Claim while a transaction that has enqueued a job is open."""
        await self.add(store, 3)
        async with self.transaction(store) as connection:
            await store.add([new_job()], connection=connection)
            async with asyncio.timeout(PATIENCE):
                assert len(await store.claim({API: 10}, RUNNER)) == 3
