"""``statement``: an enqueue as text, in a transaction that the caller sends."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from sp00ky_conformance.store.harness import MAIL, StoreHarness, is_close, moment, new_job, where
from sp00ky_core.job.job import Job
from sp00ky_core.ports import JobQuery, Statement, Statements, Store

__all__ = ["StatementConformance"]


class StatementConformance(StoreHarness):
    """``capabilities.statements``: the store gives text and bindings for a transaction of the caller's."""

    def statement(self, store: Store, **fields: Any) -> Statement:
        """Write a statement that enqueues a job."""
        return cast("Statements", store).statement(new_job(**fields))

    async def without_statements(self, store: Store) -> None:
        """Assert that a store which says that it has no statements has none."""
        assert not hasattr(store, "statement")

    async def all_jobs(self, store: Store) -> list[Job]:
        """Find every job of the store."""
        return await store.find(JobQuery(limit=100))

    @where("statements")
    async def test_its_job_is_as_add_would_store_it(self, store: Store) -> None:
        fields: dict[str, Any] = {
            "path": "/a",
            "payload": {"deep": ["x", None, {"y": 1.5}], "quote": "'\"\\; $sp00ky"},
            "assigned_to": "thread:t1",
            "max_retries": 7,
            "retry_strategy": "exponential",
            "timeout": 3.0,
            "dedup_key": "k\u00e9y",
            "traceparent": f"00-{'1' * 32}-{'2' * 16}-01",
            "priority": 2,
            "expires_at": datetime(2100, 1, 1, tzinfo=UTC),
            "ordering_key": "k\u00e9y",
        }
        statement = self.statement(store, **fields)
        await self.transact(store, [statement])
        (job,) = await self.all_jobs(store)
        assert job.id == statement.job_id
        (added,) = await store.add([new_job(**fields | {"dedup_key": "other"})])
        instants = {"created_at", "updated_at", "run_at", "ordering_at"}
        for name in set(Job.__annotations__) - instants - {"id", "dedup_key"}:
            assert getattr(job, name) == getattr(added, name), name
        assert is_close(job.run_at, added.run_at)
        assert [job.id for job in await self.claim(store)] == [job.id]

    @where("statements")
    async def test_defaults_are_those_of_add(self, store: Store) -> None:
        await self.transact(store, [self.statement(store)])
        (job,) = await self.all_jobs(store)
        (added,) = await store.add([new_job()])
        for name in set(Job.__annotations__) - {"id", "created_at", "updated_at", "run_at"}:
            assert getattr(job, name) == getattr(added, name), name

    @where("statements")
    async def test_nothing_is_left_of_what_is_rolled_back(self, store: Store) -> None:
        await self.transact(store, [self.statement(store, dedup_key="k")], roll_back=True)
        assert await self.all_jobs(store) == []
        await self.transact(store, [self.statement(store, dedup_key="k")])
        assert len(await self.all_jobs(store)) == 1

    @where("statements")
    async def test_several_fit_into_one_transaction(self, store: Store) -> None:
        several = [self.statement(store, path=f"/{n}") for n in range(3)]
        several.append(self.statement(store, backend=MAIL, dedup_key="k"))
        await self.transact(store, several)
        jobs = {job.id: job for job in await self.all_jobs(store)}
        assert [jobs[result.job_id].path for result in several[:3]] == ["/0", "/1", "/2"]
        assert jobs[several[3].job_id].backend == MAIL

    @where("statements")
    async def test_a_key_that_is_taken_adds_nothing(self, store: Store) -> None:
        (job,) = await store.add([new_job(dedup_key="k")])
        await self.transact(store, [self.statement(store, dedup_key="k", delay=timedelta(hours=1))])
        assert await self.all_jobs(store) == [job]

    @where("statements")
    async def test_a_key_counts_once_in_a_transaction(self, store: Store) -> None:
        first, second = (self.statement(store, dedup_key="k") for _ in range(2))
        await self.transact(store, [first, second])
        assert [job.id for job in await self.all_jobs(store)] == [first.job_id]

    @where("statements")
    async def test_a_statement_takes_the_key_of_an_ended_job(self, store: Store) -> None:
        statement = self.statement(store, dedup_key="k")
        ended = await self.ended(store, None, dedup_key="k")
        await self.transact(store, [statement])
        assert {job.id for job in await self.all_jobs(store)} == {ended.id, statement.job_id}

    @where("statements")
    async def test_a_statement_with_a_delay_is_due_later(self, store: Store) -> None:
        await self.transact(store, [self.statement(store, delay=timedelta(hours=1))])
        (job,) = await self.all_jobs(store)
        assert is_close(job.run_at, moment(job.created_at) + timedelta(hours=1))
        assert await self.claim(store) == []

    @where("statements")
    async def test_sent_again_it_adds_no_second_job(self, store: Store) -> None:
        statement = self.statement(store)
        await self.transact(store, [statement])
        with pytest.raises(Exception, match="exist"):  # the driver's own, of whatever type
            await self.transact(store, [statement])
        assert [job.id for job in await self.all_jobs(store)] == [statement.job_id]
