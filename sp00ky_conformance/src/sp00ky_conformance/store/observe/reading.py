"""``get``, ``find``, ``stats``, and the store's own life: ``open``, ``close``, ``migrate``, ``check``."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from datetime import timedelta
from itertools import cycle

import attrs
import pytest

from sp00ky_conformance.store.harness import API, MAIL, RUNNER, StoreHarness, failure, moment, new_job, silent
from sp00ky_core.errors import JobNotFound, SchemaError, StoreClosed
from sp00ky_core.job.job import JobStatus
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import LONGEST_LISTED, JobQuery, Store, StoreOptions

__all__ = ["LifeConformance", "ReadingConformance", "StatsConformance"]


class ReadingConformance(StoreHarness):
    """Jobs are found."""

    async def test_an_unknown_job_is_not_found(self, store: Store, options: StoreOptions) -> None:
        table = options.tables[0].table
        key = "0190163d8694739b8c4f4b7d2f1e3c55"
        for job_id in (f"{table}:{key}", f"{table}:", f"{table}:x'y", f"no_table:{key}", table, ":", ""):
            with pytest.raises(JobNotFound):
                await store.get(job_id)

    async def test_each_condition_counts(self, store: Store) -> None:
        ended = await self.ended(store, path="/a", assigned_to="thread:t1")
        (two,) = await self.add(store, path="/b", assigned_to="thread:t1")
        (three,) = await self.add(store, path="/b", backend=MAIL)
        cases = [
            (JobQuery(), {ended.id, two.id, three.id}),
            (JobQuery(ids=(ended.id, three.id, "nowhere:1")), {ended.id, three.id}),
            (JobQuery(ids=()), set()),
            (JobQuery(backend=MAIL), {three.id}),
            (JobQuery(backend="none"), set()),
            (JobQuery(status=JobStatus.SUCCESS), {ended.id}),
            (JobQuery(status=JobStatus.FAILED), set()),
            (JobQuery(path="/b"), {two.id, three.id}),
            (JobQuery(assigned_to="thread:t1"), {ended.id, two.id}),
            (JobQuery(assigned_to="thread:t1", path="/b", status=JobStatus.PENDING), {two.id}),
            (JobQuery(ids=(ended.id, two.id), path="/b"), {two.id}),
        ]
        for query, expected in cases:
            assert {job.id for job in await store.find(query)} == expected, query

    async def test_found_jobs_are_whole(self, store: Store) -> None:
        job = await self.ended(store, Delivered(result={"a": 1}), assigned_to="thread:t1")
        assert await store.find(JobQuery()) == [job]

    async def test_a_list_leaves_out_what_is_long(self, store: Store) -> None:
        fits, long = {"text": "x" * (LONGEST_LISTED - 11)}, {"text": "x" * LONGEST_LISTED}
        first, second = await store.add([new_job(payload=fits), new_job(payload=long)])
        listed = await store.find(JobQuery())
        assert [job.payload for job in listed] == [None, fits]
        assert [job.omitted for job in listed] == [("payload",), ()]
        assert [job.defect for job in listed] == [None, None]
        async with aclosing(store.watch(JobQuery(), history=1)) as changes:
            assert await anext(changes) == listed[0]
        async with aclosing(store.watch(JobQuery(ids=(second.id,)))) as changes:
            whole = await anext(changes)
        assert whole == await store.get(second.id)
        assert (whole.payload, whole.omitted) == (long, ())
        assert {job.id: job.payload for job in await self.claim(store)} == {first.id: fits, second.id: long}

    async def test_the_newest_come_first(self, store: Store) -> None:
        added = [
            (await self.add(store, path="/b", assigned_to="thread:t1", backend=backend))[0].id
            for backend in (API, MAIL, API, API)
        ]
        ids = [job.id for job in await store.find(JobQuery(path="/b", assigned_to="thread:t1"))]
        assert ids == added[::-1]
        (newest,) = await store.find(JobQuery(path="/b", assigned_to="thread:t1", limit=1))
        assert newest.id == added[-1]

    async def test_a_retry_does_not_make_a_job_newer(self, store: Store) -> None:
        older = await self.claimed(store)
        (newer,) = await self.add(store)
        await self.settled(store, older, failure())
        assert [job.id for job in await store.find(JobQuery())] == [newer.id, older.id]

    async def test_pages_hold_every_job_once(self, store: Store) -> None:
        await store.add([new_job(backend=(API, MAIL)[n % 2]) for n in range(13)])
        await self.add(store, 10)
        whole = [job.id for job in await store.find(JobQuery(limit=100))]
        pages: list[list[str]] = []
        while not pages or pages[-1]:
            after = pages[-1][-1] if pages else None
            pages.append([job.id for job in await store.find(JobQuery(limit=5, after=after))])
        assert [len(page) for page in pages] == [5, 5, 5, 5, 3, 0]
        assert [job_id for page in pages for job_id in page] == whole
        assert len(set(whole)) == 23


class StatsConformance(StoreHarness):
    """A queue in numbers."""

    async def test_every_backend_is_there(self, store: Store) -> None:
        stats = await store.stats()
        assert set(stats) == {API, MAIL}
        assert (stats[API].pending, stats[API].due, stats[API].oldest_due_s) == (0, 0, None)
        assert (stats[API].breaker.state, stats[API].breaker.paused_for_s) == ("closed", 0)

    async def test_every_status_is_counted(self, store: Store) -> None:
        await self.ended(store)
        for _ in range(2):
            await self.ended(store, failure(retryable=False))
        await self.add(store, 3)
        await self.claim(store)
        await self.add(store, 4)
        await self.add(store, 1, delay=timedelta(hours=1))
        await self.add(store, 1, backend=MAIL)
        stats = await store.stats()
        api = stats[API]
        assert (api.pending, api.due, api.processing) == (5, 4, 3)
        assert (api.success, api.failed, api.stalled) == (1, 2, 0)
        assert (stats[MAIL].pending, stats[MAIL].success) == (1, 0)

    async def test_a_job_that_changes_hands_is_in_every_count_once(self, store: Store) -> None:
        await self.add(store)
        seen = set()
        async with asyncio.TaskGroup() as group:
            changing = group.create_task(self._change_hands(store, 100))
            for limit in cycle((None, 10)):
                api = (await store.stats(limit=limit))[API]
                seen.add((api.pending, api.processing))
                await asyncio.sleep(0)  # a store in memory lets nothing else run
                if changing.done():
                    break
        assert seen <= {(1, 0), (0, 1)}, "its counts are of different moments"

    async def _change_hands(self, store: Store, times: int) -> None:
        for _ in range(times):
            await self.claim(store)
            await store.release(RUNNER, keep=())

    async def test_numbers_are_exact_up_to_a_limit(self, store: Store) -> None:
        await self.ended(store)
        await self.add(store, 3)
        await self.claim(store, 1)
        await self.add(store, 1, delay=timedelta(hours=1))
        exact, bounded = await store.stats(), await store.stats(limit=10)
        ages = [attrs.evolve(stats[API], oldest_due_s=None) for stats in (exact, bounded)]
        assert ages[0] == ages[1]
        assert bounded[API].oldest_due_s == pytest.approx(exact[API].oldest_due_s, abs=30)
        least = (await store.stats(limit=2))[API]
        assert least.pending >= 2
        assert (least.success, least.processing) == (1, 1)

    async def test_the_oldest_due_is_told(self, store: Store) -> None:
        (job,) = await self.add(store)
        await self.add(store, run_at=moment(job.run_at) - timedelta(seconds=100))
        await self.add(store, delay=timedelta(hours=1))
        assert (await store.stats())[API].oldest_due_s == pytest.approx(100, abs=30)

    async def test_a_job_whose_lease_ran_out_is_stalled(self, hasty: Store) -> None:
        await self.claimed(hasty)
        await self.stalled(hasty)
        assert (await hasty.stats())[API].processing == 1


class LifeConformance(StoreHarness):
    """Opening, migrating and closing may be repeated."""

    async def test_migrate_repeated_does_nothing(self, store: Store) -> None:
        job = await self.ended(store)
        assert await store.migration() == []
        assert await store.migrate() == []
        assert await store.migrate(repair=True) == []
        assert await store.get(job.id) == job

    async def test_a_migrated_store_has_no_findings(self, store: Store) -> None:
        assert await store.check() == []

    async def test_that_nothing_is_migrated_is_one_finding(self, options: StoreOptions) -> None:
        store = self.make_store(options)
        await store.open()
        try:
            with suppress(SchemaError):  # the database itself may be missing
                found = await store.check()
                assert len(found) <= 1  # or there is nothing that could be missing
                assert all(finding.stops_jobs and "sp00ky migrate" in finding.fix for finding in found)
        finally:
            await store.close()

    async def test_open_and_close_may_be_repeated(self, options: StoreOptions) -> None:
        store = self.make_store(options)
        await store.open()
        await store.open()
        await store.migrate()
        await self.claimed(store)
        await store.close()
        await store.close()

    async def test_a_closed_store_opens_again(self, options: StoreOptions) -> None:
        store = self.make_store(options)
        for _ in range(2):
            await store.open()
            await store.migrate()
            await self.ended(store)
            await store.close()

    async def test_a_closed_store_says_so(self, options: StoreOptions) -> None:
        async with self.opened(options) as store:
            (job,) = await self.add(store)
        calls = (store.get(job.id), store.find(JobQuery()), store.stats(), store.claim({API: 1}, "r"))
        for call in calls:
            with pytest.raises(StoreClosed, match="isn't open"):
                await call
        with pytest.raises(StoreClosed):
            await self.add(store)

    async def test_what_was_written_outlives_the_store(self, options: StoreOptions) -> None:
        async with self.opened(options) as store:
            ended = await self.ended(store, Delivered(result={"a": 1}))
            claimed = await store.get((await self.claimed(store)).id)
        async with self.opened(options) as store:
            if not store.capabilities.durable:
                assert await store.find(JobQuery()) == []
                return
            assert await store.get(ended.id) == ended
            assert await store.get(claimed.id) == claimed
            assert [settlement.job_id for settlement in await store.reclaim(silent(RUNNER))] == [claimed.id]

    async def test_its_location_can_be_printed(self, store: Store) -> None:
        assert ":" in store.location
