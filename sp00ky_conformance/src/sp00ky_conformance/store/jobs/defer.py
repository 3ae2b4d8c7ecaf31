"""``Deferred``: a claim is given back with a delay, and uses up no retry."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest

from sp00ky_conformance.store.harness import (
    API,
    MAIL,
    RUNNER,
    StoreHarness,
    failure,
    is_close,
    moment,
    settlement,
    silent,
)
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.job.outcome import DEFERRED_NAMES, THROTTLED, Delivered, Undelivered
from sp00ky_core.job.state_machine import MAX_ERRORS, Deferred, Event
from sp00ky_core.ports import SettleFate, Store
from sp00ky_core.stores.transitions import kill, retry

__all__ = ["DeferConformance"]


def throttled(reason: str = "slow down") -> Undelivered:
    """Build an outcome: the backend says that it did nothing."""
    return Undelivered(name=THROTTLED, code=429, reason=reason)


def deferral(delay: float = 0.0, *, outcome: Undelivered | None = None, **waits: Any) -> Deferred:
    """Give a claim back, for what the backend answered or because nothing was sent."""
    return Deferred(delay=delay, outcome=outcome, **waits)


class DeferConformance(StoreHarness):
    """A job that waits for its backend has used up no retry, and shows since when it waits."""

    async def test_a_throttled_job_uses_up_no_retry(self, store: Store) -> None:
        claimed = await store.get((await self.claimed(store)).id)
        job = await self.settled(store, claimed, deferral(outcome=throttled()))
        assert (job.status, job.retries, job.lease_epoch) == (JobStatus.PENDING, 0, 1)
        assert (job.lease_until, job.runner_id, job.result) == (None, None, None)
        (entry,) = job.errors
        assert (entry.name, entry.code, entry.attempt, entry.reason) == (THROTTLED, 429, 1, "slow down")
        assert (entry.runner_id, entry.since, entry.count) == (RUNNER, None, 1)
        assert is_close(entry.at, job.updated_at)
        assert moment(job.updated_at) > moment(claimed.updated_at)

    async def test_the_delay_counts_by_the_databases_clock(self, store: Store) -> None:
        job = await self.settled(store, await self.claimed(store), deferral(100, outcome=throttled()))
        assert is_close(job.deferred_since, job.updated_at)
        assert is_close(job.run_at, moment(job.deferred_since) + timedelta(seconds=100))
        assert await self.claim(store) == []
        assert await store.next_due([API]) == pytest.approx(100, abs=30)

    async def test_where_nothing_was_sent_there_is_no_entry(self, store: Store) -> None:
        job = await self.settled(store, await self.claimed(store, max_retries=0), deferral(5))
        assert (job.status, job.retries, job.errors) == (JobStatus.PENDING, 0, ())
        assert job.deferred_since is not None

    async def test_the_first_of_those_in_a_row_counts(self, store: Store) -> None:
        job = await self.claimed(store)
        assert job.deferred_since is None
        first = await self.settled(store, job, deferral(outcome=throttled()))
        for made in (deferral(outcome=throttled()), deferral()):
            (again,) = await self.claim(store)
            assert again.deferred_since == first.deferred_since
            assert (await store.get(job.id)).deferred_since == first.deferred_since
            later = await self.settled(store, again, made)
            assert (later.deferred_since, later.retries) == (first.deferred_since, 0)
        assert later.lease_epoch == 3

    @pytest.mark.parametrize("event", [Delivered(), failure(), failure(retryable=False)], ids=repr)
    async def test_any_other_outcome_ends_the_row(self, store: Store, event: Event) -> None:
        job = await self.settled(store, await self._claimed_again(store), event)
        assert job.deferred_since is None

    async def test_a_loss_ends_the_row(self, store: Store) -> None:
        job = await self._claimed_again(store)
        await store.reclaim(silent(RUNNER))
        assert (await store.get(job.id)).deferred_since is None

    async def test_a_kill_and_a_retry_end_the_row(self, store: Store) -> None:
        job = await self.settled(store, await self.claimed(store), deferral(100))
        await kill(store, [job.id])
        killed = await store.get(job.id)
        assert (killed.status, killed.deferred_since) == (JobStatus.FAILED, None)
        await retry(store, [job.id])
        assert (await store.get(job.id)).deferred_since is None

    async def test_a_claim_that_was_never_started_ends_no_wait(self, store: Store) -> None:
        job = await self._claimed_again(store)
        assert await store.release(RUNNER, keep=()) == [job.id]
        assert (await store.get(job.id)).deferred_since == job.deferred_since
        (again,) = await self.claim(store)
        assert again.deferred_since == job.deferred_since

    @pytest.mark.parametrize("name", sorted(DEFERRED_NAMES))
    async def test_entries_in_a_row_are_one(self, store: Store, name: str) -> None:
        job = await self.claimed(store)
        outcomes = [attrs.evolve(throttled(reason), name=name) for reason in ("first", "second", "third")]
        first = await self.settled(store, job, deferral(outcome=outcomes[0]))
        for outcome in outcomes[1:]:
            (again,) = await self.claim(store)
            job = await self.settled(store, again, deferral(outcome=outcome))
        (entry,) = job.errors
        assert (entry.since, entry.count, entry.reason) == (first.errors[0].at, 3, "third")
        assert moment(entry.at) > moment(entry.since)

    async def test_another_failure_between_two_entries_keeps_them_apart(self, store: Store) -> None:
        job = await self.claimed(store)
        for event in (deferral(outcome=throttled()), deferral(outcome=throttled()), failure()):
            await self.settled(store, job, event)
            (job,) = await self.claim(store)
        job = await self.settled(store, job, deferral(outcome=throttled()))
        assert [(error.name, error.count) for error in job.errors] == [
            (THROTTLED, 2),
            ("http_status", 1),
            (THROTTLED, 1),
        ]
        assert [error.since is None for error in job.errors] == [False, True, True]

    async def test_entries_in_a_row_displace_no_others(self, store: Store) -> None:
        job = await self.claimed(store, max_retries=100)
        for event in [failure()] * (MAX_ERRORS + 2) + [deferral(outcome=throttled())] * 3:
            await self.settled(store, job, event)
            (job,) = await self.claim(store)
        job = await store.get(job.id)
        kept = [error.attempt for error in job.errors]
        assert kept == [1, *range(MAX_ERRORS + 2 - (MAX_ERRORS - 3), MAX_ERRORS + 4)]
        assert (job.errors[-1].name, job.errors[-1].count, job.retries) == (THROTTLED, 3, MAX_ERRORS + 2)

    async def test_without_retries_the_one_request_was_made(self, store: Store) -> None:
        claimed = await self.claimed(store, max_retries=0)
        job = await self.settled(store, claimed, deferral(outcome=throttled()))
        assert (job.status, job.retries, job.deferred_since) == (JobStatus.FAILED, 0, None)
        assert [error.name for error in job.errors] == [THROTTLED]

    async def test_after_too_long_a_wait_answers_count(self, store: Store) -> None:
        job = await self._claimed_again(store, max_retries=2)
        late = deferral(outcome=throttled(), waited=11.0, give_up_after=10.0)
        counted = await self.settled(store, job, late)
        assert (counted.status, counted.retries) == (JobStatus.PENDING, 1)
        assert counted.deferred_since == job.deferred_since
        (again,) = await self.claim(store)
        assert (await self.settled(store, again, late)).retries == 2
        (again,) = await self.claim(store)
        ended = await self.settled(store, again, late)
        assert (ended.status, ended.deferred_since) == (JobStatus.FAILED, None)
        assert [(error.name, error.count) for error in ended.errors] == [(THROTTLED, 4)]

    async def test_it_goes_in_one_batch_with_others(self, store: Store) -> None:
        await self.add(store, 2)
        await self.add(store, 2, backend=MAIL)
        jobs = await store.claim({API: 2, MAIL: 2}, RUNNER)
        events: list[Event] = [deferral(5, outcome=throttled()), Delivered(), deferral(5), failure()]
        batch = [settlement(job, event) for job, event in zip(jobs, events, strict=True)]
        assert {result.fate for result in await store.settle(batch)} == {SettleFate.SETTLED}
        kept = [await store.get(job.id) for job in jobs]
        assert [job.status for job in kept] == ["pending", "success", "pending", "pending"]
        assert [job.deferred_since is not None for job in kept] == [True, False, True, False]
        assert [job.retries for job in kept] == [0, 0, 0, 1]

    async def test_a_repeated_one_is_recognised(self, store: Store) -> None:
        claimed = await self.claimed(store)
        event = deferral(outcome=throttled())
        job = await self.settled(store, claimed, event)
        (result,) = await store.settle([settlement(claimed, event)])
        assert result.fate is SettleFate.ALREADY_SETTLED
        assert await store.get(job.id) == job
        await self.claim(store)
        (result,) = await store.settle([settlement(claimed, event)])
        assert result.fate is SettleFate.LEASE_LOST

    async def test_deferred_jobs_are_counted(self, store: Store) -> None:
        stats = (await store.stats())[API]
        assert (stats.deferred, stats.oldest_deferred_s) == (0, None)
        await self.add(store, 4)
        for job in (await self.claim(store))[1:]:
            await self.settled(store, job, deferral(100, outcome=throttled()))
        stats = (await store.stats())[API]
        assert (stats.pending, stats.due, stats.processing, stats.deferred) == (3, 0, 1, 3)
        assert stats.oldest_deferred_s == pytest.approx(0, abs=30)

    async def test_one_that_is_in_flight_again_waits_no_more(self, store: Store) -> None:
        await self._claimed_again(store)
        assert (await store.stats())[API].deferred == 0

    async def _claimed_again(self, store: Store, **fields: Any) -> Job:
        """Make a job that was deferred once, and is claimed."""
        await self.settled(store, await self.claimed(store, **fields), deferral(outcome=throttled()))
        (again,) = await self.claim(store)
        assert again.deferred_since is not None
        return again
