"""What the tests of a store stand on: tables of their own, a store that is open, and short words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import attrs
import pytest
import pytest_asyncio

from sp00ky_core.ids import new_key
from sp00ky_core.job import Job, NewJob
from sp00ky_core.machine import Event, decide
from sp00ky_core.outcome import Delivered, Undelivered
from sp00ky_core.ports import JobTable, SettleFate, Settlement, Store, StoreOptions
from sp00ky_core.retry import RetryPolicy
from sp00ky_core.statement import Statement
from sp00ky_core.stores.selecting import BEGINNING

__all__ = [
    "StoreHarness",
    "eventually",
    "silent",
    "failure",
    "settlement",
    "is_close",
    "API",
    "MAIL",
    "RUNNER",
]

API, MAIL = "api", "mail"
RUNNER = "runner-1"
T = TypeVar("T")

CLOCK_TOLERANCE = timedelta(seconds=5)
PATIENCE = 10.0
"""Seconds until ``eventually`` gives up; a test that passes never takes as long."""


async def eventually(probe: Callable[[], Awaitable[T]]) -> T:
    """The first result of ``probe`` that is true. Fails after ``PATIENCE``."""
    async with asyncio.timeout(PATIENCE):
        while not (found := await probe()):  # noqa: ASYNC110  # a database sends no event for it
            await asyncio.sleep(0.01)
        return found


def silent(*runners: str) -> dict[str, datetime]:
    """Runners that are held for dead; none of them has ever beaten."""
    return dict.fromkeys(runners, BEGINNING)


def failure(name: str = "http_status", code: int = 500, **fields: Any) -> Undelivered:
    """An attempt that failed."""
    return Undelivered(name=name, code=code, reason="it failed", **fields)


def settlement(job: Job, event: Event, **policy: Any) -> Settlement:
    """What a runner that claimed the job writes after the event; retries are due at once by default."""
    options: dict[str, Any] = {
        "max_retries": job.max_retries,
        "strategy": job.retry_strategy,
        "base": 0.0,
    } | policy
    return Settlement(
        job_id=job.id,
        backend=job.backend,
        epoch=job.lease_epoch,
        transition=decide(job, event, RetryPolicy(**options)),
    )


def is_close(one: datetime | None, other: datetime | None) -> bool:
    """Whether two instants of the database's clock are the same, give or take a slow machine."""
    return one is not None and other is not None and abs(one - other) <= CLOCK_TOLERANCE


class StoreHarness:
    """The part of the suite that an adapter fills in."""

    pytestmark = pytest.mark.asyncio

    def make_store(self, options: StoreOptions) -> Store:
        """A new store, not open yet, for these tables: the one method that an adapter must write.

        ``options.url`` means nothing; ``options.directory`` is an empty folder of this test.
        """
        raise NotImplementedError

    async def write_row(self, store: Store, table: str, fields: Mapping[str, Any]) -> str:
        """Write a row past the store, as another client might; its id. Columns left out have defaults.

        Raises ``RowRefused`` where the database can't hold such a row. Without an override the tests of
        hostile rows are skipped.
        """
        write = getattr(store, "write_row", None)
        if write is None:
            pytest.skip("the suite's write_row() isn't overridden: hostile rows aren't tested")
        return str(write(table, fields))

    def transaction(self, store: Store) -> AbstractAsyncContextManager[object]:
        """A transaction of the caller's, entered to what ``add(connection=...)`` takes."""
        begin = getattr(store, "transaction", None)
        if begin is None:
            pytest.skip("the suite's transaction() isn't overridden: add(connection=...) isn't tested")
        transaction: AbstractAsyncContextManager[object] = begin()
        return transaction

    async def transact(
        self, store: Store, statements: Sequence[Statement], *, roll_back: bool = False
    ) -> None:
        """Send statements in one transaction, as a caller would: past the store. Raises if it fails."""
        pytest.skip("the suite's transact() isn't overridden: statement() isn't tested")

    @pytest.fixture
    def options(self, tmp_path: Path) -> StoreOptions:
        """Two tables of this test's own."""
        suffix = new_key()[-12:]
        return StoreOptions(
            url="conformance://",
            tables=tuple(JobTable(backend=each, table=f"{each}_{suffix}") for each in (API, MAIL)),
            directory=tmp_path,
        )

    @pytest_asyncio.fixture
    async def store(self, options: StoreOptions) -> AsyncIterator[Store]:
        """A store that is open and migrated."""
        async with self.opened(options) as store:
            yield store

    @pytest_asyncio.fixture
    async def hasty(self, options: StoreOptions) -> AsyncIterator[Store]:
        """The same, with leases of 50 ms."""
        async with self.opened(options, timeout=0.05, lease_margin=0.0) as store:
            yield store

    @asynccontextmanager
    async def opened(self, options: StoreOptions, **table: Any) -> AsyncIterator[Store]:
        """A store that is open and migrated, its tables with other settings."""
        store = self.make_store(with_tables(options, **table))
        await store.open()
        try:
            await store.migrate()
            yield store
        finally:
            await store.close()

    async def add(self, store: Store, count: int = 1, /, **fields: Any) -> list[Job]:
        """Enqueue jobs that are alike."""
        return await store.add([new_job(**fields) for _ in range(count)])

    async def claim(self, store: Store, slots: int = 100, /, *, runner: str = RUNNER) -> list[Job]:
        """Claim jobs of the backend ``api``."""
        return await store.claim({API: slots}, runner)

    async def claimed(self, store: Store, /, *, runner: str = RUNNER, **fields: Any) -> Job:
        """Enqueue one job and claim it."""
        (added,) = await self.add(store, **fields)
        (job,) = await store.claim({added.backend: 1}, runner)
        assert job.id == added.id
        return job

    async def settled(self, store: Store, job: Job, event: Event, /, **policy: Any) -> Job:
        """Settle a claimed job; what it is then."""
        (result,) = await store.settle([settlement(job, event, **policy)])
        assert result.fate is SettleFate.SETTLED
        return await store.get(job.id)

    async def ended(self, store: Store, event: Event | None = None, /, **fields: Any) -> Job:
        """A job that has ended: delivered, or by another event."""
        return await self.settled(store, await self.claimed(store, **fields), event or Delivered())


def with_tables(options: StoreOptions, **table: Any) -> StoreOptions:
    """The same options, every table with other settings."""
    tables = tuple(attrs.evolve(each, **table) for each in options.tables)
    return attrs.evolve(options, tables=tables)


def new_job(**fields: Any) -> NewJob:
    """A job of the backend ``api``, unless other fields are given."""
    return NewJob(**{"backend": API, "path": "/spookify", "payload": {"id": 1}, **fields})
