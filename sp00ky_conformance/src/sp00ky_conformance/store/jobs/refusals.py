"""``settle``, ``claim`` and ``add`` where the database refuses a row: it costs no other."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

import pytest

from sp00ky_conformance.store.harness import (
    RUNNER,
    StoreHarness,
    eventually,
    needs,
    new_job,
    settlement,
    silent,
    where,
)
from sp00ky_conformance.store.steering.rate import daily, limited
from sp00ky_core.errors import RowRefused
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import JobQuery, SettleFate, Store, StoreOptions

__all__ = ["REFUSED", "RefusalConformance"]

REFUSED = "/refused"
"""The path of rows that the database refuses."""


class RefusalConformance(StoreHarness):
    """A row that the database refuses is isolated."""

    @needs("refuse")
    async def test_a_refused_result_costs_only_itself(self, store: Store, options: StoreOptions) -> None:
        jobs = await self._claimed_among(store)
        await self.refuse(store, options.tables[0].table, "result")
        results = await store.settle([settlement(job, Delivered(result={"n": 1})) for job in jobs])
        assert [result.fate for result in results] == [SettleFate.SETTLED] * len(jobs)
        for job, result in zip(jobs, results, strict=True):
            kept = await store.get(job.id)
            assert kept.status is JobStatus.SUCCESS
            assert kept.result == (None if job.path == REFUSED else {"n": 1})
            assert (result.written is not None) is (job.path == REFUSED)
            assert bool(result.problem) is (job.path == REFUSED)

    @needs("refuse")
    async def test_a_row_that_cannot_be_settled_holds_up_no_other(
        self, store: Store, options: StoreOptions
    ) -> None:
        jobs = await self._claimed_among(store)
        await self.refuse(store, options.tables[0].table, "update")
        results = await store.settle([settlement(job, Delivered(result={"n": 1})) for job in jobs])
        for job, result in zip(jobs, results, strict=True):
            refused = job.path == REFUSED
            assert result.fate is (SettleFate.BUSY if refused else SettleFate.SETTLED)
            kept = await store.get(job.id)
            assert kept.status is (JobStatus.PROCESSING if refused else JobStatus.SUCCESS)
            assert not refused or result.problem

    @needs("refuse")
    async def test_a_row_that_cannot_be_claimed_holds_up_no_other(
        self, store: Store, options: StoreOptions
    ) -> None:
        await store.add([new_job(path=REFUSED)])
        await self._takes_all_others(store, options)

    @needs("refuse")
    async def test_a_key_whose_first_row_cannot_be_claimed_holds_up_no_other(
        self, store: Store, options: StoreOptions
    ) -> None:
        await store.add([new_job(path=REFUSED, ordering_key="k"), new_job(ordering_key="k")])
        await self._takes_all_others(store, options, "a", "b", "z")
        assert await self._claimed_or_refused(store) == [], "it keeps its place before those of its key"

    @needs("refuse")
    async def test_a_row_that_cannot_be_claimed_costs_no_token(self, options: StoreOptions) -> None:
        async with self.opened(limited(options, rate=daily(3))) as store:
            await store.add([new_job(path=REFUSED)])
            await self._takes_all_others(store, options)

    @needs("refuse")
    async def test_a_row_that_cannot_be_reclaimed_holds_up_no_other(
        self, store: Store, options: StoreOptions
    ) -> None:
        jobs = await self._claimed_among(store)
        await self.refuse(store, options.tables[0].table, "update")
        written = await store.reclaim(silent(RUNNER))
        assert {settlement.job_id for settlement in written} == {
            job.id for job in jobs if job.path != REFUSED
        }

    @needs("refuse")
    async def test_a_refused_batch_leaves_nothing(self, store: Store, options: StoreOptions) -> None:
        await self.refuse(store, options.tables[0].table, "insert")
        with pytest.raises(RowRefused):
            await store.add([new_job(), new_job(path=REFUSED), new_job()])
        assert await store.find(JobQuery()) == []
        await self.claimed(store)

    @needs("refuse")
    @where("transactions")
    async def test_a_refused_batch_leaves_nothing_in_a_callers_transaction(
        self, store: Store, options: StoreOptions
    ) -> None:
        """The transaction goes on, or it ends as a whole, as some databases have it after any error."""
        await self.refuse(store, options.tables[0].table, "insert")
        async with self.transaction(store) as connection:
            (kept,) = await store.add([new_job()], connection=connection)
            with pytest.raises(RowRefused):
                await store.add([new_job(), new_job(path=REFUSED), new_job()], connection=connection)
        assert {job.id for job in await store.find(JobQuery())} <= {kept.id}

    async def _takes_all_others(self, store: Store, options: StoreOptions, *keys: str) -> None:
        """Claim three jobs one by one, also where a claim comes upon one that is refused."""
        others = await store.add([new_job(ordering_key=key) for key in keys or (None,) * 3])
        await self.refuse(store, options.tables[0].table, "update")
        taken: set[str] = set()

        async def all_taken() -> bool:
            taken.update(await self._claimed_or_refused(store))
            return len(taken) == len(others)

        await eventually(all_taken)
        assert taken == {job.id for job in others}

    async def _claimed_or_refused(self, store: Store) -> list[str]:
        try:
            return [job.id for job in await self.claim(store, 1)]
        except RowRefused:  # it may be reported, once
            return []

    async def _claimed_among(self, store: Store) -> list[Job]:
        """Five claimed jobs, of which the third and the fourth will be refused."""
        paths = ["/a", "/b", REFUSED, REFUSED, "/z"]
        await store.add([new_job(path=path) for path in paths])
        jobs = sorted(await self.claim(store), key=lambda job: job.path)
        assert [job.path for job in jobs] == paths
        return jobs
