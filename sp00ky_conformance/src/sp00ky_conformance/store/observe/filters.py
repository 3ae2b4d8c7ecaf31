"""Check what operators ask by conditions: ``find``, ``count``, ``clear_matching``; short ids; history."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import attrs

from sp00ky_conformance.store.harness import API, MAIL, StoreHarness, eventually, failure, moment
from sp00ky_conformance.store.observe.signals_and_watch import following
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.ports import JobFilter, JobGroup, JobQuery, Store
from sp00ky_core.stores.transitions import clear, kill

__all__ = ["ClearMatchingConformance", "FilterConformance", "HistoryConformance", "ShortIdConformance"]

BEGINNING, END = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
OCEAN = timezone(timedelta(hours=14))


def query_of(conditions: JobFilter) -> JobQuery:
    """Ask for the jobs that meet the conditions, all of them."""
    return JobQuery(**attrs.asdict(conditions, recurse=False), limit=1_000)


class FilterConformance(StoreHarness):
    """Jobs are found and counted by conditions."""

    async def meeting(self, store: Store, **conditions: Any) -> set[str]:
        """List ids of the jobs that meet the conditions; they are also counted."""
        asked = JobFilter(**conditions)
        ids = {job.id for job in await store.find(query_of(asked))}
        assert await store.count(asked) == len(ids), conditions
        return ids

    async def test_the_last_entry_of_errors_counts(self, store: Store) -> None:
        retried = await self.settled(store, await self.claimed(store, path="/r"), failure(code=503))
        await kill(store, [retried.id])
        timed_out = await self.ended(store, failure("timeout", 0, retryable=False), path="/t")
        refused = await self.ended(store, failure(code=422, retryable=False), path="/c")
        (untried,) = await self.add(store)
        cases: list[tuple[Mapping[str, Any], set[str]]] = [
            ({"error_name": "killed"}, {retried.id}),
            ({"error_name": "http_status"}, {refused.id}),
            ({"code": 0}, {retried.id, timed_out.id}),
            ({"code": 422}, {refused.id}),
            ({"code": 503}, set()),
            ({"error_name": "timeout", "code": 0}, {timed_out.id}),
            ({"error_name": "timeout", "code": 422}, set()),
            ({"error_name": "time%"}, set()),
            ({"error_name": "x'y"}, set()),
            ({"code": 0, "path": "/t", "status": JobStatus.FAILED}, {timed_out.id}),
            ({}, {retried.id, timed_out.id, refused.id, untried.id}),
        ]
        for conditions, expected in cases:
            assert await self.meeting(store, **conditions) == expected, conditions

    async def test_since_is_inclusive_and_until_is_not(self, store: Store) -> None:
        older, newer = await self._of_two_instants(store)
        at, later = moment(older.created_at), moment(newer.created_at)
        assert await self.meeting(store, since=at) == {older.id, newer.id}
        assert await self.meeting(store, since=later) == {newer.id}
        assert await self.meeting(store, until=later) == {older.id}
        assert await self.meeting(store, until=at) == set()
        assert await self.meeting(store, since=at, until=later) == {older.id}
        assert await self.meeting(store, since=later + timedelta(seconds=1)) == set()
        assert await self.meeting(store, since=later, backend=MAIL) == set()

    async def test_each_condition_counts_beside_a_time(self, store: Store) -> None:
        ended = await self.ended(store, assigned_to="user:7", dedup_key="once")
        (waiting,) = await self.add(store, assigned_to="user:8", path="/w")
        for times in ({}, {"since": BEGINNING}, {"until": END}, {"since": BEGINNING, "until": END}):
            assert await self.meeting(store, status=JobStatus.SUCCESS, **times) == {ended.id}
            assert await self.meeting(store, assigned_to="user:8", **times) == {waiting.id}
            assert await self.meeting(store, dedup_key="once", **times) == {ended.id}
            assert await self.meeting(store, path="/w", **times) == {waiting.id}
            assert await self.meeting(store, status=JobStatus.FAILED, **times) == set()

    async def test_an_instant_may_be_in_any_time_zone(self, store: Store) -> None:
        older, newer = await self._of_two_instants(store)
        elsewhere = moment(newer.created_at).astimezone(OCEAN)
        assert await self.meeting(store, since=elsewhere) == {newer.id}
        assert await self.meeting(store, until=elsewhere) == {older.id}

    async def test_what_came_of_a_job_counts_when_it_came_and_no_job_of_another_status(
        self, store: Store
    ) -> None:
        refused = await self.ended(store, failure(retryable=False), path="/f")
        success = await self.ended(store, path="/s")
        await self.settled(store, await self.claimed(store, path="/r"), failure(), base=50)
        claimed = await self.claimed(store, path="/p")
        wanted = {
            "failed": {refused.id: moment(refused.updated_at)},
            "ended": {job.id: moment(job.updated_at) for job in (refused, success)},
            "claimed": {claimed.id: moment((await store.get(claimed.id)).updated_at)},
        }
        for period, instants in wanted.items():
            for at in instants.values():
                since = {job_id for job_id, then in instants.items() if then >= at}
                assert await self.meeting(store, **{f"{period}_since": at}) == since, period
                assert await self.meeting(store, **{f"{period}_until": at}) == instants.keys() - since, period
            first = min(instants.values())
            span = {f"{period}_since": first, f"{period}_until": first + timedelta(hours=1)}
            assert await self.meeting(store, **span) == instants.keys(), period
            assert await self.meeting(store, **span, path="/r") == set(), period
        assert await self.meeting(store, failed_since=moment(refused.updated_at), code=500) == {refused.id}

    async def test_the_jobs_of_a_trace_are_found(self, store: Store) -> None:
        trace, other = "a" * 32, "a" * 31 + "b"
        jobs = [
            (await self.add(store, traceparent=f"00-{of}-{span * 16}-0{span}"))[0]
            for of, span in ((trace, "0"), (trace, "1"), (other, "1"))
        ]
        await self.add(store)
        assert await self.meeting(store, trace=trace) == {job.id for job in jobs[:2]}
        assert await self.meeting(store, trace=jobs[2].traceparent) == {jobs[2].id}
        assert await self.meeting(store, trace="0" * 32) == set()

    async def test_more_jobs_than_a_page_are_counted(self, store: Store) -> None:
        await self.add(store, 60)
        await self.add(store, 3, backend=MAIL)
        assert await store.count(JobFilter()) == 63
        assert await store.count(JobFilter(backend=API)) == 60
        assert await store.count(JobFilter(backend="none")) == 0
        assert await store.count(JobFilter(status=JobStatus.PENDING, backend=MAIL)) == 3

    async def test_jobs_are_counted_by_route_and_by_whom_they_are_assigned_to(self, store: Store) -> None:
        await self.ended(store, path="/a", assigned_to="user:7")
        await self.ended(store, failure(retryable=False), path="/a", assigned_to="user:7")
        await self.claimed(store, path="/b", assigned_to="user:7")
        await self.add(store, 2, path="/a", backend=MAIL, assigned_to="user:8")
        await self.add(store, path="/c")
        assert set(await store.groups("route")) == {
            JobGroup(backend=API, path="/a", success=1, failed=1),
            JobGroup(backend=API, path="/b", processing=1),
            JobGroup(backend=API, path="/c", pending=1),
            JobGroup(backend=MAIL, path="/a", pending=2),
        }
        assigned = await store.groups("assigned")
        assert set(assigned) == {
            JobGroup(backend=API, assigned_to="user:7", success=1, failed=1, processing=1),
            JobGroup(backend=MAIL, assigned_to="user:8", pending=2),
            JobGroup(backend=API, pending=1),
        }
        assert [group.count for group in assigned] == [3, 2, 1]
        assert await store.groups("assigned", limit=1) == assigned[:1]
        only = JobFilter(backend=API, status="pending")
        assert await store.groups("route", conditions=only) == [JobGroup(backend=API, path="/c", pending=1)]
        assert await store.groups("route", conditions=JobFilter(path="/nowhere")) == []

    async def _of_two_instants(self, store: Store) -> tuple[Job, Job]:
        (older,) = await self.add(store)

        async def newer() -> Job | None:
            (job,) = await self.add(store)
            if moment(job.created_at) > moment(older.created_at):
                return job
            await kill(store, [job.id])
            await clear(store, [job.id])
            return None

        job = await eventually(newer)
        assert job is not None
        return older, job


class ClearMatchingConformance(StoreHarness):
    """Jobs that have ended are deleted by conditions."""

    async def left(self, store: Store) -> set[str]:
        """List ids of the jobs that are there."""
        return {job.id for job in await store.find(JobQuery(limit=1_000))}

    async def test_only_ended_jobs_that_match_are_deleted(self, store: Store) -> None:
        await self.ended(store)
        failed = await self.ended(store, failure(retryable=False))
        mail = await self.ended(store, backend=MAIL)
        processing = await self.claimed(store)
        (pending,) = await self.add(store)
        assert await store.clear_matching(JobFilter(status=JobStatus.PENDING)) == 0
        assert await store.clear_matching(JobFilter(path="/nowhere")) == 0
        assert await store.clear_matching(JobFilter(status=JobStatus.SUCCESS, backend=API)) == 1
        assert await self.left(store) == {failed.id, mail.id, processing.id, pending.id}
        ended = moment(failed.updated_at)
        assert await store.clear_matching(JobFilter(failed_until=ended)) == 0
        assert await store.clear_matching(JobFilter(failed_since=ended, code=500)) == 1
        assert await self.left(store) == {mail.id, processing.id, pending.id}
        assert await store.clear_matching(JobFilter()) == 1
        assert await self.left(store) == {processing.id, pending.id}

    async def test_the_newest_of_a_backend_are_deleted_first(self, store: Store) -> None:
        jobs = [await self.ended(store) for _ in range(5)]
        mail = await self.ended(store, backend=MAIL)
        assert await store.clear_matching(JobFilter(backend=API), limit=2) == 2
        assert await self.left(store) == {mail.id, *(job.id for job in jobs[:3])}
        assert await store.clear_matching(JobFilter(backend=API), limit=2) == 2
        assert await self.left(store) == {mail.id, jobs[0].id}
        assert await store.clear_matching(JobFilter(), limit=3) == 2
        assert await store.clear_matching(JobFilter(), limit=3) == 0

    async def test_a_dedup_key_stays_with_the_job_that_holds_it(self, store: Store) -> None:
        await self.ended(store, dedup_key="k")
        (holder,) = await self.add(store, dedup_key="k")
        assert await store.clear_matching(JobFilter()) == 1
        (again,) = await self.add(store, dedup_key="k")
        assert again.id == holder.id


class ShortIdConformance(StoreHarness):
    """Ids are completed from their beginning."""

    async def test_ids_are_found_by_their_beginning(self, store: Store) -> None:
        one, other = await self.add(store, 2)
        (mail,) = await self.add(store, backend=MAIL)
        common = _common(one.id, other.id)
        assert set(await store.ids_starting_with(common)) == {one.id, other.id}
        assert len(await store.ids_starting_with(common, limit=1)) == 1
        assert await store.ids_starting_with(other.id[: len(common) + 1]) == [other.id]
        assert await store.ids_starting_with(one.id) == [one.id]
        assert await store.ids_starting_with(mail.id[:-1]) == [mail.id]

    async def test_what_is_the_beginning_of_none_finds_none(self, store: Store) -> None:
        (job,) = await self.add(store)
        table, _, key = job.id.partition(":")
        beginnings = [
            f"{job.id}0", f"{table}:%", f"{table}:_", f"{table}:{key[:-1]}_", f"{table}:x'y", f"{table}:\\",
            f"{table}:g", f"no_table:{key}", key, "",
        ]  # fmt: skip
        for beginning in beginnings:
            assert await store.ids_starting_with(beginning) == [], beginning


class HistoryConformance(StoreHarness):
    """A watch begins with the latest of what is there, or with what comes."""

    async def test_the_latest_come_first_the_oldest_of_them_before(self, store: Store) -> None:
        jobs = [(await self.add(store, backend=(API, MAIL)[n % 2]))[0] for n in range(5)]
        watch = store.watch(JobQuery(), history=3)
        assert [(await following(watch)).id for _ in range(3)] == [job.id for job in jobs[-3:]]
        await kill(store, [jobs[0].id])
        assert (await following(watch)).id == jobs[0].id
        await watch.aclose()

    async def test_history_counts_only_what_matches(self, store: Store) -> None:
        (wanted,) = await self.add(store, path="/w")
        await self.add(store, 3)
        watch = store.watch(JobQuery(path="/w"), history=1)
        assert (await following(watch)).id == wanted.id
        await watch.aclose()

    async def test_without_history_only_what_comes_is_seen(self, store: Store) -> None:
        old = [job.id for job in await self.add(store, 3)]
        watch = store.watch(JobQuery(), history=0)
        waiting = asyncio.ensure_future(anext(watch))
        new: set[str] = set()

        async def seen() -> bool:  # when the watch begins to look isn't said
            new.update(job.id for job in await self.add(store))
            done, _ = await asyncio.wait([waiting], timeout=0.05)
            return bool(done)

        await eventually(seen)
        assert (await waiting).id in new
        await kill(store, old[:1])
        while (job := await following(watch)).id in new:
            pass
        assert (job.id, job.status) == (old[0], JobStatus.FAILED)
        await watch.aclose()


def _common(one: str, other: str) -> str:
    return next(one[:n] for n in range(len(one)) if one[n] != other[n])
