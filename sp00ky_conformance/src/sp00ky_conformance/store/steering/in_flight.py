"""``claim`` from a table with ``max_in_flight``: so many attempts at a time, in the whole fleet."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sp00ky_conformance.store.connection.other_process import members
from sp00ky_conformance.store.connection.processes import PROCESSES, STARTUP
from sp00ky_conformance.store.connection.runner_stand_in import Delivery, deliver
from sp00ky_conformance.store.harness import (
    API,
    MAIL,
    RUNNER,
    StoreHarness,
    eventually,
    failure,
    moment,
    silent,
)
from sp00ky_conformance.store.steering.breakers import open_breaker
from sp00ky_conformance.store.steering.rate import daily, limited
from sp00ky_core.gate.breaker import BreakerState
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.job.state_machine import Rescheduled
from sp00ky_core.ports import JobQuery, Store, StoreOptions
from sp00ky_core.stores.transitions import kill, reschedule, retry

__all__ = ["InFlightConformance", "InFlightSharedConformance"]

LIMIT = 3


class InFlightConformance(StoreHarness):
    """What is under way, or may still be, is counted against ``max_in_flight``."""

    def narrow(
        self, options: StoreOptions, limit: int = LIMIT, **table: Any
    ) -> AbstractAsyncContextManager[Store]:
        """Open a store whose backend ``api`` has so few attempts at a time."""
        return self.opened(limited(options, max_in_flight=limit), **table)

    async def test_no_more_are_under_way(self, options: StoreOptions) -> None:
        async with self.narrow(options) as store:
            await self.add(store, 10)
            assert [len(await self.claim(store, 2)) for _ in range(3)] == [2, 1, 0]

    @pytest.mark.parametrize(("epoch", "hours"), [(0, 0.001), (7, 23)], ids=["no claim", "too long"])
    async def test_a_lease_that_no_claim_wrote_holds_no_place_and_no_key(
        self, options: StoreOptions, epoch: int, hours: float
    ) -> None:
        async with self.narrow(options, 1) as store:
            row = {"path": "/spookify", "payload": "{}", "status": "failed", "lease_epoch": epoch}
            row["lease_until"] = datetime.now(UTC) + timedelta(hours=hours)
            row["ordering_key"] = "k"
            if await self.written(store, options, row) is not None:
                await self.add(store, ordering_key="k")
                assert len(await self.claim(store)) == 1

    async def test_it_says_that_there_is_more(self, options: StoreOptions) -> None:
        async with self.narrow(options) as store:
            await self.add(store, 10)
            for count in (3, 0):
                claim = await store.claim({API: 5}, RUNNER)
                assert len(claim) == count
                assert 0 < claim.retry_in.get(API, 0) <= 1

    async def test_the_first_due_is_taken_first(self, options: StoreOptions) -> None:
        """However late it was added."""
        async with self.narrow(options) as store:
            await self.add(store, 2)
            (late,) = await self.add(store, 1)
            await reschedule(store, [late.id], Rescheduled(run_at=datetime(2020, 1, 1, tzinfo=UTC)))
            assert [job.id for job in await self.claim(store, 1)] == [late.id]

    async def test_an_end_makes_room_for_one(self, options: StoreOptions) -> None:
        async with self.narrow(options) as store:
            await self.add(store, 10)
            delivered, failed, retried = await self.claim(store)
            for job, event in (
                (delivered, Delivered()),
                (failed, failure(retryable=False)),
                (retried, failure()),
            ):
                await self.settled(store, job, event)
                assert len(await self.claim(store)) == 1

    async def test_a_release_makes_room(self, options: StoreOptions) -> None:
        async with self.narrow(options) as store:
            await self.add(store, 10)
            kept, *_ = await self.claim(store)
            await store.release(RUNNER, keep=[kept.id])
            assert len(await self.claim(store)) == 2

    async def test_a_lost_attempt_counts_for_its_lease(self, options: StoreOptions) -> None:
        async with self.narrow(options, 2) as store:
            await self.add(store, 10)
            await self.claim(store, 1, runner="dead")
            await self.claim(store, 1)
            assert len(await store.reclaim(silent("dead"))) == 1
            assert await self.claim(store) == []

    async def test_a_lost_attempt_makes_room_after_its_lease(self, options: StoreOptions) -> None:
        async with self.narrow(options, 1, timeout=0.05, lease_margin=0.0) as store:
            (job, *_) = await self.add(store, 2)
            await self.claim(store, 1, runner="dead")
            await store.reclaim(silent("dead"))
            lost = await store.get(job.id)
            (following,) = await eventually(lambda: self.claim(store))
            kept = await store.get(following.id)
            assert moment(kept.updated_at) >= moment(lost.lease_until)

    async def test_a_lost_job_takes_no_second_place(self, options: StoreOptions) -> None:
        """Its row counts once: claimed anew it would stand for two requests."""
        async with self.narrow(options, 2) as store:
            await self.add(store, 3)
            (lost,) = await self.claim(store, 1, runner="dead")
            await store.reclaim(silent("dead"))
            (other,) = await self.claim(store)
            assert other.id != lost.id
            await self.settled(store, other, Delivered())
            assert lost.id not in {job.id for job in await self.claim(store)}

    async def test_a_lost_job_is_no_probe(self, options: StoreOptions) -> None:
        async with self.narrow(options) as store:
            await self.add(store, 2)
            (lost,) = await self.claim(store, 1, runner="dead")
            await store.reclaim(silent("dead"))
            await open_breaker(store)
            (probe,) = await self.claim(store)
            assert probe.id != lost.id

    async def test_a_lost_job_is_claimed_again_after_its_lease(self, options: StoreOptions) -> None:
        async with self.narrow(options, timeout=0.05, lease_margin=0.0) as store:
            await self.add(store)
            await self.claim(store, 1, runner="dead")
            await store.reclaim(silent("dead"))
            (lost,) = await store.find(JobQuery())
            (again,) = await eventually(lambda: self.claim(store))
            claimed = await store.get(again.id)
            assert moment(claimed.updated_at) >= moment(lost.lease_until)

    async def test_a_killed_attempt_counts_for_its_lease(self, options: StoreOptions) -> None:
        async with self.narrow(options, 1) as store:
            await self.add(store, 10)
            (job,) = await self.claim(store)
            await kill(store, [job.id])
            assert await self.claim(store) == []

    async def test_a_killed_attempt_counts_after_a_retry_too(self, options: StoreOptions) -> None:
        async with self.narrow(options, 1) as store:
            await self.add(store, 2)
            (job,) = await self.claim(store)
            await kill(store, [job.id])
            await retry(store, [job.id])
            assert await self.claim(store) == []

    async def test_a_job_that_was_never_sent_counts_for_nothing(self, options: StoreOptions) -> None:
        async with self.narrow(options, 1) as store:
            jobs = await self.add(store, 3)
            await kill(store, [jobs[0].id])
            assert len(await self.claim(store)) == 1

    async def test_an_attempt_whose_lease_is_over_counts_until_it_is_reclaimed(
        self, options: StoreOptions
    ) -> None:
        async with self.narrow(options, 1, timeout=0.05, lease_margin=0.0) as store:
            await self.add(store, 2)
            await self.claim(store, 1)
            await self.stalled(store)
            assert await self.claim(store) == []
            assert len(await store.reclaim({})) == 1
            assert len(await self.claim(store)) == 1

    async def test_another_backend_has_its_own(self, options: StoreOptions) -> None:
        async with self.narrow(options) as store:
            await self.add(store, 5)
            await self.add(store, 5, backend=MAIL)
            assert len(await store.claim({API: 5, MAIL: 5}, RUNNER)) == LIMIT + 5

    async def test_the_tighter_limit_counts(self, options: StoreOptions) -> None:
        async with self.opened(options, rate=daily(4), max_in_flight=LIMIT) as store:
            await self.add(store, 10)
            jobs = await self.claim(store)
            assert len(jobs) == LIMIT
            for job in jobs:
                await self.settled(store, job, Delivered())
            assert [len(await self.claim(store)) for _ in range(2)] == [1, 0]

    async def test_nothing_is_probed_where_there_is_no_room(self, options: StoreOptions) -> None:
        async with self.narrow(options, 1) as store:
            await self.add(store, 5)
            assert len(await self.claim(store)) == 1
            await open_breaker(store)
            claim = await store.claim({API: 5}, RUNNER)
            breaker = claim.breakers[API]
            assert (list(claim), breaker.state, breaker.probe_runner) == ([], BreakerState.OPEN, None)

    async def test_jobs_with_a_key_count_too(self, options: StoreOptions) -> None:
        async with self.narrow(options) as store:
            for key in ("a", "b"):
                await self.add(store, 2, ordering_key=key)
            await self.add(store, 5)
            assert len(await self.claim(store)) == LIMIT
            assert await self.claim(store) == []


class InFlightSharedConformance(StoreHarness):
    """Whoever claims at once, ``max_in_flight`` is never passed."""

    async def test_claimers_at_once_share_the_room(self, options: StoreOptions) -> None:
        async with self.opened(options, max_in_flight=LIMIT) as store:
            await self.add(store, 30)
            claims = await asyncio.gather(*(self.claim(store, 2, runner=f"r{n}") for n in range(20)))
            left = [await self.claim(store) for _ in range(2)]
            assert sum(map(len, [*claims, *left])) == LIMIT

    async def test_tasks_never_pass_it(self, options: StoreOptions) -> None:
        async with self.opened(options, max_in_flight=LIMIT) as store:
            await self.add(store, 40)
            async with asyncio.timeout(STARTUP):
                rounds = await asyncio.gather(*(deliver(store, runner=f"r{n}", slots=2) for n in range(4)))
            self._never_passed_it([attempt for done in rounds for attempt in done], 40)

    async def test_processes_never_pass_it(self, options: StoreOptions) -> None:
        options = limited(options, max_in_flight=LIMIT)
        async with self.opened(options) as store:
            if not store.capabilities.shared:
                return
            await self.add(store, 40)
            async with asyncio.timeout(STARTUP), members(self, options, "deliver", PROCESSES) as others:
                for n, other in enumerate(others):
                    await other.go(runner=f"runner-{n}", slots=2)
                rounds = [await other.result() for other in others]
            self._never_passed_it([attempt for done in rounds for attempt in done], 40)

    def _never_passed_it(self, deliveries: Iterable[Delivery], count: int) -> None:
        """Check the moments in which jobs were certainly under way."""
        done = list(deliveries)
        assert len({attempt.job_id for attempt in done}) == len(done) == count
        for one in done:
            at_once = sum(attempt.claimed <= one.claimed < attempt.settled for attempt in done)
            assert at_once <= LIMIT, f"{at_once} jobs were under way at once"
