"""``overdue`` and ``reclaim`` of rows whose lease is over by the database's clock, which may have jumped."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from sp00ky_conformance.store.harness import API, MAIL, RUNNER, StoreHarness, eventually, silent
from sp00ky_core.job.job import JobStatus
from sp00ky_core.ports import OverdueClaim, Store, StoreOptions
from sp00ky_core.stores.transitions import kill

__all__ = ["OverdueConformance"]

OTHER = "runner-2"
FAR = datetime(2099, 1, 1, tzinfo=UTC)


class OverdueConformance(StoreHarness):
    """A lease that is over proves nothing against a runner that beats."""

    async def test_a_runner_that_beats_keeps_what_has_run_out(self, hasty: Store) -> None:
        job = await self.claimed(hasty)
        (claim,) = await eventually(lambda: hasty.overdue([RUNNER]))
        assert await hasty.reclaim({}, beating=[RUNNER, OTHER]) == []
        assert await hasty.reclaim(silent("gone"), beating=[RUNNER]) == []
        assert (await hasty.get(job.id)).status is JobStatus.PROCESSING
        (written,) = await hasty.reclaim({}, beating=[RUNNER], overdue=[claim])
        assert (written.job_id, written.epoch) == (job.id, 1)
        assert (await hasty.get(job.id)).errors[-1].name == "outcome_unknown"

    async def test_what_is_overdue_is_described(self, options: StoreOptions) -> None:
        async with self.opened(options, timeout=0.05, lease_margin=0.2) as store:
            await self.add(store, 2)
            await self.add(store, 1, backend=MAIL)
            (other,) = await self.claim(store, 1, runner=OTHER)
            jobs = await store.claim({API: 5, MAIL: 5}, RUNNER)

            async def all_overdue() -> list[OverdueClaim]:
                claims = await store.overdue([RUNNER])
                return claims if len(claims) == len(jobs) else []

            claims = await eventually(all_overdue)
            assert {(claim.job_id, claim.epoch, claim.runner_id) for claim in claims} == {
                (job.id, 1, RUNNER) for job in jobs
            }
            assert [claim.lasts for claim in claims] == [pytest.approx(0.25)] * 2
            assert len(await store.overdue([RUNNER], limit=1)) == 1
            assert await store.overdue([]) == []
            assert await store.overdue(["another"]) == []
            (theirs,) = await eventually(lambda: store.overdue([OTHER]))
            assert theirs.job_id == other.id

    async def test_a_lease_lasts_as_long_as_the_jobs_own_timeout_says(self, options: StoreOptions) -> None:
        async with self.opened(options, timeout_overridable=True) as store:
            if await self._processing(store, options, FAR, runner_id=RUNNER, timeout=120) is None:
                return
            (claim,) = await store.overdue([RUNNER])
            assert claim.lasts == pytest.approx(150)

    async def test_a_lease_lasts_as_long_as_it_was_written_to(self, options: StoreOptions) -> None:
        """Also where an operator has set a longer timeout than the file's."""
        async with self.opened(options, timeout=0.05, lease_margin=0.2) as store:
            store.use(attrs.evolve(options.tables[0], timeout=0.4, lease_margin=0.2))
            job = await self.claimed(store)
            (claim,) = await eventually(lambda: store.overdue([RUNNER]))
            assert claim.job_id == job.id
            assert claim.lasts == pytest.approx(0.6, abs=0.01)

    async def test_a_running_lease_is_not_overdue(self, store: Store) -> None:
        job = await self.claimed(store)
        assert await store.overdue([RUNNER]) == []
        named = OverdueClaim(job_id=job.id, epoch=job.lease_epoch, runner_id=RUNNER, lasts=0.0)
        assert await store.reclaim({}, beating=[RUNNER], overdue=[named]) == []
        assert await store.reclaim({}, overdue=[named]) == []

    async def test_only_the_very_claim_that_was_seen_is_taken(self, hasty: Store) -> None:
        job = await self.claimed(hasty, max_retries=5)
        (seen,) = await eventually(lambda: hasty.overdue([RUNNER]))
        (again,) = await hasty.reclaim({}, beating=[OTHER])
        assert again.job_id == job.id
        await self.claim(hasty)
        await eventually(lambda: hasty.overdue([RUNNER]))
        for stale in (seen, attrs.evolve(seen, epoch=99), attrs.evolve(seen, epoch=3, runner_id=OTHER)):
            assert await hasty.reclaim({}, beating=[RUNNER], overdue=[stale]) == []
        assert (await hasty.get(job.id)).lease_epoch == 3

    async def test_a_dead_runners_rows_are_taken_whatever_others_do(self, store: Store) -> None:
        job = await self.claimed(store, runner="dead")
        (written,) = await store.reclaim(silent("dead"), beating=[RUNNER])
        assert written.job_id == job.id

    async def test_what_has_ended_is_not_overdue(self, hasty: Store) -> None:
        await self.ended(hasty)
        job = await self.claimed(hasty)
        await eventually(lambda: hasty.overdue([RUNNER]))
        await kill(hasty, [job.id])
        assert await hasty.overdue([RUNNER]) == []

    @pytest.mark.parametrize("lease_until", [None, FAR], ids=["none", "far"])
    async def test_a_lease_that_no_runner_wrote_is_over(
        self, store: Store, options: StoreOptions, lease_until: datetime | None
    ) -> None:
        job_id = await self._processing(store, options, lease_until, runner_id="never-seen")
        if job_id is None:
            return
        assert (await store.stats())[API].stalled == 1
        (written,) = await store.reclaim({}, beating=[RUNNER])
        assert written.job_id == job_id
        assert (await store.get(job_id)).errors[-1].name == "outcome_unknown"

    @pytest.mark.parametrize("lease_until", [None, FAR], ids=["none", "far"])
    async def test_a_runner_that_beats_keeps_it_until_it_is_named(
        self, store: Store, options: StoreOptions, lease_until: datetime | None
    ) -> None:
        job_id = await self._processing(store, options, lease_until, runner_id=RUNNER)
        if job_id is None:
            return
        assert await store.reclaim({}, beating=[RUNNER]) == []
        named = await store.overdue([RUNNER])
        assert [(claim.job_id, claim.epoch) for claim in named] == [(job_id, 7)]
        (written,) = await store.reclaim({}, beating=[RUNNER], overdue=named)
        assert (written.job_id, written.epoch) == (job_id, 7)

    async def test_the_longest_possible_lease_is_none_too_long(
        self, store: Store, options: StoreOptions
    ) -> None:
        until = datetime.now(UTC) + timedelta(seconds=options.tables[0].longest_lease - 1)
        if await self._processing(store, options, until, runner_id="away") is None:
            return
        assert (await store.stats())[API].stalled == 0
        assert await store.reclaim({}) == []

    async def test_a_limit_counts_for_what_is_named_too(self, hasty: Store) -> None:
        await self.add(hasty, 3)
        await self.claim(hasty)

        async def all_overdue() -> list[OverdueClaim]:
            claims = await hasty.overdue([RUNNER])
            return claims if len(claims) == 3 else []

        named = await eventually(all_overdue)
        rounds = [len(await hasty.reclaim({}, beating=[RUNNER], overdue=named, limit=2)) for _ in range(3)]
        assert rounds == [2, 1, 0]

    async def _processing(
        self, store: Store, options: StoreOptions, lease_until: datetime | None, **fields: Any
    ) -> str | None:
        """Write a row as in flight, in epoch 7, past the store; None where the database refuses it."""
        row = {"path": "/spookify", "payload": "{}", "status": "processing", "lease_epoch": 7}
        return await self.written(store, options, {**row, "lease_until": lease_until, **fields})
