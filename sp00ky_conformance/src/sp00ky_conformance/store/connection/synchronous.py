"""``add_in``: an enqueue on a caller's blocking connection, in a thread without an event loop."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from typing import Any, TypeVar, cast

import pytest

from sp00ky_conformance.store.harness import MAIL, StoreHarness, new_job, where
from sp00ky_core.errors import JobNotFound, OptionInvalid, Sp00kyError
from sp00ky_core.job.job import Job
from sp00ky_core.ports import JobQuery, Store, SynchronousEnqueue

__all__ = ["SynchronousConformance"]

T = TypeVar("T")


class SynchronousConformance(StoreHarness):
    """``capabilities.synchronous``: ``add_in``, ``get_in`` and ``find_in`` need no event loop."""

    def blocking(self, store: Store) -> AbstractContextManager[object]:
        """Begin a transaction of a caller's blocking connection, committed at the end of the block.

        To be overridden where ``capabilities.synchronous``; a store in memory takes any connection.
        """
        if store.capabilities.durable:
            raise NotImplementedError("override the suite's blocking(), or say synchronous = False")
        return closing(sqlite3.connect(":memory:"))

    async def blocked(self, store: Store, work: Callable[[SynchronousEnqueue, Any], T]) -> T:
        """Do something in a transaction of a blocking connection, in another thread; it is committed."""

        def transact() -> T:
            with self.blocking(store) as connection:
                return work(cast("SynchronousEnqueue", store), connection)

        return await asyncio.to_thread(transact)

    async def without_synchronous(self, store: Store) -> None:
        """Assert that a store which says that it takes no blocking connection takes none."""
        add_in = getattr(store, "add_in", None)
        if add_in is not None:
            with pytest.raises(OptionInvalid, match="connection"):
                add_in(object(), [new_job()])
        assert await store.find(JobQuery()) == []

    @where("synchronous")
    async def test_its_jobs_are_there_when_it_commits(self, store: Store) -> None:
        def enqueue(blocking: SynchronousEnqueue, connection: Any) -> list[Job]:
            added = blocking.add_in(connection, [new_job(priority=1, assigned_to="t:1")])
            added += blocking.add_in(connection, [new_job(), new_job(backend=MAIL)])
            assert {job.id for job in blocking.find_in(connection, JobQuery())} == {job.id for job in added}
            assert len(blocking.find_in(connection, JobQuery(path=(added[0].path, "another")))) == len(added)
            assert blocking.get_in(connection, added[0].id) == added[0]
            with pytest.raises(JobNotFound):
                blocking.get_in(connection, f"{added[0].id}0")
            return added

        added = await self.blocked(store, enqueue)
        assert {job.id: job for job in await store.find(JobQuery())} == {job.id: job for job in added}

    @where("synchronous")
    async def test_it_dedups_against_committed_and_own_jobs_without_a_loop(self, store: Store) -> None:
        (committed,) = await store.add([new_job(dedup_key="k")])

        def enqueue(blocking: SynchronousEnqueue, connection: Any) -> list[Job]:
            added = blocking.add_in(connection, [new_job(dedup_key="k")])
            added += blocking.add_in(connection, [new_job(dedup_key="own"), new_job(dedup_key="own")])
            return added + blocking.add_in(connection, [new_job(dedup_key="own")])

        same, own, again, third = await self.blocked(store, enqueue)
        assert (same.id, again.id, third.id) == (committed.id, own.id, own.id)
        assert len(await store.find(JobQuery())) == 2

    @where("synchronous")
    async def test_its_jobs_go_with_a_rollback_where_they_are_durable(self, store: Store) -> None:
        """In memory there is nothing that could take them back."""

        def enqueue(blocking: SynchronousEnqueue, connection: Any) -> None:
            blocking.add_in(connection, [new_job()])
            blocking.add_in(connection, [new_job(dedup_key="k")])
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await self.blocked(store, enqueue)
        assert bool(await store.find(JobQuery())) is not store.capabilities.durable

    @where("synchronous")
    async def test_a_blocking_batch_is_all_or_none(self, store: Store) -> None:
        def enqueue(blocking: SynchronousEnqueue, connection: Any) -> None:
            with pytest.raises(Sp00kyError):
                blocking.add_in(connection, [new_job(), new_job(backend="none")])

        await self.blocked(store, enqueue)
        assert await store.find(JobQuery()) == []

    @where("synchronous")
    async def test_what_is_no_blocking_connection_is_refused(self, store: Store) -> None:
        blocking = cast("SynchronousEnqueue", store)
        with pytest.raises(OptionInvalid, match="connection"):
            blocking.add_in(object(), [new_job()])
        assert await store.find(JobQuery()) == []
