"""``claim`` of jobs with an ``ordering_key``: one at a time, in the order in which they were enqueued."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

from datetime import timedelta

import pytest

from sp00ky_conformance.store.harness import (
    API,
    MAIL,
    RUNNER,
    StoreHarness,
    failure,
    is_close,
    needs,
    new_job,
)
from sp00ky_conformance.store.jobs.claim import LONG_AGO
from sp00ky_core.job.job import JobStatus
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.job.state_machine import Deferred
from sp00ky_core.ports import JobQuery, Store
from sp00ky_core.stores.transitions import kill

__all__ = ["OrderConformance"]

KEY = "thread:t1"
KEYS = (
    "k",
    "K",
    "k ",
    " k",
    "\u043a\u043b\u044e\u0447",
    "it's",
    'a "b"',
    "a:b",
    "%",
    "_",
    "\\",
    "0",
    "x" * 255,
    "\U0001f47b" * 254 + "a",
    "\U0001f47b" * 254 + "b",
)
"""Keys that are all different, whatever a database's collation makes of them."""


class OrderConformance(StoreHarness):
    """Of the jobs with one key only the first that hasn't ended is claimed."""

    async def test_only_the_first_of_a_key_is_claimed(self, store: Store) -> None:
        jobs = await store.add([new_job(ordering_key=KEY) for _ in range(5)])
        assert await self._delivered_in_turn(store) == [job.id for job in jobs]

    async def test_a_batch_is_kept_in_its_order(self, store: Store) -> None:
        added = await store.add([new_job(path=f"/{n}", ordering_key=KEY) for n in range(50)])
        jobs = [await store.get(job.id) for job in added]
        assert [(job.ordering_key, job.ordering_at) for job in added] == [
            (KEY, job.ordering_at) for job in jobs
        ]
        assert all(is_close(job.ordering_at, job.created_at) for job in jobs)
        assert sorted(jobs, key=lambda job: (job.ordering_at or LONG_AGO, job.id)) == jobs
        assert await self._delivered_in_turn(store, 5) == [job.id for job in jobs[:5]]

    async def test_batches_are_kept_in_their_order(self, store: Store) -> None:
        jobs = [job for _ in range(3) for job in await self.add(store, 3, ordering_key=KEY)]
        assert await self._delivered_in_turn(store) == [job.id for job in jobs]

    async def test_a_transaction_is_kept_in_its_order(self, store: Store) -> None:
        if not store.capabilities.transactions:
            return
        async with self.transaction(store) as connection:
            jobs = [
                job
                for n in range(3)
                for job in await store.add(
                    [new_job(path=f"/{n}", ordering_key=KEY)] * 2, connection=connection
                )
            ]
        assert await self._delivered_in_turn(store) == [job.id for job in jobs]

    async def test_other_keys_are_not_held_up(self, store: Store) -> None:
        jobs = await store.add([new_job(ordering_key=f"k{n % 5}") for n in range(15)])
        claimed = await self.claim(store)
        assert {job.id for job in claimed} == {job.id for job in jobs[:5]}
        assert await self.claim(store) == []
        await self.settled(store, claimed[0], Delivered())
        (following,) = await self.claim(store)
        assert following.ordering_key == claimed[0].ordering_key

    async def test_jobs_without_a_key_are_not_held_up(self, store: Store) -> None:
        await self.add(store, 5, ordering_key=KEY)
        free = await self.add(store, 5)
        claimed = await self.claim(store)
        assert {job.id for job in claimed} > {job.id for job in free}
        assert len(claimed) == 6
        assert {(job.ordering_key, job.ordering_at) for job in free} == {(None, None)}

    async def test_keys_that_look_alike_are_different(self, store: Store) -> None:
        jobs = await store.add([new_job(ordering_key=key) for key in KEYS for _ in range(2)])
        claimed = await self.claim(store)
        assert {job.id: job.ordering_key for job in claimed} == dict(
            zip([job.id for job in jobs[::2]], KEYS, strict=True)
        )
        for key in KEYS[:3]:
            assert len(await store.find(JobQuery(ordering_key=key))) == 2

    async def test_a_key_of_another_backend_is_another_key(self, store: Store) -> None:
        await self.add(store, ordering_key=KEY)
        await self.add(store, ordering_key=KEY, backend=MAIL)
        assert len(await store.claim({API: 5, MAIL: 5}, RUNNER)) == 2

    async def test_a_job_that_waits_for_a_retry_holds_back_the_next(self, store: Store) -> None:
        first = await self.claimed(store, ordering_key=KEY)
        await self.add(store, 2, ordering_key=KEY, priority=3)
        await self.settled(store, first, failure(), base=50)
        assert await self.claim(store) == []

    async def test_a_retry_comes_before_the_next(self, store: Store) -> None:
        first = await self.claimed(store, ordering_key=KEY)
        await self.add(store, 2, ordering_key=KEY, run_at=LONG_AGO)
        retried = await self.settled(store, first, failure())
        (again,) = await self.claim(store)
        assert (again.id, again.ordering_at) == (first.id, retried.ordering_at)

    async def test_a_delayed_job_holds_back_the_next(self, store: Store) -> None:
        await self.add(store, ordering_key=KEY, delay=timedelta(seconds=100))
        assert await store.next_due([API]) == pytest.approx(100, abs=30)
        (second,) = await self.add(store, ordering_key=KEY, run_at=LONG_AGO)
        assert await self.claim(store) == []
        (free,) = await self.add(store, ordering_key="other")
        assert await store.next_due([API]) == 0
        assert [job.id for job in await self.claim(store)] == [free.id]
        assert (await store.get(second.id)).status is JobStatus.PENDING

    async def test_a_deferred_job_holds_back_the_next(self, store: Store) -> None:
        first = await self.claimed(store, ordering_key=KEY)
        await self.add(store, ordering_key=KEY)
        await self.settled(store, first, Deferred(delay=100.0))
        assert await self.claim(store) == []

    async def test_a_failed_job_lets_the_next_go(self, store: Store) -> None:
        first = await self.claimed(store, ordering_key=KEY)
        (second,) = await self.add(store, ordering_key=KEY)
        await self.settled(store, first, failure(retryable=False))
        assert [job.id for job in await self.claim(store)] == [second.id]

    async def test_a_killed_job_that_was_not_sent_lets_the_next_go(self, store: Store) -> None:
        first, second = await self.add(store, 2, ordering_key=KEY)
        await kill(store, [first.id])
        assert [job.id for job in await self.claim(store)] == [second.id]

    async def test_a_released_job_keeps_its_place(self, store: Store) -> None:
        first = await self.claimed(store, ordering_key=KEY)
        await self.add(store, ordering_key=KEY)
        await store.release(RUNNER, keep=())
        assert [job.id for job in await self.claim(store)] == [first.id]

    @needs("delete_row")
    async def test_a_deleted_row_lets_the_next_go(self, store: Store) -> None:
        pending, processing, last = await self.add(store, 3, ordering_key=KEY)
        await self.delete_row(store, pending.id)
        (claimed,) = await self.claim(store)
        assert claimed.id == processing.id
        await self.delete_row(store, processing.id)
        assert [job.id for job in await self.claim(store)] == [last.id]

    async def _delivered_in_turn(self, store: Store, count: int = 100) -> list[str]:
        """Claim and deliver one job after the other; no claim gets two."""
        ids: list[str] = []
        while len(ids) < count and (claimed := await self.claim(store)):
            (job,) = claimed
            assert await self.claim(store) == [], "a second job of the key is processing"
            await self.settled(store, job, Delivered())
            ids.append(job.id)
        return ids
