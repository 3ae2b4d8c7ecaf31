"""``claim`` of jobs with an ``ordering_key`` while attempts are lost, killed or under way elsewhere."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from itertools import pairwise

from sp00ky_conformance.store.connection.other_process import members
from sp00ky_conformance.store.connection.processes import PROCESSES, STARTUP
from sp00ky_conformance.store.connection.runner_stand_in import Delivery, deliver
from sp00ky_conformance.store.harness import (
    RUNNER,
    StoreHarness,
    eventually,
    failure,
    moment,
    new_job,
    settlement,
    silent,
)
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import SettleFate, Store, StoreOptions
from sp00ky_core.stores.transitions import kill, retry

__all__ = ["CompetitionConformance", "ExclusionConformance"]

KEY = "thread:t1"


class ExclusionConformance(StoreHarness):
    """A request that may be under way keeps its key until its lease ends."""

    async def test_a_lost_job_keeps_its_key_for_its_lease(self, store: Store) -> None:
        job = await self._lost(store, max_retries=3)
        assert job.status is JobStatus.PENDING
        assert await self.claim(store, runner="runner-2") == []

    async def test_a_lost_job_comes_again_after_its_lease(self, hasty: Store) -> None:
        job = await self._lost(hasty, max_retries=3)
        (again,) = await eventually(lambda: self.claim(hasty, runner="runner-2"))
        assert again.id == job.id
        await self._came_after(hasty, again, job)

    async def test_a_lost_job_that_failed_keeps_its_key_for_its_lease(self, store: Store) -> None:
        job = await self._lost(store, max_retries=0)
        assert job.status is JobStatus.FAILED
        assert await self.claim(store, runner="runner-2") == []

    async def test_a_lost_job_that_failed_lets_the_next_go_after_its_lease(self, hasty: Store) -> None:
        job = await self._lost(hasty, max_retries=0)
        (following,) = await eventually(lambda: self.claim(hasty, runner="runner-2"))
        assert following.id != job.id
        await self._came_after(hasty, following, job)

    async def test_a_job_killed_in_flight_keeps_its_key_for_its_lease(self, store: Store) -> None:
        job = await self.claimed(store, ordering_key=KEY)
        await self.add(store, ordering_key=KEY)
        await kill(store, [job.id])
        assert await self.claim(store) == []

    async def test_a_job_killed_in_flight_lets_the_next_go_after_its_lease(self, hasty: Store) -> None:
        job = await self.claimed(hasty, ordering_key=KEY)
        (second,) = await self.add(hasty, ordering_key=KEY)
        await kill(hasty, [job.id])
        killed = await hasty.get(job.id)
        (following,) = await eventually(lambda: self.claim(hasty))
        assert following.id == second.id
        await self._came_after(hasty, following, killed)

    async def test_a_killed_and_retried_job_comes_again_after_its_lease(self, hasty: Store) -> None:
        job = await self.claimed(hasty, ordering_key=KEY)
        await self.add(hasty, ordering_key=KEY)
        await kill(hasty, [job.id])
        killed = await hasty.get(job.id)
        await retry(hasty, [job.id])
        (again,) = await eventually(lambda: self.claim(hasty))
        assert again.id == job.id
        await self._came_after(hasty, again, killed)

    async def test_a_retry_frees_no_key_before_the_lease_ends(self, store: Store) -> None:
        first = await self.claimed(store, ordering_key=KEY)
        await self.settled(store, first, failure(retryable=False))
        second = await self.claimed(store, ordering_key=KEY)
        await kill(store, [second.id])
        await retry(store, [first.id, second.id])
        assert await self.claim(store) == []

    async def test_a_lease_that_is_over_frees_no_key_before_it_is_reclaimed(self, hasty: Store) -> None:
        job = await self.claimed(hasty, ordering_key=KEY)
        await self.add(hasty, ordering_key=KEY)
        await self.stalled(hasty)
        assert await self.claim(hasty, runner="runner-2") == []
        (result,) = await hasty.settle([settlement(job, Delivered())])
        assert result.fate is SettleFate.SETTLED
        assert len(await self.claim(hasty, runner="runner-2")) == 1

    async def test_other_keys_go_on_beside_a_lost_one(self, store: Store) -> None:
        await self._lost(store, max_retries=3)
        free = [*(await self.add(store, ordering_key="other")), *(await self.add(store))]
        assert {job.id for job in await self.claim(store)} == {job.id for job in free}

    async def test_another_clients_row_in_flight_keeps_its_key(
        self, store: Store, options: StoreOptions
    ) -> None:
        fields = {"path": "/spookify", "payload": "{}", "ordering_key": KEY, "status": "processing"}
        job_id = await self.written(store, options, fields)
        if job_id is None:
            return
        await self.add(store, ordering_key=KEY)
        assert await self.claim(store) == []
        assert [settlement.job_id for settlement in await store.reclaim({})] == [job_id]
        assert len(await self.claim(store)) == 1

    async def _lost(self, store: Store, *, max_retries: int) -> Job:
        """Lose an attempt of the first job of the key, behind which there is another."""
        job = await self.claimed(store, ordering_key=KEY, max_retries=max_retries)
        await self.add(store, ordering_key=KEY)
        (written,) = await store.reclaim(silent(RUNNER))
        assert written.job_id == job.id
        return await store.get(job.id)

    async def _came_after(self, store: Store, claimed: Job, lost: Job) -> None:
        kept = await store.get(claimed.id)
        said = "two requests of one key may have been under way"
        assert moment(kept.updated_at) >= moment(lost.lease_until), said


class CompetitionConformance(StoreHarness):
    """Whoever claims at once, no two jobs of a key are processing at once."""

    async def test_no_two_tasks_have_a_key_at_once(self, store: Store) -> None:
        await self._competed(store, [store] * 4)

    async def test_no_two_stores_have_a_key_at_once(self, store: Store, options: StoreOptions) -> None:
        if not store.capabilities.shared:
            return
        async with self.opened(options) as other:
            await self._competed(store, [store, other])

    async def test_no_two_processes_have_a_key_at_once(self, store: Store, options: StoreOptions) -> None:
        if not store.capabilities.shared:
            return
        added = await self._keyed(store)
        async with asyncio.timeout(STARTUP), members(self, options, "deliver", PROCESSES) as others:
            for n, other in enumerate(others):
                await other.go(runner=f"runner-{n}", slots=3)
            deliveries = [delivery for other in others for delivery in await other.result()]
        self._were_in_turn(added, deliveries)

    async def test_one_key_is_claimed_once_by_many_at_once(self, store: Store) -> None:
        for _ in range(10):
            await self.add(store, 2, ordering_key=KEY)
            claims = await asyncio.gather(*(self.claim(store, 2, runner=f"r{n}") for n in range(6)))
            (job,) = [job for claim in claims for job in claim]
            await self.settled(store, job, Delivered())

    async def _competed(self, store: Store, stores: Sequence[Store]) -> None:
        added = await self._keyed(store)
        async with asyncio.timeout(STARTUP):
            rounds = await asyncio.gather(
                *(deliver(store, runner=f"r{n}", slots=3) for n, store in enumerate(stores))
            )
        self._were_in_turn(added, [delivery for round_ in rounds for delivery in round_])

    async def _keyed(self, store: Store) -> list[Job]:
        return await store.add([new_job(ordering_key=f"k{n % 4}") for n in range(48)])

    def _were_in_turn(self, added: Iterable[Job], deliveries: Iterable[Delivery]) -> None:
        by_key: dict[str | None, list[str]] = {}
        for job in added:
            by_key.setdefault(job.ordering_key, []).append(job.id)
        taken = sorted(deliveries, key=lambda delivery: delivery.claimed)
        for ids in by_key.values():
            mine = [attempt for attempt in taken if attempt.job_id in ids]
            assert [attempt.job_id for attempt in mine] == ids
            assert all(one.settled <= other.claimed for one, other in pairwise(mine))
