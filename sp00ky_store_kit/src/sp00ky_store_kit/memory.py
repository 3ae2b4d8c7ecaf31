"""Keep jobs in this process's memory: the reference store, on a database of SQLite's without a file."""

from __future__ import annotations

import asyncio
import sqlite3
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import RLock
from types import TracebackType
from typing import Any, ClassVar, Self, TypeVar, cast

from sp00ky_core.encoding.json_bytes import decode
from sp00ky_core.error_texts import shown
from sp00ky_core.errors import RowRefused, StoreClosed, StoreError
from sp00ky_core.job.job import Job, NewJob
from sp00ky_core.plugins.hookspecs import hookimpl
from sp00ky_core.ports import StoreCapabilities, StoreFactory, StoreOptions
from sp00ky_core.stores.ids import job_id, new_key
from sp00ky_core.stores.rows import entries_of, instant_of, payload_text, priority_of
from sp00ky_core.stores.without_waiting import finished
from sp00ky_store_kit import (
    Access,
    BlockingSession,
    Column,
    Default,
    Is,
    Kind,
    Row,
    Session,
    Table,
    TransactionalStore,
    Work,
)
from sp00ky_store_kit.connection.lanes import Executor
from sp00ky_store_kit.schema import job_table

__all__ = ["MemorySession", "MemoryStore", "MemoryTransaction", "SqliteDialect"]

T = TypeVar("T")

EPOCH: datetime = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: timedelta = timedelta(microseconds=1)


def to_microseconds(instant: datetime) -> int:
    """Encode an instant: microseconds since 1970, which sort as instants do."""
    return (instant - EPOCH) // MICROSECOND


def from_microseconds(value: Any) -> Any:
    """Decode an instant; what another client has written otherwise stays as it is."""
    try:
        return EPOCH + timedelta(microseconds=value)
    except (TypeError, ValueError, OverflowError):
        return value


class SqliteDialect(BlockingSession):
    """A session on a ``sqlite3.Connection``: SQLite's types, and what is in its catalogue."""

    undoes_statements = True
    by_key = ' INDEXED BY "sqlite_autoindex_{}_1"'  # it would take the index of statuses, and all of one
    column_names = "SELECT name FROM pragma_table_info(?)"
    index_names = "SELECT name FROM pragma_index_list(?)"
    if sqlite3.sqlite_version_info < (3, 43):  # it has no octet_length yet
        bytes_of = "length(CAST({} AS BLOB))"
    types: ClassVar[Mapping[Kind, str]] = {
        Kind.TEXT: "TEXT",
        Kind.INTEGER: "INTEGER",
        Kind.REAL: "REAL",
        Kind.JSON: "TEXT",
        Kind.INSTANT: "INTEGER",
    }
    defaults: ClassVar[Mapping[Default, str]] = {
        Default.KEY: "(lower(hex(randomblob(16))))",
        Default.NOW: "(CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER))",
    }
    encoders: ClassVar[Mapping[Kind, Callable[[Any], Any]]] = {Kind.INSTANT: to_microseconds}
    decoders: ClassVar[Mapping[Kind, Callable[[Any], Any]]] = {Kind.INSTANT: from_microseconds}

    def type_of(self, column: Column) -> str:
        """See ``SqlSession.type_of``: a key is text, while any other column may hold anything, on SQLite."""
        text = super().type_of(column)
        return f"{text} CHECK (typeof({column.name}) = 'text')" if column.default is Default.KEY else text

    async def now(self) -> datetime:
        """Read this machine's clock, which is that of every process that can open the database."""
        return datetime.now(UTC)


class MemorySession(SqliteDialect):
    """Does a transaction: nothing that it awaits ever waits, so that there is but one at a time."""

    ends = "COMMIT"

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store.connection, translated)
        self._store = store

    async def do(self, work: Work[T]) -> T:
        """Do work in a transaction; what it raises undoes it."""
        with self._store.lock:
            self.connection.execute("BEGIN")
            end = "ROLLBACK"
            try:
                result = await work(self)
                end = self.ends
            finally:
                self.connection.execute(end)
            return result

    async def now(self) -> datetime:
        """See ``Session.now``."""
        return self._store.now()

    async def query(self, text: str, limit: int) -> list[Any]:
        """See ``Session.query``: nothing is asked here, so it is the rows themselves, as JSON."""
        rows = decode(text)
        if not isinstance(rows, list):
            raise TypeError("memory:// takes the rows as a JSON list instead of a query")
        return rows[:limit]


def translated(error: Exception) -> Exception:
    """Tell a refused row from a fault."""
    refused = isinstance(error, sqlite3.IntegrityError | UnicodeEncodeError | OverflowError)
    return RowRefused(store="memory://", problem=str(error)) if refused else error


class MemoryTransaction(MemorySession):
    """Pass it as ``connection=``: leaving the block commits, leaving it by an exception forgets the jobs.

    While it is open, another ``add`` with a dedup key of its jobs waits for its end, as a unique index makes
    it wait in a database. Made by ``MemoryStore.transaction``. There is one connection: until it commits, its
    jobs are inserted for each of its calls, and taken out again.

    Attributes:
        held: Its jobs' rows, each with its table.
        ended: Set when it has committed or rolled back.
        waits_for: The transaction whose end it waits for.
    """

    ends = "ROLLBACK"

    def __init__(self, store: MemoryStore, end: Callable[[MemoryTransaction], None]) -> None:
        super().__init__(store)
        self.held: list[tuple[Table, Row]] = []
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
        """Make the jobs visible; on a transaction that has ended, nothing.

        Raises:
            RowRefused: Another client has taken a dedup key of theirs meanwhile; none is there.
        """
        if not self.ended.is_set():
            try:
                finished(MemorySession(self._store).do(self._write))
            finally:
                self.ended.set()
                self._end(self)

    def rollback(self) -> None:
        """Forget the jobs; on a transaction that has ended, nothing."""
        self.held.clear()
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
        return {(table.name, row["dedup_key"]) for table, row in self.held if row.get("dedup_key")}

    async def do(self, work: Work[T]) -> T:
        """Do work where its own jobs are, too."""
        return await super().do(partial(self._beside, work=work))

    async def _beside(self, session: Session, work: Work[T]) -> T:
        await self._write(session)
        with self._kept():
            return await work(session)

    async def _write(self, session: Session) -> None:
        for table, row in self.held:
            await MemorySession.insert(cast("MemorySession", session), table, [row])

    async def insert(self, table: Table, rows: Sequence[Row]) -> None:
        """See ``Session.insert``."""
        await super().insert(table, rows)
        self.held += [(table, row) for row in rows]

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """See ``Session.savepoint``."""
        with self._kept():
            async with super().savepoint():
                yield

    @contextmanager
    def _kept(self) -> Iterator[None]:
        """Forget the rows of a block that raises."""
        before = len(self.held)
        try:
            yield
        except BaseException:
            del self.held[before:]
            raise


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

    def within(self, session: Session, work: Work[T]) -> Coroutine[Any, Any, T]:
        """See ``Executor.within``."""
        return cast("MemorySession", session).do(work)


class MemoryStore(TransactionalStore):
    """Jobs in memory, gone with the process; for tests, for trying out, and to measure others against.

    A claim costs the logarithm of the backlog, and nothing for finished rows. It takes calls before ``open``
    too, and keeps its jobs when it is closed.

    Attributes:
        connection: Its database's.
        lock: Held in each transaction.
        now: Its clock.
    """

    capabilities: ClassVar[StoreCapabilities] = StoreCapabilities(
        one_loop=False,
        transactions=True,
        synchronous=True,
        durable=False,
    )
    executor: ClassVar[type[Executor]] = AtOnce

    def __init__(self, options: StoreOptions, *, now: Callable[[], datetime] = utc_now) -> None:
        super().__init__(options)
        self.now = now
        self.lock: AbstractContextManager[Any] = RLock()
        self.connection: sqlite3.Connection = sqlite3.connect(
            ":memory:", isolation_level=None, check_same_thread=False
        )
        weakref.finalize(self, self.connection.close)
        self._transactions: set[MemoryTransaction] = set()
        session = MemorySession(self)
        for table in self.declared:
            for part in (None, *table.indexes):
                self.connection.execute(session.definition(table, part))
        self._executor.open()

    @property
    def location(self) -> str:
        """See ``Store.location``."""
        return "memory://"

    async def run(self, work: Work[T], access: Access) -> T:
        """See ``TransactionalStore.run``."""
        return await MemorySession(self).do(work)

    async def disconnect(self) -> None:
        """See ``TransactionalStore.disconnect``."""

    def translate(self, error: Exception) -> Exception:
        """See ``TransactionalStore.translate``."""
        return error

    def adopt(self, connection: object, access: Access) -> Session | None:
        """See ``TransactionalStore.adopt``: an open ``transaction`` of this store's, or one that reads."""
        if is_foreign(connection):
            return MemorySession(self)
        return next((transaction for transaction in self._transactions if transaction is connection), None)

    def transaction(self) -> MemoryTransaction:
        """Begin a transaction to be passed as ``connection=``, in an ``async with``."""
        transaction = MemoryTransaction(self, self._ended)
        self._transactions.add(transaction)
        return transaction

    async def add(self, new_jobs: Sequence[NewJob], *, connection: object = None) -> list[Job]:
        """See ``Store.add``; it waits for other transactions that have its dedup keys.

        Into any database's connection it adds at once, and takes nothing back where that is rolled back.
        """
        own = connection = None if is_foreign(connection) else connection
        if not isinstance(own, MemoryTransaction):
            own = MemoryTransaction(self, self._ended)
        while (holder := self._holder(new_jobs, own)) is not None:
            await own.wait_for(holder)
        return await super().add(new_jobs, connection=connection)

    def add_in(self, connection: object, new_jobs: Sequence[NewJob]) -> list[Job]:
        """See ``SynchronousEnqueue.add_in``, and ``add``."""
        return finished(self.add(new_jobs, connection=connection))

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
        row = {
            name: _typed(stored.kinds[name], name, fields[name]) for name in stored.kinds if name in fields
        }
        dated = [column.name for column in stored.columns if column.default is Default.NOW]
        row = {**dict.fromkeys(dated, self.now()), **row, "id": key}
        if errors := entries_of(row.get("errors")):
            row = {"last_error_name": errors[-1].name, "last_error_code": errors[-1].code, **row}

        async def replace(session: Session) -> None:
            await session.delete(stored, [Is("id", "=", key)])
            await session.insert(stored, [row])

        finished(MemorySession(self).do(replace))
        self._notifications.send(work=True)
        return job_id(table, key)


def is_foreign(connection: object) -> bool:
    """Tell whether it is some database's connection, by the calls that every library's has one of."""
    calls = ("cursor", "execute", "query")
    return not isinstance(connection, MemoryTransaction) and any(hasattr(connection, call) for call in calls)


def _typed(kind: Kind, column: str, value: Any) -> Any:
    """Return what a column can hold of a value."""
    if kind is Kind.INSTANT:
        return instant_of(value)
    if column == "priority":
        return priority_of(value)
    if kind is Kind.JSON and not isinstance(value, str | None):
        return payload_text(value).decode()
    if isinstance(value, str | bytes | int | float | None) and (kind is not Kind.TEXT or column == "path"):
        return value
    return value if isinstance(value, str | None) else shown(value)


@hookimpl
def sp00ky_register_stores() -> Mapping[str, StoreFactory]:
    """Register ``memory://``."""
    return {"memory": MemoryStore}
