"""``settle`` and ``release``: what is written, under which guard, and what is reported."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import attrs
import pytest

from sp00ky_conformance.store.harness import (
    API,
    MAIL,
    RUNNER,
    StoreHarness,
    eventually,
    failure,
    is_close,
    moment,
    settlement,
    silent,
)
from sp00ky_core.job.job import JobStatus, attempt_times
from sp00ky_core.job.outcome import THROTTLED, Delivered, Undelivered
from sp00ky_core.job.state_machine import MAX_ERRORS, MAX_TRACE_BYTES, Deferred, Event
from sp00ky_core.ports import JobQuery, SettleFate, Store
from sp00ky_core.stores.transitions import clear, kill

__all__ = ["FencingConformance", "ReleaseConformance", "SettleConformance"]


class SettleConformance(StoreHarness):
    """A transition is written whole."""

    async def test_a_delivered_job_succeeds_without_retries(self, store: Store) -> None:
        claimed = await store.get((await self.claimed(store)).id)
        job = await self.settled(store, claimed, Delivered(result={"ok": [1, None]}))
        assert (job.status, job.retries, job.errors) == (JobStatus.SUCCESS, 0, ())
        assert job.result == {"ok": [1, None]}
        assert (job.lease_until, job.runner_id, job.lease_epoch) == (None, None, 1)
        assert job.created_at == claimed.created_at
        assert moment(job.updated_at) > moment(claimed.updated_at)

    @pytest.mark.parametrize("result", [None, False, 0, "", [], {}, "text", [{"a": 1.5}]], ids=repr)
    async def test_any_json_value_is_a_result(self, store: Store, result: Any) -> None:
        job = await self.ended(store, Delivered(result=result))
        assert job.result == result
        assert type(job.result) is type(result)

    async def test_a_long_result_is_kept_whole(self, store: Store) -> None:
        result = {"text": "x" * 60_000}
        assert (await self.ended(store, Delivered(result=result))).result == result

    async def test_a_failed_attempt_is_retried_later(self, store: Store) -> None:
        claimed = await store.get((await self.claimed(store)).id)
        job = await self.settled(store, claimed, failure(code=503), base=60, jitter=0)
        assert (job.status, job.retries, job.result) == (JobStatus.PENDING, 1, None)
        assert (job.lease_until, job.runner_id, job.lease_epoch) == (None, None, 1)
        assert is_close(job.run_at, moment(job.updated_at) + timedelta(seconds=60))
        assert job.created_at == claimed.created_at
        (entry,) = job.errors
        assert (entry.attempt, entry.code, entry.name, entry.reason) == (1, 503, "http_status", "it failed")
        assert entry.runner_id == RUNNER
        assert is_close(entry.at, job.updated_at)
        assert await self.claim(store) == []

    async def test_an_outcome_says_when_its_job_was_claimed(self, store: Store) -> None:
        first = await store.get((await self.claimed(store)).id)
        retried = await self.settled(store, first, failure(code=503), base=0, jitter=0)
        assert retried.claimed_at == first.updated_at
        assert [entry.claimed_at for entry in retried.errors] == [first.updated_at]
        second = await store.get((await self.claim(store))[0].id)
        delivered = await self.settled(store, second, Delivered())
        assert delivered.claimed_at == second.updated_at
        assert [entry.claimed_at for entry in delivered.errors] == [first.updated_at]
        ended, due = moment(retried.errors[0].at), moment(retried.run_at)
        assert attempt_times(delivered) == [
            (moment(first.updated_at) - moment(first.created_at), ended - moment(first.updated_at)),
            (
                moment(second.updated_at) - max(ended, due),
                moment(delivered.updated_at) - moment(second.updated_at),
            ),
        ]

    async def test_a_job_that_was_never_claimed_says_no_claim(self, store: Store) -> None:
        (job,) = await self.add(store)
        await kill(store, [job.id])
        killed = await store.get(job.id)
        assert (killed.claimed_at, [entry.claimed_at for entry in killed.errors]) == (None, [None])

    async def test_an_entry_says_whose_code_it_has(self, store: Store) -> None:
        jobs = [
            await self.settled(store, await self.claimed(store), failure(**fields), base=60)
            for fields in ({"scheme": "amqp", "name": "no_route", "code": 312}, {"code": 503})
        ]
        shown = [(entry.scheme, entry.code, str(entry)) for job in jobs for entry in job.errors]
        assert shown == [("amqp", 312, "AMQP 312: it failed"), ("http", 503, "HTTP 503: it failed")]

    async def test_an_entry_keeps_the_end_of_a_traceback(self, store: Store) -> None:
        long = f'{"x" * 5_000}\n  File "shop.py"\0\nValueError: \u00e9'
        job = await self.settled(store, await self.claimed(store), attrs.evolve(failure(), trace=long))
        kept = job.errors[0].trace
        assert len(kept.encode()) == MAX_TRACE_BYTES
        assert kept.endswith("\nValueError: \u00e9")
        assert "\0" not in kept

    async def test_what_the_backend_called_its_last_answer_is_kept(self, store: Store) -> None:
        job = await self.claimed(store, max_retries=3)
        for event, kept in (
            (attrs.evolve(failure(code=503), request_id="first"), "first"),
            (failure("timeout", 0), "first"),
            (Deferred(delay=0, outcome=Undelivered(name=THROTTLED, code=429, request_id="slow")), "slow"),
            (Delivered(request_id=f"l\0ast{'x' * 300}"), f"last{'x' * 196}"),
        ):
            settled = await self.settled(store, job, event, base=0)
            assert settled.request_id == kept
            if settled.status is JobStatus.PENDING:
                (job,) = await eventually(lambda: self.claim(store))
        await self.ended(store)
        listed = await store.find(JobQuery(request_id=kept))
        assert [stored.id for stored in listed] == [job.id]

    async def test_the_last_failed_attempt_fails_the_job(self, store: Store) -> None:
        job = await self.settled(store, await self.claimed(store, max_retries=1), failure())
        (again,) = await self.claim(store)
        job = await self.settled(store, again, failure("timeout", 0))
        assert (job.status, job.retries, job.run_at) == (JobStatus.FAILED, 1, again.run_at)
        assert [(entry.attempt, entry.name) for entry in job.errors] == [(1, "http_status"), (2, "timeout")]

    async def test_a_permanent_failure_is_not_retried(self, store: Store) -> None:
        job = await self.ended(store, failure("invalid_payload", 0))
        assert (job.status, job.retries) == (JobStatus.FAILED, 0)

    async def test_the_first_and_the_latest_errors_are_kept(self, store: Store) -> None:
        job = await self.claimed(store, max_retries=100)
        for _ in range(MAX_ERRORS + 5):
            await self.settled(store, job, failure())
            (job,) = await self.claim(store)
        job = await store.get(job.id)
        assert job.retries == MAX_ERRORS + 5
        assert [entry.attempt for entry in job.errors] == [1, *range(7, MAX_ERRORS + 6)]

    async def test_a_batch_reports_each_fate_in_order(self, store: Store) -> None:
        await self.add(store, 3)
        await self.add(store, 1, backend=MAIL)
        jobs = await store.claim({API: 3, MAIL: 1}, RUNNER)
        events: list[Event] = [Delivered(), failure(), failure(retryable=False), Delivered(result=1)]
        batch = [settlement(job, event) for job, event in zip(jobs, events, strict=True)]
        results = await store.settle(batch)
        assert [result.job_id for result in results] == [job.id for job in jobs]
        assert {result.fate for result in results} == {SettleFate.SETTLED}
        statuses = [(await store.get(job.id)).status for job in jobs]
        assert statuses == ["success", "pending", "failed", "success"]

    async def test_a_large_batch_is_settled(self, store: Store) -> None:
        await self.add(store, 200)
        jobs = await self.claim(store, 200)
        results = await store.settle([settlement(job, Delivered(result={"id": job.id})) for job in jobs])
        assert Counter(result.fate for result in results) == {SettleFate.SETTLED: 200}
        kept = await store.find(JobQuery(limit=200))
        assert all(job.result == {"id": job.id} for job in kept)

    async def test_settling_nothing_is_nothing(self, store: Store) -> None:
        assert await store.settle([]) == []

    async def test_a_result_that_the_database_refuses_costs_only_itself(self, store: Store) -> None:
        await self.add(store, 3)
        jobs = await self.claim(store)
        results = await store.settle(
            [
                settlement(job, Delivered(result={"text": text}))
                for job, text in zip(jobs, "a\0b", strict=True)
            ]
        )
        assert {result.fate for result in results} == {SettleFate.SETTLED}
        kept = [await store.get(job.id) for job in jobs]
        assert {job.status for job in kept} == {JobStatus.SUCCESS}
        assert [kept[0].result, kept[2].result] == [{"text": "a"}, {"text": "b"}]
        assert kept[1].result == (None if results[1].problem else {"text": "\0"})


class FencingConformance(StoreHarness):
    """A write under an old epoch matches nothing."""

    async def test_a_stale_epoch_loses(self, store: Store) -> None:
        stale = await self.claimed(store)
        await store.reclaim(silent(RUNNER))
        (owner,) = await self.claim(store, runner="runner-2")
        before = await store.get(owner.id)
        (result,) = await store.settle([settlement(stale, Delivered(result="zombie"))])
        assert (result.job_id, result.fate) == (stale.id, SettleFate.LEASE_LOST)
        assert await store.get(owner.id) == before
        job = await self.settled(store, owner, Delivered())
        assert (job.status, job.result) == (JobStatus.SUCCESS, None)

    async def test_a_repeated_settle_is_recognised(self, store: Store) -> None:
        claimed = await self.claimed(store)
        job = await self.settled(store, claimed, Delivered(result=1))
        (result,) = await store.settle([settlement(claimed, Delivered(result=1))])
        assert result.fate is SettleFate.ALREADY_SETTLED
        assert await store.get(job.id) == job

    async def test_a_repeated_retry_is_recognised(self, store: Store) -> None:
        claimed = await self.claimed(store)
        job = await self.settled(store, claimed, failure())
        (result,) = await store.settle([settlement(claimed, failure())])
        assert result.fate is SettleFate.ALREADY_SETTLED
        assert await store.get(job.id) == job

    async def test_another_runner_loses_with_the_right_epoch(self, store: Store) -> None:
        """Epochs go back where a backup is restored: another claim may have this one's."""
        before = await store.get((await self.claimed(store)).id)
        for runner_id in ("runner-2", None):
            forged = attrs.evolve(settlement(before, Delivered()), runner_id=runner_id)
            (result,) = await store.settle([forged])
            assert result.fate is SettleFate.LEASE_LOST
        assert await store.get(before.id) == before
        assert (await self.settled(store, before, Delivered())).status is JobStatus.SUCCESS

    async def test_a_repeated_failure_as_unknown_is_recognised(self, store: Store) -> None:
        claimed = await self.claimed(store, max_retries=0)
        job = await self.settled(store, claimed, failure("outcome_unknown", 0))
        assert (job.status, job.runner_id) == (JobStatus.FAILED, RUNNER)
        (result,) = await store.settle([settlement(claimed, failure("outcome_unknown", 0))])
        assert result.fate is SettleFate.ALREADY_SETTLED
        assert await store.get(job.id) == job

    async def test_a_job_that_is_gone_is_lost_and_holds_nothing_up(self, store: Store) -> None:
        gone = await self.claimed(store)
        await kill(store, [gone.id])
        await clear(store, [gone.id])
        job = await self.claimed(store)
        batch = [settlement(gone, Delivered()), settlement(job, Delivered())]
        fates = [result.fate for result in await store.settle(batch)]
        assert fates == [SettleFate.LEASE_LOST, SettleFate.SETTLED]

    async def test_two_settles_at_once_write_once(self, store: Store) -> None:
        job = await self.claimed(store)
        events = (Delivered(result=1), failure())
        settlements = [settlement(job, event) for event in events]
        results = await asyncio.gather(*(store.settle([one]) for one in settlements))
        fates = [result.fate for (result,) in results]
        assert fates.count(SettleFate.SETTLED) == 1
        assert set(fates) - {SettleFate.SETTLED} <= {SettleFate.ALREADY_SETTLED, SettleFate.BUSY}
        again = await store.settle(settlements)
        assert [result.fate for result in again] == [SettleFate.ALREADY_SETTLED] * 2

    async def test_stores_settle_at_once(self, store: Store) -> None:
        await self.add(store, 40)
        jobs = await self.claim(store)
        batches = [jobs[n::4] for n in range(4)]
        results = await asyncio.gather(
            *(store.settle([settlement(job, Delivered()) for job in batch]) for batch in batches)
        )
        assert {result.fate for batch in results for result in batch} == {SettleFate.SETTLED}


class ReleaseConformance(StoreHarness):
    """A claim that was given back leaves no trace."""

    async def test_jobs_that_are_not_kept_go_back(self, store: Store) -> None:
        added = await self.add(store, 3)
        jobs = await self.claim(store)
        released = await store.release(RUNNER, keep=[jobs[0].id])
        assert sorted(released) == sorted(job.id for job in jobs[1:])
        assert (await store.get(jobs[0].id)).status is JobStatus.PROCESSING
        before = {job.id: job for job in added}
        for job_id in released:
            job = await store.get(job_id)
            assert (job.status, job.retries, job.errors) == (JobStatus.PENDING, 0, ())
            assert (job.lease_until, job.runner_id, job.lease_epoch) == (None, None, 1)
            assert job.run_at == before[job_id].run_at
            assert job.created_at == before[job_id].created_at

    async def test_updated_at_moves(self, store: Store) -> None:
        claimed = await store.get((await self.claimed(store)).id)
        await store.release(RUNNER, keep=())
        job = await store.get(claimed.id)
        assert moment(job.updated_at) > moment(claimed.updated_at)

    async def test_every_table_is_asked_and_no_other_runner(self, store: Store) -> None:
        await self.add(store, 2)
        await self.add(store, 1, backend=MAIL)
        (other,) = await self.claim(store, 1, runner="runner-2")
        mine = await store.claim({API: 5, MAIL: 5}, RUNNER)
        assert sorted(await store.release(RUNNER, keep=())) == sorted(job.id for job in mine)
        assert (await store.get(other.id)).runner_id == "runner-2"
        assert await store.release(RUNNER, keep=()) == []

    async def test_a_released_job_is_claimed_again(self, store: Store) -> None:
        await self.claimed(store)
        await store.release(RUNNER, keep=())
        (again,) = await self.claim(store)
        assert (again.lease_epoch, again.retries) == (2, 0)

    async def test_a_zombies_settle_after_the_next_claim_is_lost(self, store: Store) -> None:
        stale = await self.claimed(store)
        await store.release(RUNNER, keep=())
        await self.claim(store)
        (result,) = await store.settle([settlement(stale, Delivered())])
        assert result.fate is SettleFate.LEASE_LOST
