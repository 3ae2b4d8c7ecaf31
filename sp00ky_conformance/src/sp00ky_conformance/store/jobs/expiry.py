"""``add`` of jobs that expire: ``expires_at`` is kept, and ends them as ``settle`` says."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from sp00ky_conformance.store.harness import StoreHarness, failure
from sp00ky_core.job.job import JobStatus
from sp00ky_core.job.state_machine import Expired
from sp00ky_core.ports import OperatorFate, Store
from sp00ky_core.stores.transitions import retry

__all__ = ["ExpiryConformance"]

AT = datetime(2100, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)


class ExpiryConformance(StoreHarness):
    """A job's ``expires_at`` reaches the runner that is to heed it, and stays with the job."""

    async def test_an_instant_of_expiry_is_kept(self, store: Store) -> None:
        (added,) = await self.add(store, expires_at=AT, max_retries=3)
        (job,) = await self.claim(store)
        assert (added.expires_at, job.expires_at) == (AT, AT)
        retried = await self.settled(store, job, failure())
        assert retried.expires_at == AT
        (again,) = await self.claim(store)
        assert again.expires_at == AT

    async def test_an_instant_of_another_time_zone_is_the_same(self, store: Store) -> None:
        at = AT.astimezone(timezone(timedelta(hours=5, minutes=30)))
        (added,) = await self.add(store, expires_at=at)
        kept = await store.get(added.id)
        assert kept.expires_at == AT
        assert kept.expires_at.utcoffset() is not None

    async def test_a_job_without_one_never_expires(self, store: Store) -> None:
        claimed = await self.claimed(store)
        assert (claimed.expires_at, (await store.get(claimed.id)).expires_at) == (None, None)

    async def test_an_expired_job_is_claimed_so_that_it_ends(self, store: Store) -> None:
        (added,) = await self.add(store, expires_at=datetime(2020, 1, 1, tzinfo=UTC))
        (job,) = await self.claim(store)
        assert job.id == added.id
        ended = await self.settled(store, job, Expired())
        assert (ended.status, ended.retries, ended.lease_until) == (JobStatus.FAILED, 0, None)
        (entry,) = ended.errors
        assert (entry.name, entry.code) == ("expired", 0)
        assert await self.claim(store) == []

    async def test_a_retry_leaves_the_expiry_alone(self, store: Store) -> None:
        job = await self.settled(store, await self.claimed(store, expires_at=AT), Expired())
        (result,) = await retry(store, [job.id])
        assert result.fate is OperatorFate.RETRIED
        assert (await store.get(job.id)).expires_at == AT
