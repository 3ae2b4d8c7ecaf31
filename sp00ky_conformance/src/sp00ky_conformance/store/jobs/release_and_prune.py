"""``claim``, ``release`` and ``prune``: what time does to rows; ``migrate``: indexes made later."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

from datetime import UTC, datetime

from sp00ky_conformance.store.harness import RUNNER, StoreHarness, needs
from sp00ky_core.job.job import JobStatus
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import Store, StoreOptions

__all__ = ["ReleaseAndPruneConformance"]

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class ReleaseAndPruneConformance(StoreHarness):
    """Ended leases are reclaimed and nothing else, and old rows go."""

    async def test_a_job_whose_lease_is_over_is_not_claimed(self, hasty: Store) -> None:
        job = await self.claimed(hasty)
        await self.stalled(hasty)
        assert await self.claim(hasty, runner="runner-2") == [], "only reclaim() takes it: it counts"
        assert (await hasty.get(job.id)).lease_epoch == 1

    async def test_a_job_whose_lease_is_over_is_not_given_back(self, hasty: Store) -> None:
        job = await self.claimed(hasty)
        await self.stalled(hasty)
        assert await hasty.release(RUNNER, keep=()) == [], (
            "its request may have been sent: reclaim() takes it"
        )
        assert (await hasty.get(job.id)).status is JobStatus.PROCESSING
        assert [settlement.job_id for settlement in await hasty.reclaim({})] == [job.id]

    async def test_a_job_is_kept_from_its_end_on(self, options: StoreOptions) -> None:
        async with self.opened(options, keep_success=3_600.0, keep_failed=3_600.0) as store:
            fields = {"path": "/spookify", "payload": "{}", "created_at": LONG_AGO, "run_at": LONG_AGO}
            job_id = await self.written(store, options, fields)
            if job_id is None:
                return
            (job,) = await self.claim(store)
            assert job.id == job_id
            await self.settled(store, job, Delivered())
            assert await store.prune() == 0, "it has ended just now, however long ago it was created"
            assert (await store.get(job_id)).status is JobStatus.SUCCESS

    @needs("drop_indexes")
    async def test_an_index_that_is_made_later_holds_what_was_there(
        self, store: Store, options: StoreOptions
    ) -> None:
        jobs = await self.add(store, 5)
        jobs += [(await self.add(store, ordering_key=f"key-{n}"))[0] for n in range(5)]
        (held,) = await self.add(store, dedup_key="k")
        await self.drop_indexes(store, options.tables[0].table)
        assert await store.migrate()
        assert [job.id for job in await self.add(store, dedup_key="k")] == [held.id]
        assert {job.id for job in await self.claim(store)} == {job.id for job in [*jobs, held]}
