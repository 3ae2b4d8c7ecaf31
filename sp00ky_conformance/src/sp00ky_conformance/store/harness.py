"""Give each test of a store tables of its own, a store that is open, and short words."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import attrs
import pytest
import pytest_asyncio

from sp00ky_core.errors import OptionInvalid, RowRefused
from sp00ky_core.job.job import Job, NewJob
from sp00ky_core.job.outcome import Delivered, Undelivered
from sp00ky_core.job.retry import RetryPolicy
from sp00ky_core.job.state_machine import Event, decide
from sp00ky_core.ports import (
    FLAGS,
    JobQuery,
    JobTable,
    SettleFate,
    Settlement,
    Statement,
    Store,
    StoreOptions,
)
from sp00ky_core.stores.decisions import BEGINNING
from sp00ky_core.stores.ids import new_key

__all__ = [
    "API",
    "MAIL",
    "RUNNER",
    "StoreHarness",
    "eventually",
    "failure",
    "is_close",
    "lacks",
    "moment",
    "needs",
    "settlement",
    "silent",
    "where",
]

API, MAIL = "api", "mail"
RUNNER = "runner-1"
T = TypeVar("T")

CLOCK_TOLERANCE = timedelta(seconds=20)  # less than a lease margin
PATIENCE = 60.0
"""Seconds until ``eventually`` gives up; a test that passes never takes as long."""

WHILE = 0.3
"""Seconds for which something that must wait is watched waiting."""


async def eventually(probe: Callable[[], Awaitable[T]]) -> T:
    """Wait for the first result of ``probe`` that is true. Fails after ``PATIENCE``."""
    async with asyncio.timeout(PATIENCE):
        while not (value := await probe()):  # noqa: ASYNC110  # a database sends no event for it
            await asyncio.sleep(0.01)
        return value


def silent(*runners: str) -> dict[str, datetime]:
    """Name runners that are declared dead; none of them has ever beaten."""
    return dict.fromkeys(runners, BEGINNING)


Test = Callable[..., Awaitable[None]]


def where(flag: str) -> Callable[[Test], Test]:
    """Run a test where the store's capabilities have the flag.

    Else ``without_<flag>`` tests that it is so; where there is none, the store must not have its calls.
    """

    def decorate(test: Test) -> Test:
        @functools.wraps(test)
        async def either(self: Any, **fixtures: Any) -> None:
            opened = (fixture for fixture in fixtures.values() if hasattr(fixture, "capabilities"))
            options = (fixture for fixture in fixtures.values() if isinstance(fixture, StoreOptions))
            store = next(opened, None) or self.make_store(next(options))
            if getattr(store.capabilities, flag):
                await test(self, **fixtures)
            elif hasattr(self, f"without_{flag}"):
                await getattr(self, f"without_{flag}")(store)
            else:
                assert _calls_of(flag, store) == [], f"capabilities.{flag} = False isn't so"

        return either

    return decorate


def _calls_of(flag: str, store: Store) -> list[str]:
    """List the calls of an ability that a store has."""
    abilities = (ability for ability, name in FLAGS.items() if name == flag)
    names = (name for ability in abilities for name in vars(ability) if not name.startswith("_"))
    return [name for name in names if hasattr(store, name)]


def needs(method: str) -> Callable[[Test], Test]:
    """Collect a test only where the adapter's class overrides a method of the harness."""

    def decorate(test: Test) -> Test:
        test.needs = method  # type: ignore[attr-defined]  # read by ``lacks``
        return test

    return decorate


def lacks(cls: type[object] | None, test: object) -> str | None:
    """Return the method that a test of a class ``needs`` and the class doesn't override."""
    method = getattr(test, "needs", None)
    bases = [base for base in getattr(cls, "__mro__", ()) if method in vars(base)]
    return str(method) if len(bases) == 1 else None


def failure(name: str = "http_status", code: int = 500, **fields: Any) -> Undelivered:
    """Build an attempt that failed."""
    return Undelivered(name=name, code=code, reason="it failed", **fields)


def settlement(job: Job, event: Event, **policy: Any) -> Settlement:
    """Make what a runner that claimed the job writes after the event; retries are due at once by default."""
    options: dict[str, Any] = {
        "max_retries": job.max_retries,
        "strategy": job.retry_strategy,
        "base": 0.0,
    } | policy
    return Settlement(
        job_id=job.id,
        backend=job.backend,
        epoch=job.lease_epoch,
        runner_id=job.runner_id,
        transition=decide(job, event, RetryPolicy(**options)),
    )


def moment(instant: datetime | None) -> datetime:
    """Return an instant that must be there."""
    assert instant is not None
    return instant


def is_close(one: datetime | None, other: datetime | None) -> bool:
    """Whether two instants of the database's clock are the same, give or take a slow machine."""
    return one is not None and other is not None and abs(one - other) <= CLOCK_TOLERANCE


class StoreHarness:
    """The part of the suite that an adapter fills in.

    Attributes:
        is_migrated: The tables are there already, and have no rows.
    """

    pytestmark: pytest.MarkDecorator = pytest.mark.asyncio
    is_migrated: bool = False

    def make_store(self, options: StoreOptions) -> Store:
        """Make a store, not open yet, for these tables: the one method that an adapter must write.

        ``options.url`` means nothing; ``options.directory`` is an empty folder of this test.
        """
        raise NotImplementedError

    async def write_row(self, store: Store, table: str, fields: Mapping[str, Any]) -> str:
        """Write a row past the store, as another client might; its id. Columns left out have defaults.

        Raises ``RowRefused`` where the database can't hold such a row. To be overridden where
        ``capabilities.holds_any_row``.
        """
        write = getattr(store, "write_row", None)
        if write is not None:
            return str(write(table, fields))
        if store.capabilities.holds_any_row:
            raise NotImplementedError("override the suite's write_row(), or say holds_any_row = False")
        raise RowRefused(store=store.location, problem="it says holds_any_row = False")

    async def written(self, store: Store, options: StoreOptions, fields: Mapping[str, Any]) -> str | None:
        """Write a row past the store; None where the database refuses it, which leaves nothing of it."""
        try:
            job_id = await self.write_row(store, options.tables[0].table, fields)
        except RowRefused:
            assert await store.find(JobQuery()) == []
            return None
        assert store.capabilities.holds_any_row, "the database has taken the row"
        return job_id

    def transaction(self, store: Store) -> AbstractAsyncContextManager[object]:
        """Begin a transaction of the caller's, entered to what ``add(connection=...)`` takes.

        To be overridden where ``capabilities.transactions``.
        """
        begin = getattr(store, "transaction", None)
        if begin is None:
            raise NotImplementedError("override the suite's transaction(), or say transactions = False")
        transaction: AbstractAsyncContextManager[object] = begin()
        return transaction

    async def transact(
        self, store: Store, statements: Sequence[Statement], *, roll_back: bool = False
    ) -> None:
        """Send statements in one transaction, as a caller would: past the store. Raises if it fails.

        To be overridden where ``capabilities.statements``.
        """
        raise NotImplementedError("override the suite's transact(), or say statements = False")

    async def refuse(self, store: Store, table: str, what: str) -> None:
        """Have the database refuse rows whose path is ``REFUSED``, by a constraint, an ASSERT, a trigger.

        Args:
            store: The store.
            table: The table's name.
            what: ``insert``: such a row; ``result``: a result that isn't NULL in it; ``update``: any change.
        """
        raise NotImplementedError("override the suite's refuse(): its tests need it")

    async def sever(self, store: Store) -> None:
        """Cut every connection that the store has now, as a restart of the database does."""
        raise NotImplementedError("override the suite's sever(): its tests need it")

    async def backdate_beat(self, store: Store, runner_id: str, seconds: float) -> None:
        """Make a runner's last beat look as long ago, past the store."""
        raise NotImplementedError("override the suite's backdate_beat(): its tests need it")

    async def backdate_audit(self, store: Store, entry_id: str, seconds: float) -> None:
        """Make an audit entry look as long ago, past the store."""
        raise NotImplementedError("override the suite's backdate_audit(): its tests need it")

    async def change_row(self, store: Store, job_id: str, fields: Mapping[str, Any]) -> None:
        """Change columns of a job's row, whatever it is, past the store, as a client with the right may."""
        raise NotImplementedError("override the suite's change_row(): its tests need it")

    async def delete_row(self, store: Store, job_id: str) -> None:
        """Delete a job's row, whatever it is, past the store, as its owner may."""
        raise NotImplementedError("override the suite's delete_row(): its tests need it")

    async def drop_indexes(self, store: Store, table: str) -> None:
        """Drop what ``migrate`` makes anew: the indexes of a job table, but for its key's."""
        raise NotImplementedError("override the suite's drop_indexes(): its tests need it")

    async def without_transactions(self, store: Store) -> None:
        """Assert that a store which says that it joins no transactions refuses them."""
        async with self._any_connection(store) as connection:
            with pytest.raises(OptionInvalid, match="connection"):
                await store.add([new_job()], connection=connection)
        assert await store.find(JobQuery()) == []

    @asynccontextmanager
    async def _any_connection(self, store: Store) -> AsyncIterator[object]:
        try:
            transaction = self.transaction(store)
        except NotImplementedError:
            yield object()
            return
        async with transaction as connection:
            yield connection

    def query_of(self, store: Store, table: str, what: str) -> str:
        """Return a query, in the store's language.

        Args:
            store: The store.
            table: The name of a job table, in which rows with the paths ``/a`` and ``/b`` are.
            what: ``rows``: their fields ``path`` and ``max_retries``, by path; ``write``: one that would
                delete the rows, as a query that returns them where the language has such a thing;
                ``wrong``: one that the database can't parse; ``slow``: one that would take minutes.
                ``CallUnsupported`` where there is none of a kind.
        """
        raise NotImplementedError("override the suite's query_of(): its tests need it")

    @pytest.fixture
    def options(self, tmp_path: Path) -> StoreOptions:
        """Return two tables of this test's own."""
        suffix = new_key()[-12:]
        return StoreOptions(
            url="conformance://",
            tables=tuple(JobTable(backend=backend, table=f"{backend}_{suffix}") for backend in (API, MAIL)),
            directory=tmp_path,
        )

    @pytest_asyncio.fixture
    async def store(self, options: StoreOptions) -> AsyncIterator[Store]:
        """Yield a store that is open and migrated."""
        async with self.opened(options) as store:
            yield store

    @pytest_asyncio.fixture
    async def hasty(self, options: StoreOptions) -> AsyncIterator[Store]:
        """Yield the same, with leases of 50 ms."""
        async with self.opened(options, timeout=0.05, lease_margin=0.0) as store:
            yield store

    @asynccontextmanager
    async def opened(self, options: StoreOptions, **table: Any) -> AsyncIterator[Store]:
        """Yield a store that is open and migrated, its tables with other settings."""
        store = self.make_store(with_tables(options, **table))
        await store.open()
        try:
            if not self.is_migrated:
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
        """Make a job that has ended: delivered, or by another event."""
        return await self.settled(store, await self.claimed(store, **fields), event or Delivered())

    async def stalled(self, store: Store) -> None:
        """Wait until the lease of a job of ``api`` is over, which only the numbers say."""

        async def is_over() -> bool:
            return (await store.stats())[API].stalled == 1

        await eventually(is_over)


def with_tables(options: StoreOptions, **table: Any) -> StoreOptions:
    """Return the same options, every table with other settings."""
    tables = tuple(attrs.evolve(job_table, **table) for job_table in options.tables)
    return attrs.evolve(options, tables=tables)


def new_job(**fields: Any) -> NewJob:
    """Build a job of the backend ``api``, unless other fields are given."""
    return NewJob(**{"backend": API, "path": "/spookify", "payload": {"id": 1}, **fields})
