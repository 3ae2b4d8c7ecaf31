"""``reclaim``: attempts whose end is unknown."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

import asyncio

from sp00ky_conformance.store.harness import (
    API,
    MAIL,
    RUNNER,
    StoreHarness,
    eventually,
    failure,
    moment,
    needs,
    settlement,
    silent,
)
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import OperatorFate, SettleFate, Settlement, Store, StoreOptions
from sp00ky_core.stores.transitions import retry

__all__ = ["ReclaimConformance"]


class ReclaimConformance(StoreHarness):
    """A job is never left ``processing`` with no runner at work on it."""

    async def test_an_expired_lease_counts_as_an_attempt(self, hasty: Store) -> None:
        claimed = await hasty.get((await self.claimed(hasty)).id)
        (written,) = await eventually(lambda: hasty.reclaim({}))
        assert (written.job_id, written.backend, written.epoch) == (claimed.id, API, 1)
        assert (written.transition.to, written.transition.retries) == (JobStatus.PENDING, 1)
        job = await hasty.get(claimed.id)
        assert (job.status, job.retries, job.lease_epoch) == (JobStatus.PENDING, 1, 2)
        assert (job.run_at, job.lease_until) == (claimed.run_at, claimed.lease_until)
        assert job.created_at == claimed.created_at
        assert moment(job.updated_at) > moment(claimed.updated_at)
        (entry,) = job.errors
        assert (entry.name, entry.code, entry.attempt) == ("outcome_unknown", 0, 1)
        assert (entry.runner_id, bool(entry.reason)) == (RUNNER, True)

    async def test_the_zombies_settle_is_lost(self, hasty: Store) -> None:
        stale = await self.claimed(hasty)
        await eventually(lambda: hasty.reclaim({}))
        (result,) = await hasty.settle([settlement(stale, Delivered())])
        assert result.fate is SettleFate.LEASE_LOST
        assert (await hasty.get(stale.id)).status is JobStatus.PENDING

    async def test_a_late_settle_before_the_reclaim_wins(self, hasty: Store) -> None:
        job = await self.claimed(hasty)
        await self.stalled(hasty)
        assert (await self.settled(hasty, job, Delivered())).status is JobStatus.SUCCESS
        assert await hasty.reclaim({}) == []

    async def test_a_lost_job_is_claimed_again_at_once(self, hasty: Store) -> None:
        job = await self.claimed(hasty)
        await eventually(lambda: hasty.reclaim({}))
        (again,) = await self.claim(hasty, runner="runner-2")
        assert (again.id, again.lease_epoch, again.retries) == (job.id, 3, 1)

    async def test_a_running_lease_is_left_alone(self, store: Store) -> None:
        before = await store.get((await self.claimed(store)).id)
        assert await store.reclaim({}) == []
        assert await store.reclaim(silent("another")) == []
        assert await store.get(before.id) == before

    async def test_a_dead_runners_jobs_are_taken(self, store: Store) -> None:
        await self.add(store, 2)
        await self.add(store, 1, backend=MAIL)
        (living,) = await self.claim(store, 1, runner="alive")
        lost = await store.claim({API: 5, MAIL: 5}, "dead")
        written = await store.reclaim(silent("dead", "never-seen"))
        assert sorted(settlement.job_id for settlement in written) == sorted(job.id for job in lost)
        assert (await store.get(living.id)).status is JobStatus.PROCESSING
        assert await store.reclaim(silent("dead")) == []

    async def test_a_runner_that_has_beaten_since_is_left_alone(self, store: Store) -> None:
        await self.add(store, 2)
        seen = {runner_id: (await store.beat(runner_id))[runner_id].at for runner_id in ("back", "dead")}
        before = {runner_id: await store.claim({API: 1}, runner_id) for runner_id in ("back", "dead")}
        await store.beat("back")
        (written,) = await store.reclaim(seen)
        assert [written.job_id] == [job.id for job in before["dead"]]
        assert (await store.get(before["back"][0].id)).status is JobStatus.PROCESSING

    async def test_a_row_without_a_lease_is_taken(self, store: Store, options: StoreOptions) -> None:
        fields = {"path": "/spookify", "payload": "{}", "status": "processing"}
        if (job_id := await self.written(store, options, fields)) is None:
            return
        (written,) = await store.reclaim({})
        assert written.job_id == job_id
        job = await store.get(job_id)
        assert (job.status, job.retries, job.errors[-1].name) == ("pending", 1, "outcome_unknown")

    async def test_a_job_that_must_not_repeat_fails(self, store: Store) -> None:
        claimed = await self.claimed(store, max_retries=0)
        await store.reclaim(silent(RUNNER))
        job = await store.get(claimed.id)
        assert (job.status, job.retries, job.lease_epoch) == (JobStatus.FAILED, 0, 2)
        assert [entry.name for entry in job.errors] == ["outcome_unknown"]
        assert job.lease_until is not None
        assert await self.claim(store) == []

    async def test_a_job_without_retries_left_fails(self, store: Store) -> None:
        job = await self.settled(store, await self.claimed(store, max_retries=1), failure())
        await self.claim(store)
        await store.reclaim(silent(RUNNER))
        job = await store.get(job.id)
        assert (job.status, job.retries) == (JobStatus.FAILED, 1)
        assert [entry.name for entry in job.errors] == ["http_status", "outcome_unknown"]

    @needs("change_row")
    async def test_more_retries_than_the_claim_found_are_not_made(self, store: Store) -> None:
        claimed = await self.claimed(store, max_retries=0)
        await self.change_row(store, claimed.id, {"max_retries": 4})
        await store.reclaim(silent(RUNNER))
        job = await store.get(claimed.id)
        assert (job.status, job.retries, job.max_retries) == (JobStatus.FAILED, 0, 4)
        (refused,) = await retry(store, [job.id])
        assert refused.fate is OperatorFate.ILLEGAL

    @needs("change_row")
    async def test_the_next_claim_finds_how_many_are_allowed_by_then(self, hasty: Store) -> None:
        claimed = await self.claimed(hasty, max_retries=0)
        await eventually(lambda: hasty.reclaim({}))
        await self.change_row(hasty, claimed.id, {"max_retries": 1})
        await retry(hasty, [claimed.id], resend_unknown=True)
        await eventually(lambda: self.claim(hasty))
        await eventually(lambda: hasty.reclaim({}))
        assert (await hasty.get(claimed.id)).status is JobStatus.PENDING

    async def test_a_limit_is_kept(self, store: Store) -> None:
        await self.add(store, 5)
        await self.claim(store)
        counts = [len(await store.reclaim(silent(RUNNER), limit=2)) for _ in range(4)]
        assert counts == [2, 2, 1, 0]

    async def test_two_at_once_take_each_job_once(self, store: Store) -> None:
        await self.add(store, 20)
        jobs = await self.claim(store)
        rounds = await asyncio.gather(*(store.reclaim(silent(RUNNER)) for _ in range(2)))
        written: list[Settlement] = [settlement for batch in rounds for settlement in batch]
        assert sorted(settlement.job_id for settlement in written) == sorted(job.id for job in jobs)
        kept: list[Job] = [await store.get(job.id) for job in jobs]
        assert {(job.retries, job.lease_epoch, len(job.errors)) for job in kept} == {(1, 2, 1)}
