"""``claim`` and ``next_due``: what is taken, in which order, by whom."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from sp00ky_conformance.store.harness import (
    API,
    MAIL,
    PATIENCE,
    RUNNER,
    StoreHarness,
    eventually,
    failure,
    is_close,
    moment,
    new_job,
)
from sp00ky_core.errors import StoreError
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.ports import JobQuery, Store, StoreOptions

__all__ = ["ClaimConformance", "ClaimersConformance"]

RUNNERS = ("r0", "r1")

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class ClaimConformance(StoreHarness):
    """A claim takes due jobs, and only those."""

    async def test_a_claim_raises_the_epoch_and_sets_the_lease(self, store: Store) -> None:
        (added,) = await self.add(store, payload={"n": 1}, assigned_to="thread:t1")
        (job,) = await store.claim({API: 5, MAIL: 5}, RUNNER)
        assert (job.id, job.status, job.lease_epoch) == (added.id, JobStatus.PROCESSING, 1)
        assert (job.runner_id, job.retries, job.backend) == (RUNNER, 0, API)
        assert (job.path, job.payload, job.defect) == ("/spookify", {"n": 1}, None)
        kept = await store.get(job.id)
        assert moment(kept.updated_at) > moment(added.updated_at)
        assert is_close(kept.lease_until, moment(kept.updated_at) + timedelta(seconds=40))
        assert (kept.created_at, kept.run_at) == (added.created_at, added.run_at)
        assert (kept.status, kept.lease_epoch, kept.runner_id) == (JobStatus.PROCESSING, 1, RUNNER)

    async def test_a_claimed_job_is_not_claimed_again(self, store: Store) -> None:
        await self.claimed(store)
        assert await self.claim(store) == []

    async def test_a_retried_job_is_claimed_under_the_next_epoch(self, store: Store) -> None:
        job = await self.settled(store, await self.claimed(store), failure())
        (again,) = await self.claim(store, runner="runner-2")
        assert (again.id, again.lease_epoch, again.runner_id) == (job.id, 2, "runner-2")
        assert again.retries == 1

    async def test_nothing_due_is_nothing(self, store: Store) -> None:
        assert await store.claim({API: 5, MAIL: 5}, RUNNER) == []
        assert await store.claim({}, RUNNER) == []
        await self.add(store)
        assert await store.claim({API: 0, MAIL: 5}, RUNNER) == []

    async def test_ended_jobs_are_not_claimed(self, store: Store) -> None:
        await self.ended(store)
        await self.ended(store, failure(retryable=False))
        assert await self.claim(store) == []

    @pytest.mark.parametrize(
        ("overridable", "own", "lease"), [(True, 100.0, 130), (False, 100.0, 40), (True, None, 40)]
    )
    async def test_a_jobs_own_timeout_counts_where_it_may(
        self, options: StoreOptions, overridable: bool, own: float | None, lease: int
    ) -> None:
        async with self.opened(options, timeout_overridable=overridable) as store:
            job = await store.get((await self.claimed(store, timeout=own)).id)
            assert is_close(job.lease_until, moment(job.updated_at) + timedelta(seconds=lease))

    async def test_the_oldest_due_come_first(self, store: Store) -> None:
        minutes = [5, 3, 9, 1, 7]
        await store.add([new_job(path=f"/{n}", run_at=LONG_AGO + timedelta(minutes=n)) for n in minutes])
        claims = [await self.claim(store, 2) for _ in range(3)]
        assert [{job.path for job in jobs} for jobs in claims] == [{"/1", "/3"}, {"/5", "/7"}, {"/9"}]

    async def test_a_late_job_with_an_early_due_time_is_not_passed_over(self, store: Store) -> None:
        await store.add([new_job(run_at=LONG_AGO + timedelta(days=n)) for n in range(1, 4)])
        assert len(await self.claim(store)) == 3
        (early,) = await store.add([new_job(run_at=LONG_AGO)])
        (claimed,) = await eventually(lambda: self.claim(store))
        assert claimed.id == early.id

    async def test_each_backend_gets_its_slots(self, store: Store) -> None:
        await self.add(store, 5)
        await self.add(store, 5, backend=MAIL)
        jobs = await store.claim({API: 2, MAIL: 3}, RUNNER)
        assert Counter(job.backend for job in jobs) == {API: 2, MAIL: 3}

    async def test_no_backend_starves_another(self, store: Store) -> None:
        await self.add(store, 200, run_at=LONG_AGO)
        (lonely,) = await self.add(store, backend=MAIL)
        jobs = await store.claim({API: 5, MAIL: 5}, RUNNER)
        assert lonely.id in {job.id for job in jobs}
        assert len(jobs) == 6

    async def test_only_the_backends_asked_for_are_claimed(self, store: Store) -> None:
        await self.add(store)
        await self.add(store, backend=MAIL)
        assert [job.backend for job in await store.claim({MAIL: 5}, RUNNER)] == [MAIL]

    async def test_delayed_jobs_are_claimed_when_they_are_due(self, store: Store) -> None:
        (soon,) = await self.add(store, delay=timedelta(seconds=0.2))
        await self.add(store, delay=timedelta(hours=1))
        (job,) = await eventually(lambda: self.claim(store))
        assert job.id == soon.id
        kept = await store.get(job.id)
        assert moment(kept.updated_at) >= moment(soon.run_at)

    async def test_next_due_is_in_seconds(self, store: Store) -> None:
        assert await store.next_due([API, MAIL]) is None
        await self.add(store, delay=timedelta(seconds=100))
        seconds = await store.next_due([API, MAIL])
        assert seconds == pytest.approx(100, abs=30)
        assert await store.next_due([MAIL]) is None
        await self.add(store, backend=MAIL)
        assert await store.next_due([API, MAIL]) == 0
        assert (await store.next_due([API]) or 0) > 90

    async def test_next_due_asks_pending_jobs_only(self, store: Store) -> None:
        await self.claimed(store)
        assert await store.next_due([API]) is None
        assert await store.next_due([]) is None

    async def test_next_due_tells_of_a_retry(self, store: Store) -> None:
        await self.settled(store, await self.claimed(store), failure(), base=50, jitter=0)
        assert await store.next_due([API]) == pytest.approx(50, abs=30)


class ClaimersConformance(StoreHarness):
    """No two claimers get the same job."""

    async def test_four_tasks_share_a_queue(self, store: Store) -> None:
        await self._share([store] * 4)

    async def test_two_stores_share_a_queue(self, options: StoreOptions, store: Store) -> None:
        if store.capabilities.shared:
            async with self.opened(options) as other:
                await self._share([store, other])
        else:
            await self._keep_apart(options, store)

    async def test_what_a_claim_returns_is_the_callers(self, store: Store) -> None:
        await self.add(store, 10)
        taken: list[Job] = []
        mine: list[bool] = []
        claiming = set(RUNNERS)

        async def claim(runner: str) -> None:
            for _ in range(10):
                taken.extend(claimed := await self.claim(store, 5, runner=runner))
                mine.extend((job.status, job.runner_id) == (JobStatus.PROCESSING, runner) for job in claimed)
            claiming.remove(runner)

        async def release(runner: str) -> None:
            while claiming:
                await store.release(runner, keep=())
                await asyncio.sleep(0)  # in memory no other task would come in between

        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*map(claim, RUNNERS), *map(release, RUNNERS))
        assert all(mine)
        assert len({(job.id, job.lease_epoch) for job in taken}) == len(taken)  # each under its own epoch

    async def _keep_apart(self, options: StoreOptions, store: Store) -> None:
        """Assert that another store can't be opened, or has a queue of its own."""
        await self.add(store)
        with contextlib.suppress(StoreError):
            async with self.opened(options) as other:
                assert await self.claim(other) == []

    async def _share(self, stores: list[Store]) -> None:
        jobs = await self.add(stores[0], 60)
        taken: list[str] = []

        async def work(store: Store, runner: str) -> None:
            while len(taken) < len(jobs):
                taken.extend(job.id for job in await self.claim(store, 5, runner=runner))
                await asyncio.sleep(0)  # an in-memory claim would let no other task in

        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(work(store, f"r{n}") for n, store in enumerate(stores)))
        assert sorted(taken) == sorted(job.id for job in jobs)
        kept = await stores[-1].find(JobQuery(limit=100))
        assert {job.lease_epoch for job in kept} == {1}
