"""``claim`` of jobs with an ``ordering_key``: their places, among few keys and among many."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sp00ky_conformance.store.harness import API, RUNNER, StoreHarness, failure, new_job
from sp00ky_conformance.store.jobs.claim import LONG_AGO
from sp00ky_core.job.job import Job
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import JobQuery, OperatorFate, Store, StoreOptions
from sp00ky_core.stores.transitions import kill, retry

__all__ = ["ManyKeysConformance", "PlaceConformance"]

KEY = "thread:t1"


class PlaceConformance(StoreHarness):
    """A job has one place among those of its key, and priority counts outside."""

    async def test_a_retried_job_takes_its_old_place(self, store: Store) -> None:
        first = await self._failed_head(store)
        await self.add(store, 2, ordering_key=KEY)
        await retry(store, [first.id])
        (again,) = await self.claim(store)
        assert (again.id, again.ordering_at) == (first.id, first.ordering_at)

    async def test_a_retried_job_waits_for_a_later_one_that_is_processing(self, store: Store) -> None:
        first = await self._failed_head(store)
        second, third = await self.add(store, 2, ordering_key=KEY)
        (processing,) = await self.claim(store)
        assert processing.id == second.id
        await retry(store, [first.id])
        assert await self.claim(store) == []
        await self.settled(store, processing, Delivered())
        (again,) = await self.claim(store)
        assert again.id == first.id
        await self.settled(store, again, Delivered())
        assert [job.id for job in await self.claim(store)] == [third.id]

    async def test_a_later_retry_waits_for_a_retried_job(self, store: Store) -> None:
        first = await self._failed_head(store)
        await self.add(store, ordering_key=KEY)
        (second,) = await self.claim(store)
        await retry(store, [first.id])
        await self.settled(store, second, failure())
        assert [job.id for job in await self.claim(store)] == [first.id]

    async def test_an_existing_job_stays_in_its_place(self, store: Store) -> None:
        (first,) = await self.add(store, ordering_key=KEY, dedup_key="d")
        (second,) = await self.add(store, ordering_key=KEY)
        (again,) = await self.add(store, ordering_key=KEY, dedup_key="d")
        (elsewhere,) = await self.add(store, ordering_key="other", dedup_key="d")
        assert [(job.id, job.ordering_at) for job in (again, elsewhere)] == [
            (first.id, first.ordering_at)
        ] * 2
        (claimed,) = await self.claim(store)
        assert (claimed.id, claimed.ordering_key) == (first.id, KEY)
        await self.settled(store, claimed, Delivered())
        assert [job.id for job in await self.claim(store)] == [second.id]

    async def test_priority_does_not_reorder_within_a_key(self, store: Store) -> None:
        jobs = [
            (await self.add(store, ordering_key=KEY, priority=level, run_at=run_at))[0]
            for level, run_at in ((0, None), (1, LONG_AGO), (3, LONG_AGO))
        ]
        for expected in jobs:
            (job,) = await self.claim(store)
            assert job.id == expected.id
            await self.settled(store, job, Delivered())

    async def test_priority_counts_among_jobs_with_and_without_a_key(self, store: Store) -> None:
        fields: list[dict[str, Any]] = [
            {"priority": 1},
            {"priority": 2, "ordering_key": "a"},
            {"priority": 0, "ordering_key": "b"},
            {"priority": 3},
            {"priority": 3, "ordering_key": "c"},
            {"priority": 0},
        ]
        await store.add([new_job(**field) for field in fields])
        claims = [await self.claim(store, slots) for slots in (2, 1, 1, 2)]
        assert [[job.priority for job in claim] for claim in claims] == [[3, 3], [2], [1], [0, 0]]

    async def test_of_one_priority_the_oldest_due_counts_with_and_without_a_key(self, store: Store) -> None:
        keys = ["a", None, "b", None, "c", None]
        due = [LONG_AGO + timedelta(minutes=n * 7 % 6) for n in range(6)]
        await store.add(
            [
                new_job(path=f"/{at.minute}", ordering_key=key, run_at=at)
                for key, at in zip(keys, due, strict=True)
            ]
        )
        claims = [await self.claim(store, 2) for _ in range(3)]
        assert [{job.path for job in claim} for claim in claims] == [{"/0", "/1"}, {"/2", "/3"}, {"/4", "/5"}]

    async def test_another_clients_row_with_a_key_is_delivered(
        self, store: Store, options: StoreOptions
    ) -> None:
        fields = {"path": "/spookify", "payload": "{}", "ordering_key": KEY}
        job_id = await self.written(store, options, fields)
        if job_id is None:
            return
        (other,) = await self.add(store, ordering_key=KEY)
        seen = set()
        for _ in range(2):
            (job,) = await self.claim(store)
            seen.add(job.id)
            await self.settled(store, job, Delivered())
        assert seen == {job_id, other.id}

    async def _failed_head(self, store: Store) -> Job:
        """Make a job of the key that has failed."""
        job = await self.settled(store, await self.claimed(store, ordering_key=KEY), failure(retryable=False))
        assert job.ordering_at is not None
        return job


class ManyKeysConformance(StoreHarness):
    """However many keys there are, each has its turn without a poll."""

    async def test_every_key_has_its_turn(self, store: Store) -> None:
        added = await store.add([new_job(ordering_key=f"k{n:04}") for n in range(700)])
        seen: set[str] = set()
        while True:
            claim = await store.claim({API: 100}, RUNNER)
            seen |= {job.id for job in claim}
            if not claim and claim.retry_in.get(API) != 0:
                break
        assert seen == {job.id for job in added}

    async def test_keys_that_wait_hide_no_other(self, store: Store) -> None:
        await store.add([new_job(ordering_key=f"k{n:04}", delay=timedelta(hours=1)) for n in range(1_200)])
        (due,) = await self.add(store, ordering_key="k1199b")
        for _ in range(10):
            claim = await store.claim({API: 5}, RUNNER)
            if claim or claim.retry_in.get(API) != 0:
                break
        assert [job.id for job in claim] == [due.id], "an empty claim must say that there is more to look at"

    async def test_few_slots_reach_every_key(self, store: Store) -> None:
        for _ in range(3):
            await store.add([new_job(ordering_key=f"k{n}") for n in range(7)])
        delivered: list[str] = []
        while claim := await store.claim({API: 2}, RUNNER):
            for job in claim:
                await self.settled(store, job, Delivered())
                delivered.append(job.ordering_key or "")
        assert sorted(delivered) == sorted([f"k{n}" for n in range(7)] * 3)
        assert (await store.stats())[API].success == 21

    async def test_a_key_is_a_condition(self, store: Store) -> None:
        (one,) = await self.add(store, ordering_key="a")
        await self.add(store, ordering_key="b")
        await self.add(store)
        query = JobQuery(ordering_key="a")
        assert ([job.id for job in await store.find(query)], await store.count(query)) == ([one.id], 1)
        (killed,) = await kill(store, [one.id])
        assert killed.fate is OperatorFate.KILLED
        assert await store.clear_matching(query) == 1
        assert len(await store.find(JobQuery())) == 2
