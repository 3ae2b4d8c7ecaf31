"""``kill``, ``retry``, ``clear`` and ``prune``."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

import math
from typing import Any

import pytest

from sp00ky_conformance.store.harness import (
    API,
    MAIL,
    RUNNER,
    StoreHarness,
    eventually,
    failure,
    is_close,
    settlement,
    silent,
)
from sp00ky_core.errors import JobNotFound
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import JobQuery, OperatorFate, SettleFate, Store, StoreOptions
from sp00ky_core.stores.transitions import clear, kill, retry

__all__ = ["ClearConformance", "KillConformance", "RetryConformance"]


class KillConformance(StoreHarness):
    """An operator ends a job."""

    async def test_what_was_written_is_told(self, store: Store) -> None:
        job = await self.claimed(store)
        (killed,) = await kill(store, [job.id], reason="enough")
        assert killed.transition is not None
        assert killed.transition.to is JobStatus.FAILED
        assert killed.transition.error is not None
        assert (killed.transition.error.name, killed.transition.error.reason) == ("killed", "enough")
        (refused,) = await kill(store, [job.id])
        (retried,) = await retry(store, [job.id])
        assert refused.transition is None
        assert retried.transition is not None
        assert retried.transition.to is JobStatus.PENDING

    async def test_a_pending_job_fails(self, store: Store) -> None:
        (added,) = await self.add(store)
        (result,) = await kill(store, [added.id], reason="not wanted")
        assert (result.job_id, result.fate) == (added.id, OperatorFate.KILLED)
        job = await store.get(added.id)
        assert (job.status, job.lease_epoch, job.retries) == (JobStatus.FAILED, 1, 0)
        (entry,) = job.errors
        assert (entry.name, entry.code, entry.attempt, entry.reason) == ("killed", 0, 0, "not wanted")
        assert (entry.runner_id, job.created_at) == (None, added.created_at)
        assert is_close(entry.at, job.updated_at)
        assert await self.claim(store) == []

    async def test_an_attempt_in_flight_is_fenced_off(self, store: Store) -> None:
        claimed = await self.claimed(store)
        before = await store.get(claimed.id)
        await kill(store, [claimed.id])
        (result,) = await store.settle([settlement(claimed, Delivered())])
        assert result.fate is SettleFate.LEASE_LOST
        job = await store.get(claimed.id)
        assert (job.status, job.lease_epoch, job.errors[-1].attempt) == (JobStatus.FAILED, 2, 1)
        assert job.lease_until == before.lease_until

    async def test_an_ended_job_cannot_be_killed(self, store: Store) -> None:
        ended = [await self.ended(store), await self.ended(store, failure(retryable=False))]
        results = await kill(store, [job.id for job in ended])
        assert {result.fate for result in results} == {OperatorFate.ILLEGAL}
        assert all(result.problem for result in results)
        assert [await store.get(job.id) for job in ended] == ended

    async def test_fates_are_in_order(self, store: Store, options: StoreOptions) -> None:
        (one,) = await self.add(store)
        (other,) = await self.add(store, backend=MAIL)
        unknown = f"{options.tables[0].table}:0190163d8694739b8c4f4b7d2f1e3c55"
        ids = [unknown, other.id, "nowhere:1", one.id, "", "no colon"]
        results = await kill(store, ids)
        assert [result.job_id for result in results] == ids
        fates = [result.fate for result in results]
        missing = OperatorFate.NOT_FOUND
        assert fates == [missing, OperatorFate.KILLED, missing, OperatorFate.KILLED, missing, missing]


class RetryConformance(StoreHarness):
    """An operator has a failed job tried again."""

    async def failed(self, store: Store, **fields: Any) -> Job:
        """Make a job whose retries are used up."""
        return await self.ended(store, failure(), max_retries=0, **fields)

    async def test_a_failed_job_starts_anew(self, store: Store) -> None:
        job = await self.settled(store, await self.claimed(store, max_retries=1), failure())
        (again,) = await self.claim(store)
        failed = await self.settled(store, again, failure())
        (result,) = await retry(store, [failed.id])
        assert (result.job_id, result.fate) == (failed.id, OperatorFate.RETRIED)
        job = await store.get(failed.id)
        assert (job.status, job.retries, job.errors) == (JobStatus.PENDING, 0, failed.errors)
        assert (job.lease_epoch, job.lease_until) == (failed.lease_epoch + 1, None)
        assert job.created_at == failed.created_at
        assert is_close(job.run_at, job.updated_at)
        (claimed,) = await self.claim(store)
        assert (claimed.id, claimed.lease_epoch) == (job.id, job.lease_epoch + 1)

    async def test_a_job_killed_in_flight_waits_for_its_lease(self, store: Store) -> None:
        job = await store.get((await self.claimed(store)).id)
        await kill(store, [job.id])
        await retry(store, [job.id])
        retried = await store.get(job.id)
        assert retried.run_at == retried.lease_until == job.lease_until
        assert await self.claim(store) == []
        assert (await store.next_due([API]) or 0) > 30

    async def test_only_a_failed_job_is_retried(self, store: Store) -> None:
        success = await self.ended(store)
        processing = await store.get((await self.claimed(store)).id)
        (pending,) = await self.add(store)
        jobs = [success, processing, pending]
        results = await retry(store, [job.id for job in jobs])
        assert {result.fate for result in results} == {OperatorFate.ILLEGAL}
        assert all(result.problem for result in results)
        assert [await store.get(job.id) for job in jobs] == jobs

    async def test_an_unknown_job_is_not_retried(self, store: Store) -> None:
        (result,) = await retry(store, ["nowhere:1"])
        assert result.fate is OperatorFate.NOT_FOUND

    async def test_a_key_that_another_job_holds_refuses_it(self, store: Store) -> None:
        failed = await self.failed(store, dedup_key="k")
        (other,) = await self.add(store, dedup_key="k")
        (result,) = await retry(store, [failed.id])
        assert result.fate is OperatorFate.DUPLICATE
        assert await store.get(failed.id) == failed
        await kill(store, [other.id])
        (result,) = await retry(store, [failed.id])
        assert result.fate is OperatorFate.RETRIED

    async def test_a_retried_job_holds_its_key(self, store: Store) -> None:
        failed = await self.failed(store, dedup_key="k")
        await retry(store, [failed.id])
        (again,) = await self.add(store, dedup_key="k")
        assert again.id == failed.id

    async def test_of_two_with_one_key_one_is_retried(self, store: Store) -> None:
        jobs = [await self.failed(store, dedup_key="k") for _ in range(2)]
        free = await self.failed(store)
        results = await retry(store, [*(job.id for job in jobs), free.id])
        fates = [result.fate for result in results]
        assert sorted(fates[:2]) == [OperatorFate.DUPLICATE, OperatorFate.RETRIED]
        assert fates[2] is OperatorFate.RETRIED

    async def test_an_unknown_outcome_that_must_not_repeat_needs_a_word(self, store: Store) -> None:
        job = await self.claimed(store, max_retries=0)
        await store.reclaim(silent(RUNNER))
        await self._needs_a_word(store, job.id)

    async def test_a_kill_in_flight_is_an_unknown_outcome(self, store: Store) -> None:
        job = await self.claimed(store, max_retries=0)
        await kill(store, [job.id])
        await self._needs_a_word(store, job.id)

    async def test_a_known_outcome_needs_none(self, store: Store) -> None:
        failed = await self.failed(store)
        (result,) = await retry(store, [failed.id])
        assert result.fate is OperatorFate.RETRIED

    async def _needs_a_word(self, store: Store, job_id: str) -> None:
        before = await store.get(job_id)
        (refused,) = await retry(store, [job_id])
        assert refused.fate is OperatorFate.ILLEGAL
        assert "resend_unknown" in (refused.problem or "")
        assert await store.get(job_id) == before
        (result,) = await retry(store, [job_id], resend_unknown=True)
        assert result.fate is OperatorFate.RETRIED
        assert (await store.get(job_id)).status is JobStatus.PENDING


class ClearConformance(StoreHarness):
    """Jobs that have ended are deleted, by an operator or by their age."""

    async def test_only_ended_jobs_are_cleared(self, store: Store) -> None:
        success = await self.ended(store)
        failed = await self.ended(store, failure(retryable=False))
        processing = await self.claimed(store)
        (pending,) = await self.add(store)
        ids = [success.id, processing.id, failed.id, pending.id, "nowhere:1"]
        results = await clear(store, ids)
        assert [result.job_id for result in results] == ids
        assert [result.fate for result in results] == [
            OperatorFate.CLEARED,
            OperatorFate.ILLEGAL,
            OperatorFate.CLEARED,
            OperatorFate.ILLEGAL,
            OperatorFate.NOT_FOUND,
        ]
        assert results[1].problem
        assert {job.id for job in await store.find(JobQuery())} == {processing.id, pending.id}
        with pytest.raises(JobNotFound):
            await store.get(success.id)

    async def test_prune_deletes_what_is_older_than_it_is_kept(self, options: StoreOptions) -> None:
        async with self.opened(options, keep_success=0.0, keep_failed=3_600.0) as store:
            await self.ended(store)
            await self.ended(store, backend=MAIL)
            failed = await self.ended(store, failure(retryable=False))
            processing = await self.claimed(store)
            (pending,) = await self.add(store)
            deleted = 0

            async def pruned() -> bool:
                nonlocal deleted
                deleted += await store.prune()
                return deleted >= 2

            await eventually(pruned)
            assert await store.prune() == 0
            left = {job.id for job in await store.find(JobQuery())}
            assert left == {failed.id, processing.id, pending.id}

    async def test_failed_jobs_have_a_retention_of_their_own(self, options: StoreOptions) -> None:
        async with self.opened(options, keep_success=3_600.0, keep_failed=0.0) as store:
            success = await self.ended(store)
            await self.ended(store, failure(retryable=False))
            await eventually(store.prune)
            assert [job.id for job in await store.find(JobQuery())] == [success.id]

    async def test_what_is_kept_for_ever_keeps_nothing_else(self, options: StoreOptions) -> None:
        async with self.opened(options, keep_success=math.inf, keep_failed=0.0) as store:
            success = await self.ended(store)
            await self.ended(store, failure(retryable=False))
            assert await eventually(store.prune) == 1
            assert [job.id for job in await store.find(JobQuery())] == [success.id]

    async def test_the_latest_successes_are_kept(self, options: StoreOptions) -> None:
        async with self.opened(
            options, keep_success=math.inf, keep_failed=math.inf, max_successes=2
        ) as store:
            failed = await self.ended(store, failure(retryable=False))
            successes = [await self.ended(store) for _ in range(5)]
            other = await self.ended(store, backend=MAIL)
            assert await store.prune(limit=2) == 2
            assert await store.prune() == 1
            assert await store.prune() == 0
            left = {job.id for job in await store.find(JobQuery())}
            assert left == {failed.id, other.id, *(job.id for job in successes[-2:])}

    async def test_what_another_scheduler_delivers_is_left_alone(self, options: StoreOptions) -> None:
        async with self.opened(options, keep_success=0.0, max_successes=0, delivered=False) as store:
            jobs = {(await self.ended(store)).id, (await self.claimed(store)).id}
            assert await store.reclaim(silent(RUNNER)) == []
            assert await store.prune() == 0
            assert {job.id for job in await store.find(JobQuery())} == jobs

    async def test_prune_keeps_to_its_limit(self, options: StoreOptions) -> None:
        async with self.opened(options, keep_success=0.0) as store:
            for backend in (API, API, API, MAIL):
                await self.ended(store, backend=backend)
            counts: list[int] = []

            async def all_gone() -> bool:
                counts.append(await store.prune(limit=2))
                return not await store.find(JobQuery())

            await eventually(all_gone)
            assert sum(counts) == 4
            assert max(counts) == 2
