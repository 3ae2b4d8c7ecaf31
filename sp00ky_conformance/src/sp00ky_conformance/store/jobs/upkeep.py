"""``release``, ``claim``, ``prune`` and ``beat``: what time does to rows, and what must not wait."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from sp00ky_conformance.store.harness import (
    API,
    RUNNER,
    StoreHarness,
    eventually,
    needs,
    settlement,
    where,
)
from sp00ky_core.job.job import JobStatus
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import Store, StoreOptions

__all__ = ["UpkeepConformance"]

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
ROUNDS = 3
"""So often may a beat be late by chance, on a machine that is busy."""

TWO_DAYS = 2 * 86_400.0


class UpkeepConformance(StoreHarness):
    """Ended leases are reclaimed and nothing else, old rows go, and a sign of life comes through."""

    async def test_a_job_whose_lease_is_over_is_not_claimed(self, hasty: Store) -> None:
        job = await self._stalled(hasty)
        assert await self.claim(hasty, runner="runner-2") == [], "only reclaim() takes it: it counts"
        assert (await hasty.get(job)).lease_epoch == 1

    async def test_a_job_whose_lease_is_over_is_not_given_back(self, hasty: Store) -> None:
        job = await self._stalled(hasty)
        assert await hasty.release(RUNNER, keep=()) == [], (
            "its request may have been sent: reclaim() takes it"
        )
        assert (await hasty.get(job)).status is JobStatus.PROCESSING
        assert [each.job_id for each in await hasty.reclaim({})] == [job]

    @where("retention")
    async def test_a_job_is_kept_from_its_end_on(self, options: StoreOptions) -> None:
        async with self.opened(options, keep_success=3_600.0, keep_failed=3_600.0) as store:
            fields = {"path": "/spookify", "payload": "{}", "created_at": LONG_AGO, "run_at": LONG_AGO}
            job_id = await self.written(store, options, fields)
            if job_id is None:
                return
            (job,) = await self.claim(store)
            assert job.id == job_id
            await self.settled(store, job, Delivered())
            assert await store.prune() == 0, "it has ended just now, however long ago it was created"
            assert (await store.get(job_id)).status is JobStatus.SUCCESS

    @needs("backdate_beat")
    async def test_a_runner_that_has_long_been_silent_is_forgotten(self, store: Store) -> None:
        for runner in ("old", "young"):
            await store.beat(runner)
        await self.backdate_beat(store, "old", TWO_DAYS)
        await self.backdate_beat(store, "young", 3_600.0)
        await store.beat(RUNNER)
        assert set(await store.beat(RUNNER)) == {"young", RUNNER}

    async def test_a_beat_waits_for_no_queue_of_settles(self, store: Store) -> None:
        for _ in range(ROUNDS):
            await self.add(store, 600)
            jobs = await self.claim(store, 600)
            batches = [[settlement(job, Delivered()) for job in jobs[n::60]] for n in range(60)]
            if await self._is_overtaken(store, [store.settle(batch) for batch in batches]):
                return
        pytest.fail("each beat came after all the settles that were queued before it")

    async def test_a_beat_waits_for_no_queue_of_claims(self, store: Store) -> None:
        for _ in range(ROUNDS):
            await self.add(store, 600)
            if await self._is_overtaken(store, [store.claim({API: 10}, f"r{n}") for n in range(60)]):
                return
        pytest.fail("each beat came after all the claims that were queued before it")

    @needs("drop_indexes")
    async def test_an_index_that_is_made_later_holds_what_was_there(
        self, store: Store, options: StoreOptions
    ) -> None:
        jobs = await self.add(store, 5)
        if store.capabilities.ordering:
            jobs += [(await self.add(store, ordering_key=f"key-{n}"))[0] for n in range(5)]
        (held,) = await self.add(store, dedup_key="k")
        await self.drop_indexes(store, options.tables[0].table)
        assert await store.migrate()
        assert [job.id for job in await self.add(store, dedup_key="k")] == [held.id]
        assert {job.id for job in await self.claim(store)} == {job.id for job in [*jobs, held]}

    async def _is_overtaken(self, store: Store, calls: Sequence[Coroutine[Any, Any, object]]) -> bool:
        """Whether a beat ends before calls that began before it, or they have nothing to wait for."""
        running = [asyncio.ensure_future(call) for call in calls]
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        queued = sum(not each.done() for each in running)
        await store.beat(RUNNER)
        left = sum(not each.done() for each in running)
        await asyncio.gather(*running)
        return left > 0 or queued < len(running) // 2

    async def _stalled(self, hasty: Store) -> str:
        job = await self.claimed(hasty)

        async def stalled() -> bool:
            return (await hasty.stats())[API].stalled == 1

        await eventually(stalled)
        return job.id
