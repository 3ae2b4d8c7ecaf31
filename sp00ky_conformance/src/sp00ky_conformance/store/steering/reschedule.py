"""``reschedule``, and ``retry`` with delays: an operator changes when jobs are due."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import attrs
import pytest

from sp00ky_conformance.store.harness import API, MAIL, StoreHarness, eventually, failure, is_close, moment
from sp00ky_conformance.store.jobs.claim import LONG_AGO
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.job.state_machine import Rescheduled
from sp00ky_core.ports import OperatorFate, Store, StoreOptions
from sp00ky_core.stores.transitions import kill, reschedule, retry

__all__ = ["PutOffConformance", "RetryDelayConformance", "RescheduleConformance"]

AT = datetime(2100, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)


class RescheduleConformance(StoreHarness):
    """Pending jobs are changed, and nothing else."""

    async def rescheduled(self, store: Store, job: Job, change: Rescheduled) -> Job:
        """Rescheduled a job that is pending; as it is then."""
        (result,) = await reschedule(store, [job.id], change)
        assert (result.job_id, result.fate, result.problem) == (job.id, OperatorFate.RESCHEDULED, None)
        return await store.get(job.id)

    async def test_an_instant_is_set_as_it_is(self, store: Store) -> None:
        (job,) = await self.add(store, priority=2)
        before = await store.get(job.id)
        changed = await self.rescheduled(store, job, Rescheduled(run_at=AT))
        assert attrs.evolve(changed, updated_at=before.updated_at) == attrs.evolve(before, run_at=AT)
        assert await self.claim(store) == []

    async def test_a_delay_counts_from_now(self, store: Store) -> None:
        (job,) = await self.add(store, run_at=AT)
        changed = await self.rescheduled(store, job, Rescheduled(delay=100.0))
        assert is_close(changed.run_at, moment(job.created_at) + timedelta(seconds=100))
        assert await store.next_due([API]) == pytest.approx(100, abs=30)
        assert await self.claim(store) == []

    async def test_a_job_may_be_due_at_once(self, store: Store) -> None:
        (job,) = await self.add(store, run_at=AT)
        await self.rescheduled(store, job, Rescheduled(delay=0.0))
        assert [job.id for job in await eventually(lambda: self.claim(store))] == [job.id]

    async def test_a_priority_is_set_and_the_rest_stays(self, store: Store) -> None:
        (job,) = await self.add(store, run_at=LONG_AGO, assigned_to="thread:t1", dedup_key="d")
        await self.add(store, priority=2, run_at=LONG_AGO)
        before = await store.get(job.id)
        changed = await self.rescheduled(store, job, Rescheduled(priority=3))
        assert attrs.evolve(changed, updated_at=before.updated_at) == attrs.evolve(before, priority=3)
        assert [job.id for job in await self.claim(store, 1)] == [job.id]

    async def test_a_priority_may_be_lowered(self, store: Store) -> None:
        (urgent,) = await self.add(store, priority=3)
        (plain,) = await self.add(store)
        assert (await self.rescheduled(store, urgent, Rescheduled(priority=0))).priority == 0
        await self.rescheduled(store, plain, Rescheduled(priority=1))
        assert [job.id for job in await self.claim(store, 1)] == [plain.id]

    async def test_both_are_changed_at_once(self, store: Store) -> None:
        (job,) = await self.add(store)
        changed = await self.rescheduled(store, job, Rescheduled(run_at=AT, priority=1))
        assert (changed.run_at, changed.priority) == (AT, 1)

    async def test_a_retry_that_waits_comes_earlier(self, store: Store) -> None:
        job = await self.settled(store, await self.claimed(store), failure(), base=500)
        changed = await self.rescheduled(store, job, Rescheduled(delay=0.0))
        assert (changed.retries, changed.errors) == (1, job.errors)
        (again,) = await eventually(lambda: self.claim(store))
        assert (again.id, again.retries) == (job.id, 1)

    async def test_only_pending_jobs_are_changed(self, store: Store) -> None:
        success = await self.ended(store)
        failed = await self.ended(store, failure(retryable=False))
        processing = await store.get((await self.claimed(store)).id)
        jobs = [success, failed, processing]
        results = await reschedule(store, [job.id for job in jobs], Rescheduled(delay=5.0, priority=1))
        assert [result.fate for result in results] == [OperatorFate.ILLEGAL] * 3
        assert all(result.problem for result in results)
        assert [await store.get(job.id) for job in jobs] == jobs
        assert (await self.settled(store, processing, Delivered())).status is JobStatus.SUCCESS

    async def test_the_fates_of_the_rescheduled_are_in_order(
        self, store: Store, options: StoreOptions
    ) -> None:
        ended = await self.ended(store)
        (one,) = await self.add(store)
        (other,) = await self.add(store, backend=MAIL)
        unknown = f"{options.tables[0].table}:0190163d8694739b8c4f4b7d2f1e3c55"
        ids = [unknown, other.id, ended.id, "nowhere:1", one.id, ""]
        results = await reschedule(store, ids, Rescheduled(priority=3))
        assert [result.job_id for result in results] == ids
        missing, done = OperatorFate.NOT_FOUND, OperatorFate.RESCHEDULED
        assert [result.fate for result in results] == [
            missing,
            done,
            OperatorFate.ILLEGAL,
            missing,
            done,
            missing,
        ]
        assert [(await store.get(job.id)).priority for job in (one, other, ended)] == [3, 3, 0]

    async def test_no_job_is_nothing_to_reschedule(self, store: Store) -> None:
        assert await reschedule(store, [], Rescheduled(delay=0.0)) == []

    async def test_a_key_waits_for_its_rescheduled_job(self, store: Store) -> None:
        first, second = await self.add(store, 2, ordering_key="k")
        changed = await self.rescheduled(store, first, Rescheduled(run_at=AT))
        assert changed.ordering_at == first.ordering_at
        await self.rescheduled(store, second, Rescheduled(priority=3))
        assert await self.claim(store) == []
        await self.rescheduled(store, first, Rescheduled(run_at=LONG_AGO))
        assert [job.id for job in await self.claim(store)] == [first.id]


class RetryDelayConformance(StoreHarness):
    """Each job that is retried is due after its own delay."""

    async def test_each_delay_is_that_of_its_job(self, store: Store) -> None:
        jobs = [
            await self.ended(store, failure(retryable=False), backend=(API, MAIL)[n % 2]) for n in range(4)
        ]
        delays = [300.0, 0.0, 100.0, 200.0]
        results = await retry(store, [job.id for job in jobs], delays=delays)
        assert [result.fate for result in results] == [OperatorFate.RETRIED] * 4
        await self._are_due_after(store, [job.id for job in jobs], delays)
        assert [job.id for job in await store.claim({API: 5, MAIL: 5}, "r")] == [jobs[1].id]

    async def test_delays_are_not_moved_by_what_is_not_retried(self, store: Store) -> None:
        one = await self.ended(store, failure(retryable=False))
        success = await self.ended(store)
        other = await self.ended(store, failure(retryable=False))
        ids = ["nowhere:1", one.id, success.id, other.id]
        results = await retry(store, ids, delays=[1_000.0, 100.0, 2_000.0, 300.0])
        assert [result.job_id for result in results] == ids
        retried, missing, illegal = (OperatorFate.RETRIED, OperatorFate.NOT_FOUND, OperatorFate.ILLEGAL)
        assert [result.fate for result in results] == [missing, retried, illegal, retried]
        await self._are_due_after(store, [one.id, other.id], [100.0, 300.0])
        assert await store.get(success.id) == success

    async def test_the_later_of_a_delay_and_a_lease_counts(self, store: Store) -> None:
        jobs = [await store.get((await self.claimed(store)).id) for _ in range(2)]
        await kill(store, [job.id for job in jobs])
        await retry(store, [job.id for job in jobs], delays=[1.0, 3_600.0])
        assert (await store.get(jobs[0].id)).run_at == jobs[0].lease_until
        await self._are_due_after(store, [jobs[1].id], [3_600.0])

    async def test_a_delay_is_in_what_is_returned(self, store: Store) -> None:
        job = await self.ended(store, failure(retryable=False))
        (result,) = await retry(store, [job.id], delays=[100.0])
        assert result.transition is not None
        assert result.transition.delay == 100.0

    async def _are_due_after(self, store: Store, ids: list[str], delays: list[float]) -> None:
        for job_id, delay in zip(ids, delays, strict=True):
            job = await store.get(job_id)
            assert job.status is JobStatus.PENDING
            seconds = (moment(job.run_at) - moment(job.updated_at)).total_seconds()
            assert seconds == pytest.approx(delay, abs=1)


class PutOffConformance(StoreHarness):
    """Due jobs of one path are put off together, and nothing else."""

    async def test_due_jobs_of_the_path_are_put_off(self, store: Store) -> None:
        jobs = await self.add(store, 3, run_at=LONG_AGO)
        before = [await store.get(job.id) for job in jobs]
        assert await store.put_off(API, jobs[0].path, seconds=100.0) == 3
        put_off = [await store.get(job.id) for job in jobs]
        assert all(is_close(job.run_at, moment(job.created_at) + timedelta(seconds=100)) for job in put_off)
        assert [attrs.evolve(job, run_at=LONG_AGO) for job in put_off] == before
        assert await self.claim(store) == []

    async def test_others_stay_as_they_are(self, store: Store) -> None:
        (later,) = await self.add(store, run_at=AT)
        (ended,) = await self.add(store, run_at=LONG_AGO)
        await self.settled(store, (await self.claim(store, 1))[0], Delivered())
        (held,) = await self.add(store, run_at=LONG_AGO)
        await self.claim(store, 1)
        before = [await store.get(job.id) for job in (later, held, ended)]
        assert await store.put_off(API, later.path, seconds=100.0) == 0
        assert await store.put_off(API, "/elsewhere", seconds=100.0) == 0
        assert [await store.get(job.id) for job in (later, held, ended)] == before

    async def test_no_more_than_asked_for(self, store: Store) -> None:
        jobs = await self.add(store, 3)
        moved = [await store.put_off(API, jobs[0].path, seconds=100.0, limit=2) for _ in range(3)]
        assert moved == [2, 1, 0]
