"""``claim`` of jobs with a ``priority``: higher ones first, whatever their age."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from sp00ky_conformance.store.harness import (
    API,
    MAIL,
    RUNNER,
    StoreHarness,
    eventually,
    failure,
    new_job,
    silent,
)
from sp00ky_conformance.store.jobs.claim import LONG_AGO
from sp00ky_conformance.store.steering.breakers import open_breaker
from sp00ky_core.job.job import Job
from sp00ky_core.job.state_machine import Deferred
from sp00ky_core.ports import JobQuery, Store, StoreOptions
from sp00ky_core.stores.transitions import retry

__all__ = ["PriorityConformance"]


class PriorityConformance(StoreHarness):
    """A job of a higher priority is claimed before one of a lower, and of one priority the oldest due is."""

    async def test_what_is_urgent_comes_before_what_is_old(self, store: Store) -> None:
        await self.add(store, 20, run_at=LONG_AGO)
        (urgent,) = await self.add(store, priority=3)
        assert await self._next_ids(store) == [urgent.id]

    async def test_each_priority_comes_before_the_lower_ones(self, store: Store) -> None:
        levels = [1, 3, 0, 2, 3, 0, 1, 2]
        await store.add([new_job(priority=level) for level in levels])
        claims = [await self.claim(store, 2) for _ in range(4)]
        assert [[job.priority for job in claim] for claim in claims] == [[3, 3], [2, 2], [1, 1], [0, 0]]

    async def test_of_one_priority_the_oldest_due_comes_first(self, store: Store) -> None:
        minutes = [4, 2, 3, 1]
        due = [LONG_AGO + timedelta(minutes=minute) for minute in minutes]
        await store.add([new_job(path=f"/{n}", run_at=due[n], priority=2) for n in range(4)])
        await self.add(store, 5, run_at=LONG_AGO)
        claims = [await self.claim(store, 2) for _ in range(2)]
        assert [{job.path for job in claim} for claim in claims] == [{"/3", "/1"}, {"/2", "/0"}]

    async def test_slots_are_filled_from_several_priorities(self, store: Store) -> None:
        await store.add([new_job(priority=level) for level in (0, 0, 1, 3)])
        assert sorted(job.priority for job in await self.claim(store, 3)) == [0, 1, 3]

    async def test_what_is_not_due_holds_nothing_up(self, store: Store) -> None:
        await self.add(store, 20, priority=3, delay=timedelta(hours=1))
        await self.add(store, 20, priority=1, delay=timedelta(hours=1))
        (due,) = await self.add(store)
        assert await store.next_due([API]) == 0
        assert await self._next_ids(store, 5) == [due.id]

    async def test_it_counts_once_it_is_due(self, store: Store) -> None:
        (urgent,) = await self.add(store, priority=1, delay=timedelta(seconds=0.2))
        await self.add(store, 2, run_at=LONG_AGO)

        async def is_due() -> bool:
            return (await store.stats())[API].due == 3

        await eventually(is_due)
        assert await self._next_ids(store) == [urgent.id]

    async def test_it_counts_within_one_backend_only(self, store: Store) -> None:
        await self.add(store, 5, priority=3)
        (lonely,) = await self.add(store, backend=MAIL)
        jobs = await store.claim({API: 2, MAIL: 2}, RUNNER)
        assert lonely.id in {job.id for job in jobs}
        assert len(jobs) == 3

    async def test_a_retry_keeps_it(self, store: Store) -> None:
        await self._comes_back(store, await self.settled(store, await self._urgent(store), failure()))

    async def test_a_deferral_keeps_it(self, store: Store) -> None:
        job = await self._urgent(store)
        await self._comes_back(store, await self.settled(store, job, Deferred(delay=0.0)))

    async def test_a_release_keeps_it(self, store: Store) -> None:
        job = await self._urgent(store)
        await store.release(RUNNER, keep=())
        await self._comes_back(store, job)

    async def test_a_lost_job_keeps_it(self, store: Store) -> None:
        job = await self._urgent(store)
        await store.reclaim(silent(RUNNER))
        await self._comes_back(store, job)

    async def test_an_operators_retry_keeps_it(self, store: Store) -> None:
        job = await self.settled(store, await self._urgent(store), failure(retryable=False))
        await retry(store, [job.id])
        await self._comes_back(store, job)

    async def test_a_probe_obeys_it(self, store: Store) -> None:
        await self.add(store, 3, run_at=LONG_AGO)
        (urgent,) = await self.add(store, priority=2)
        await open_breaker(store)
        (probe,) = await eventually(lambda: self.claim(store))
        assert probe.id == urgent.id

    @pytest.mark.parametrize("priority", [None, -1, 7, 2**40, "high"])
    async def test_another_clients_row_without_one_counts_as_0(
        self, store: Store, options: StoreOptions, priority: object
    ) -> None:
        fields: dict[str, Any] = {"path": "/spookify", "payload": "{}", "run_at": LONG_AGO}
        job_id = await self.written(store, options, {**fields, "priority": priority})
        if job_id is None:
            return
        (plain,) = await self.add(store)
        (urgent,) = await self.add(store, priority=1)
        assert [(await store.get(named)).priority for named in (job_id, urgent.id)] == [0, 1]
        assert {job.priority for job in await store.find(JobQuery())} == {0, 1}
        assert await self._next_ids(store) == [urgent.id]
        claimed = {job.id: job for job in await self.claim(store, 2)}
        assert set(claimed) == {job_id, plain.id}
        assert (claimed[job_id].priority, claimed[job_id].defect) == (0, None)

    async def _urgent(self, store: Store) -> Job:
        """Claim a job of priority 2, and enqueue older ones of lower priorities."""
        job = await self.claimed(store, priority=2, max_retries=3)
        await self.add(store, 3, run_at=LONG_AGO)
        await self.add(store, 3, run_at=LONG_AGO, priority=1)
        return job

    async def _comes_back(self, store: Store, job: Job) -> None:
        (again,) = await eventually(lambda: self.claim(store, 1, runner="runner-2"))
        assert (again.id, again.priority) == (job.id, 2)
        assert (await store.get(job.id)).priority == 2

    async def _next_ids(self, store: Store, slots: int = 1) -> list[str]:
        return [job.id for job in await self.claim(store, slots)]
