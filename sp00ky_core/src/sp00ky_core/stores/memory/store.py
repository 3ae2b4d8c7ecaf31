"""Keep jobs in this process's memory, in tables as ``TransactionalStore`` declares them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, TypeVar

from sp00ky_core.errors import StoreClosed
from sp00ky_core.hints import shown
from sp00ky_core.job.job import Job, NewJob
from sp00ky_core.ports import StoreCapabilities, StoreOptions
from sp00ky_core.stores.callers import finished
from sp00ky_core.stores.ids import job_id, new_key
from sp00ky_core.stores.memory.session import MemorySession, Tables
from sp00ky_core.stores.memory.transaction import MemoryTransaction
from sp00ky_core.stores.rows import entries_of, instant_of, priority_of
from sp00ky_core.stores.transactional import Access, Kind, Session, TransactionalStore, Work
from sp00ky_core.stores.transactional.connection.executor import Executor
from sp00ky_core.stores.transactional.schema.definition import job_table

__all__ = ["MemoryStore", "MemoryTransaction"]

T = TypeVar("T")


def utc_now() -> datetime:
    """Return the time by this host's clock."""
    return datetime.now(UTC)


class AtOnce(Executor):
    """Does work where it is called, for it never waits; an event loop isn't needed."""

    async def do(self, work: Work[T], access: Access, *, claims: bool = False) -> T:
        """See ``Executor.do``."""
        if not self.is_open:
            raise StoreClosed(store="memory://")
        result: T = await self._run(work, access)
        return result


class MemoryStore(TransactionalStore):
    """Jobs in memory, gone with the process; for tests, for trying out, and to measure others against.

    A claim costs the logarithm of the backlog, and nothing for finished rows. It takes calls before ``open``
    too, and keeps its jobs when it is closed.
    """

    capabilities: ClassVar[StoreCapabilities] = StoreCapabilities(
        one_loop=False,
        transactions=True,
        synchronous=True,
        durable=False,
        ordering=True,
        limits=True,
        schedules=True,
        rollups=True,
    )
    executor: ClassVar[type[Executor]] = AtOnce

    def __init__(self, options: StoreOptions, *, now: Callable[[], datetime] = utc_now) -> None:
        super().__init__(options)
        self._rows = Tables(now)
        self._transactions: set[MemoryTransaction] = set()
        self._executor.open()

    @property
    def location(self) -> str:
        """See ``Store.location``."""
        return "memory://"

    async def run(self, work: Work[T], access: Access) -> T:
        """See ``TransactionalStore.run``."""
        session = MemorySession(self._rows)
        try:
            return await work(session)
        except BaseException:
            session.roll_back()
            raise

    async def disconnect(self) -> None:
        """See ``TransactionalStore.disconnect``."""

    def translate(self, error: Exception) -> Exception:
        """See ``TransactionalStore.translate``."""
        return error

    def adopt(self, connection: object, access: Access) -> Session | None:
        """See ``TransactionalStore.adopt``: an open ``transaction`` of this store's, or one that reads."""
        if is_foreign(connection):
            return MemorySession(self._rows)
        return next((each for each in self._transactions if each is connection), None)

    def transaction(self) -> MemoryTransaction:
        """Begin a transaction to be passed as ``connection=``, in an ``async with``."""
        transaction = MemoryTransaction(self._rows, self._ended)
        self._transactions.add(transaction)
        return transaction

    async def add(self, new_jobs: Sequence[NewJob], *, connection: object = None) -> list[Job]:
        """See ``Store.add``; it waits for other transactions that have its dedup keys.

        Into any database's connection it adds at once, and takes nothing back where that is rolled back.
        """
        own = connection = None if is_foreign(connection) else connection
        if not isinstance(own, MemoryTransaction):
            own = MemoryTransaction(self._rows, self._ended)
        while (holder := self._holder(new_jobs, own)) is not None:
            await own.wait_for(holder)
        return await super().add(new_jobs, connection=connection)

    def add_in(self, connection: object, new_jobs: Sequence[NewJob]) -> list[Job]:
        """See ``SynchronousEnqueue.add_in``, and ``add``."""
        jobs: list[Job] = finished(self.add(new_jobs, connection=connection))
        return jobs

    def _holder(self, new_jobs: Sequence[NewJob], own: MemoryTransaction) -> MemoryTransaction | None:
        keyed = [each for each in new_jobs if each.dedup_key is not None]
        keys = {(self._of_backend(each.backend).table, each.dedup_key) for each in keyed}
        others = (each for each in self._transactions if each is not own)
        return next((each for each in others if not keys.isdisjoint(each.keys())), None)

    def _ended(self, transaction: MemoryTransaction) -> None:
        self._transactions.discard(transaction)
        self._notifications.send(work=True)

    def write_row(self, table: str, fields: Mapping[str, Any]) -> str:
        """Write a row as another client might, unchecked: for tests of rows that break the contract.

        Args:
            table: its name.
            fields: columns by name; one that is left out has its default; ``id`` may be a key or an id.

        Returns:
            The row's id.
        """
        stored = job_table(table)
        key = str(fields.get("id") or new_key()).removeprefix(f"{table}:")
        row = {name: _typed(stored.kinds.get(name), name, value) for name, value in fields.items()}
        errors = entries_of(row.get("errors"))
        if errors:
            row = {"last_error_name": errors[-1].name, "last_error_code": errors[-1].code, **row}
        self._rows[stored].put(key, self._rows[stored].whole({**row, "id": key}, self._rows.now()))
        self._notifications.send(work=True)
        return job_id(table, key)


def is_foreign(connection: object) -> bool:
    """Tell whether it is some database's connection, by the calls that every library's has one of."""
    calls = ("cursor", "execute", "query")
    return not isinstance(connection, MemoryTransaction) and any(hasattr(connection, each) for each in calls)


def _typed(kind: Kind | None, column: str, value: Any) -> Any:
    """Return what a column that may be sorted can hold of a value."""
    if kind is Kind.INSTANT:
        return instant_of(value)
    if column == "priority":
        return priority_of(value)
    if kind is Kind.TEXT and column != "path" and not isinstance(value, str | None):
        return shown(value)
    return value
