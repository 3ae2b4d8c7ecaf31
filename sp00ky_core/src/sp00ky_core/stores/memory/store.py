"""Keep jobs in this process's memory, in tables as ``TransactionalStore`` declares them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Any, ClassVar, Self, TypeVar

from sp00ky_core.encoding.json_bytes import decode
from sp00ky_core.errors import RowRefused, StoreClosed, StoreError
from sp00ky_core.hints import shown
from sp00ky_core.job.job import Job, NewJob
from sp00ky_core.ports import StoreCapabilities, StoreOptions
from sp00ky_core.stores.callers import finished
from sp00ky_core.stores.ids import job_id, new_key
from sp00ky_core.stores.memory.table import MemoryTable, in_order, met
from sp00ky_core.stores.rows import UNREAD, entries_of, instant_of, priority_of
from sp00ky_core.stores.transactional import Access, Kind, Session, TransactionalStore, Work
from sp00ky_core.stores.transactional.connection.executor import Executor
from sp00ky_core.stores.transactional.connection.session import NO_LENGTHS, Row, Where
from sp00ky_core.stores.transactional.schema import Table, job_table

__all__ = ["MemoryStore", "MemoryTransaction"]


class Tables:
    """Tables by name, each made when it is asked for first.

    Attributes:
        now: The clock of all of them.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self._tables: dict[str, MemoryTable] = {}

    def __getitem__(self, table: Table) -> MemoryTable:
        stored = self._tables.get(table.name)
        if stored is None:
            stored = self._tables[table.name] = MemoryTable(table)
        return stored


class MemorySession(Session):
    """A transaction: nothing that it awaits ever waits, so that there is but one at a time."""

    blocks = True

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._undo: list[Callable[[], object]] = []

    def roll_back(self, to: int = 0) -> None:
        """Undo what has been done since so many steps."""
        while len(self._undo) > to:
            self._undo.pop()()

    async def now(self) -> datetime:
        """See ``Session.now``."""
        return self._tables.now()

    async def select(
        self,
        table: Table,
        where: Sequence[Where] = (),
        *,
        order: Sequence[str] = (),
        limit: int | None = None,
        columns: Sequence[str] | None = None,
        longest: Mapping[str, int] = NO_LENGTHS,
        lock: bool = False,
    ) -> list[Row]:
        """See ``Session.select``; rows come whole, whatever is asked for."""
        lengths = {**table.longest, **longest}
        return [_readable(row, lengths) for row in self._rows(table, where, order, limit)]

    def _rows(
        self, table: Table, where: Sequence[Where], order: Sequence[str] = (), limit: int | None = None
    ) -> list[Row]:
        return self._tables[table].find(where, order, limit)

    async def count(self, table: Table, where: Sequence[Where] = ()) -> int:
        """See ``Session.count``."""
        return len(self._tables[table].find(where))

    async def insert(self, table: Table, rows: Sequence[Row]) -> None:
        """See ``Session.insert``."""
        for row in rows:
            self._insert(table, self._tables[table].whole(row, self._tables.now()))

    def _insert(self, table: Table, row: Row) -> None:
        key = self._tables[table].key_of(row)
        if key in self._tables[table].rows:
            raise RowRefused(store="memory://", problem=f"{table.name} has a row {key}")
        self._put(table, key, row)

    async def update(self, table: Table, where: Sequence[Where], values: Mapping[str, Any]) -> int:
        """See ``Session.update``."""
        rows = self._tables[table].find(where)
        for row in rows:
            self._put(table, self._tables[table].key_of(row), {**row, **values})
        return len(rows)

    async def delete(self, table: Table, where: Sequence[Where]) -> int:
        """See ``Session.delete``."""
        rows = self._tables[table].find(where)
        for row in rows:
            self._put(table, self._tables[table].key_of(row), None)
        return len(rows)

    async def query(self, text: str, limit: int) -> list[Any]:
        """See ``Session.query``: there is no language to ask in, so it is the rows themselves, as JSON."""
        rows = decode(text)
        if not isinstance(rows, list):
            raise TypeError("memory:// takes the rows as a JSON list instead of a query")
        return rows[:limit]

    def _put(self, table: Table, key: Any, row: Row | None) -> None:
        stored = self._tables[table]
        before = stored.rows.get(key)
        stored.put(key, row)
        self._undo.append(partial(stored.put, key, before))

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """See ``Session.savepoint``."""
        before = len(self._undo)
        try:
            yield
        except BaseException:
            self.roll_back(before)
            raise

    async def columns_of(self, table: Table) -> frozenset[str] | None:
        """See ``Session.columns_of``: nothing is ever missing."""
        return frozenset(table.kinds)

    async def indexes_of(self, table: Table) -> frozenset[str]:
        """See ``Session.indexes_of``."""
        return frozenset(map(table.index_name, table.indexes))


def _readable(row: Row, lengths: Mapping[str, int]) -> Row:
    """Return a row, with ``UNREAD`` for what is longer, in bytes."""
    long = [name for name, longest in lengths.items() if _is_longer(row[name], longest)]
    return {**row, **dict.fromkeys(long, UNREAD)} if long else row


def _is_longer(value: object, longest: int) -> bool:
    if not isinstance(value, str) or 4 * len(value) <= longest:  # no character has more bytes
        return False
    return len(value.encode(errors="surrogatepass")) > longest


class MemoryTransaction(MemorySession):
    """Pass it as ``connection=``: leaving the block commits, leaving it by an exception forgets the jobs.

    While it is open, another ``add`` with a dedup key of its jobs waits for its end, as a unique index makes
    it wait in a database. Made by ``MemoryStore.transaction``.

    Attributes:
        held: Its jobs' tables, by the row's key.
        ended: Set when it has committed or rolled back.
        waits_for: The transaction whose end it waits for.
    """

    def __init__(self, tables: Tables, end: Callable[[MemoryTransaction], None]) -> None:
        super().__init__(tables)
        self.held: dict[str, Table] = {}
        self.ended: asyncio.Event = asyncio.Event()
        self.waits_for: MemoryTransaction | None = None
        self._end = end

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.commit()
        else:
            self.rollback()

    def commit(self) -> None:
        """Make the jobs visible; on a transaction that has ended, nothing."""
        if not self.ended.is_set():
            for key, table in self.held.items():
                self._tables[table].put(key, self._tables[table].let_go(key))
            self.ended.set()
            self._end(self)

    def rollback(self) -> None:
        """Forget the jobs; on a transaction that has ended, nothing."""
        if not self.ended.is_set():
            self.roll_back()
            self.commit()

    async def wait_for(self, other: MemoryTransaction) -> None:
        """Wait for another transaction's end. Raises ``StoreError`` where that one waits for this one."""
        step: MemoryTransaction | None = other
        while step is not None:
            if step is self:
                raise StoreError(
                    store="memory://", problem="two transactions wait for each other's dedup_key"
                )
            step = step.waits_for
        self.waits_for = other
        try:
            await other.ended.wait()
        finally:
            self.waits_for = None

    def keys(self) -> set[tuple[str, str]]:
        """Return the dedup keys of its jobs, each with its table."""
        return {(table.name, self._tables[table].held[key]["dedup_key"]) for key, table in self.held.items()}

    def _rows(
        self, table: Table, where: Sequence[Where], order: Sequence[str] = (), limit: int | None = None
    ) -> list[Row]:
        """Return what others see, and its own jobs."""
        stored = self._tables[table]
        own = [stored.held[key] for key, of in self.held.items() if of is table]
        own = [row for row in own if all(met(row, condition) for condition in where)]
        if not own:
            return super()._rows(table, where, order, limit)
        rows = [*super()._rows(table, where), *own]
        return in_order({stored.key_of(row): row for row in rows}.values(), order, limit)

    def _insert(self, table: Table, row: Row) -> None:
        key = row[table.key[0]]
        self._tables[table].hold(row)
        self.held[key] = table
        self._undo.append(partial(self._let_go, key))

    def _let_go(self, key: str) -> None:
        self._tables[self.held.pop(key)].let_go(key)


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
        return next((transaction for transaction in self._transactions if transaction is connection), None)

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
        keyed = [new_job for new_job in new_jobs if new_job.dedup_key is not None]
        keys = {(self._of_backend(new_job.backend).table, new_job.dedup_key) for new_job in keyed}
        others = (transaction for transaction in self._transactions if transaction is not own)
        return next((transaction for transaction in others if not keys.isdisjoint(transaction.keys())), None)

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
    return not isinstance(connection, MemoryTransaction) and any(hasattr(connection, call) for call in calls)


def _typed(kind: Kind | None, column: str, value: Any) -> Any:
    """Return what a column that may be sorted can hold of a value."""
    if kind is Kind.INSTANT:
        return instant_of(value)
    if column == "priority":
        return priority_of(value)
    if kind is Kind.TEXT and column != "path" and not isinstance(value, str | None):
        return shown(value)
    return value
