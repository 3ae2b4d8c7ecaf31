"""``errors``: what goes wrong at the moment, in groups."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sp00ky_conformance.store.harness import MAIL, StoreHarness, eventually, failure, moment
from sp00ky_core.job.outcome import THROTTLED, Delivered, Undelivered
from sp00ky_core.job.state_machine import Deferred, Expired
from sp00ky_core.ports import JobFilter, Store, StoreOptions
from sp00ky_core.stores.transitions import kill, retry

__all__ = ["ErrorGroupConformance"]


class ErrorGroupConformance(StoreHarness):
    """Jobs that have failed, or failed last time, are counted by their last error."""

    async def test_without_errors_there_is_no_group(self, store: Store) -> None:
        await self.ended(store)
        await self.claimed(store)
        await self.add(store)
        assert await store.errors() == []

    async def test_jobs_are_grouped_by_their_last_error(self, store: Store) -> None:
        for _ in range(3):
            await self.ended(store, failure(code=500, retryable=False), path="/a")
        for fields in ({"path": "/b"}, {"path": "/a", "backend": MAIL}):
            await self.ended(store, failure(code=500, retryable=False), **fields)
        await self.ended(store, failure(code=404, retryable=False), path="/a")
        await self.ended(store, failure("timeout", 0, retryable=False), path="/a")
        assert await self._counts(store) == {
            ("api", "/a", "http_status", 500): 3,
            ("api", "/b", "http_status", 500): 1,
            (MAIL, "/a", "http_status", 500): 1,
            ("api", "/a", "http_status", 404): 1,
            ("api", "/a", "timeout", 0): 1,
        }

    async def test_the_last_error_counts_and_no_earlier_one(self, store: Store) -> None:
        job = await self.settled(store, await self.claimed(store, max_retries=1), failure(code=500))
        (again,) = await self.claim(store)
        await self.settled(store, again, failure(code=503))
        assert await self._counts(store) == {("api", job.path, "http_status", 503): 1}

    async def test_what_waits_for_a_retry_is_counted(self, store: Store) -> None:
        await self.settled(store, await self.claimed(store), failure(code=500), base=50)
        throttled = Undelivered(name=THROTTLED, code=429, reason="slow down")
        await self.settled(store, await self.claimed(store), Deferred(delay=50.0, outcome=throttled))
        counts = await self._counts(store)
        assert {key[2:]: count for key, count in counts.items()} == {
            ("http_status", 500): 1,
            (THROTTLED, 429): 1,
        }

    async def test_what_is_being_tried_again_is_not(self, store: Store) -> None:
        await self.settled(store, await self.claimed(store), failure())
        await self.claim(store)
        assert await store.errors() == []

    async def test_what_operators_and_time_ended_is_counted(self, store: Store) -> None:
        (pending,) = await self.add(store)
        await kill(store, [pending.id])
        await self.ended(store, Expired())
        counts = await self._counts(store)
        assert {key[2:]: count for key, count in counts.items()} == {("killed", 0): 1, ("expired", 0): 1}

    async def test_a_group_has_an_example_and_its_instants(self, store: Store) -> None:
        jobs = [await self.ended(store, failure(retryable=False)) for _ in range(4)]
        (group,) = await store.errors()
        assert (group.first, group.last) == (moment(jobs[0].updated_at), moment(jobs[-1].updated_at))
        example = next(job for job in jobs if job.id == group.example)
        assert example.updated_at == group.last

    async def test_only_what_changed_since_counts(self, store: Store) -> None:
        jobs = [await self.ended(store, failure(retryable=False)) for _ in range(4)]
        since = moment(jobs[2].updated_at)
        expected = [job for job in jobs if moment(job.updated_at) >= since]
        (group,) = await store.errors(since=since)
        assert (group.count, group.first) == (len(expected), since)
        assert (await store.errors(since=datetime(2020, 1, 1, tzinfo=UTC)))[0].count == 4
        assert await store.errors(since=moment(jobs[-1].updated_at) + timedelta(hours=1)) == []

    async def test_the_largest_groups_come_first(self, store: Store) -> None:
        for code, count in ((500, 1), (502, 3), (503, 2)):
            for _ in range(count):
                await self.ended(store, failure(code=code, retryable=False))
        assert [(group.code, group.count) for group in await store.errors()] == [(502, 3), (503, 2), (500, 1)]
        assert [group.code for group in await store.errors(limit=2)] == [502, 503]

    async def test_groups_of_all_backends_share_a_limit(self, store: Store) -> None:
        for backend, count in (("api", 2), (MAIL, 3)):
            for _ in range(count):
                await self.ended(store, failure(retryable=False), backend=backend)
        await self.ended(store, failure(code=400, retryable=False))
        assert [(group.backend, group.count) for group in await store.errors(limit=2)] == [
            (MAIL, 3),
            ("api", 2),
        ]

    async def test_only_jobs_that_meet_conditions_are_counted(self, store: Store) -> None:
        first, later = [await self.ended(store, failure(retryable=False), path=path) for path in ("/a", "/b")]
        await self.settled(store, await self.claimed(store, path="/a"), failure(), base=50)
        for conditions, counts in (
            (JobFilter(failed_since=moment(first.updated_at)), {"/a": 1, "/b": 1}),
            (JobFilter(failed_since=moment(first.updated_at), path="/b"), {"/b": 1}),
            (JobFilter(status="pending"), {"/a": 1}),
            (JobFilter(failed_since=moment(later.updated_at) + timedelta(hours=1)), {}),
            (JobFilter(backend=MAIL), {}),
            (JobFilter(code=500, error_name="http_status"), {"/a": 2, "/b": 1}),
        ):
            groups = await store.errors(conditions=conditions)
            assert {group.path: group.count for group in groups} == counts, conditions

    async def test_jobs_are_grouped_by_whom_they_are_assigned_to(self, store: Store) -> None:
        for number, path in ((7, "/a"), (7, "/b"), (8, "/a")):
            await self.ended(store, failure(retryable=False), path=path, assigned_to=f"user:{number}")
        await self.ended(store, failure(retryable=False))
        groups = await store.errors(by="assigned")
        assert {(group.assigned_to, group.path, group.count) for group in groups} == {
            ("user:7", "", 2),
            ("user:8", "", 1),
            (None, "", 1),
        }
        assert [group.assigned_to for group in await store.errors(by="assigned", limit=1)] == ["user:7"]

    async def test_rows_of_other_clients_cost_no_group(self, store: Store, options: StoreOptions) -> None:
        for errors in ("[]", '[{"name": 5, "code": "x"}]', '{"a": 1}'):
            fields = {"path": "/odd", "payload": "{}", "status": "failed", "errors": errors}
            await self.written(store, options, fields)
        job = await self.ended(store, failure(retryable=False))
        groups = [group for group in await store.errors() if group.path != "/odd"]
        assert [(group.example, group.count) for group in groups] == [(job.id, 1)]

    async def test_what_was_retried_and_delivered_is_no_error(self, store: Store) -> None:
        job = await self.ended(store, failure(retryable=False))
        await retry(store, [job.id])
        (again,) = await eventually(lambda: self.claim(store))
        assert (await self.settled(store, again, Delivered())).errors == job.errors
        assert await store.errors() == []

    async def _counts(self, store: Store) -> dict[tuple[Any, ...], int]:
        return {
            (group.backend, group.path, group.name, group.code): group.count for group in await store.errors()
        }
