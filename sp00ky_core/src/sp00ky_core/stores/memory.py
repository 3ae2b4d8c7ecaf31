"""Keep jobs in this process's memory: the reference store."""

from __future__ import annotations

import asyncio
import operator
from bisect import bisect_left, insort
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cache, partial
from itertools import islice, product
from operator import itemgetter
from types import TracebackType
from typing import Any, ClassVar, Self, TypeVar, Unpack

import attrs

from sp00ky_core.encoding.json_bytes import decode
from sp00ky_core.errors import RowRefused, StoreClosed, StoreError
from sp00ky_core.hints import shown
from sp00ky_core.job.job import Job, NewJob
from sp00ky_core.plugins.hookspecs import hookimpl
from sp00ky_core.ports import StoreCapabilities, StoreFactory, StoreOptions
from sp00ky_core.stores.callers import finished
from sp00ky_core.stores.ids import job_id, new_key
from sp00ky_core.stores.rows import UNREAD, entries_of, instant_of, priority_of
from sp00ky_core.stores.transactional import (
    Access,
    Default,
    Index,
    Is,
    Kind,
    ReadOptions,
    Row,
    Session,
    Table,
    TransactionalStore,
    Where,
    Work,
    in_order,
    met,
)
from sp00ky_core.stores.transactional.connection.lanes import Executor
from sp00ky_core.stores.transactional.schema import job_table

__all__ = ["MemoryStore", "MemoryTransaction"]


Entry = tuple[Any, ...]
"""The values of a row's columns, each after whether there is one; NULL comes before every value."""

END = (2,)
"""After every value of a column."""


class SortedIndex:
    """Keeps an index: an entry a row, in a sorted list.

    Attributes:
        columns: The index's, and the table's key, so that every entry is another.
        where: Of the rows that it holds.
        is_unique: It holds each value once.
        entries: In order; each holds its row's key.
    """

    def __init__(self, table: Table, index: Index) -> None:
        self.columns: tuple[str, ...] = tuple(dict.fromkeys((*index.columns, *table.key)))
        self.where: Sequence[Any] = index.where
        self.is_unique: bool = index.unique
        self.entries: list[Entry] = []
        self._values = 2 * len(index.columns)
        self._key_of = operator.itemgetter(*(2 * self.columns.index(name) + 1 for name in table.key))

    def entry(self, row: Row | None) -> Entry | None:
        """Return a row's entry; None: it is none of those that the index holds."""
        if row is None:
            return None
        for condition in self.where:
            if not met(row, condition):
                return None
        values: list[Any] = []
        for name in self.columns:
            value = row[name]
            values += (value is not None, value)
        return tuple(values)

    def refuses(self, entry: Entry | None) -> bool:
        """Whether it is unique, and another row has the values of an entry."""
        if entry is None or not self.is_unique:
            return False
        values = entry[: self._values]
        at = bisect_left(self.entries, values)
        return at < len(self.entries) and self.entries[at][: self._values] == values

    def replace(self, old: Entry | None, new: Entry | None) -> None:
        """Take one entry out, and put another in."""
        if old is not None:
            del self.entries[bisect_left(self.entries, old)]
        if new is not None:
            insort(self.entries, new)

    def keys(self, equal: Sequence[Any], within: Sequence[Any], *, backwards: bool) -> Iterator[Any]:
        """Yield the keys of rows that meet conditions.

        Args:
            equal: One on each of the first columns, ``=`` or ``in``.
            within: Others on the column after them.
            backwards: From the last to the first.
        """
        for values in product(
            *(
                set(condition.value) if condition.operator == "in" else (condition.value,)
                for condition in equal
            )
        ):
            start, end = self._span(tuple(key for one in values for key in (one is not None, one)), within)
            for at in range(end - 1, start - 1, -1) if backwards else range(start, end):
                yield self._key_of(self.entries[at])

    def _span(self, prefix: Entry, within: Sequence[Any]) -> tuple[int, int]:
        starts, ends = [prefix], [(*prefix, *END)]
        for condition in within:
            before = (*prefix, True, condition.value)
            after = (*before, *END)
            starts.append({">": after, ">=": before}.get(condition.operator, (*prefix, True)))
            ends += {"<": [before], "<=": [after]}.get(condition.operator, [])
        return bisect_left(self.entries, max(starts)), bisect_left(self.entries, min(ends))


EQUAL = {"=", "in"}
RANGES = {"<", "<=", ">", ">="}


@attrs.frozen
class Plan:
    """Says where to find what questions of one shape ask for; conditions are named by their place.

    Attributes:
        index: Which; None: the key answers, or where ``equal`` is empty nothing but all rows.
        equal: Conditions that fix the first columns.
        within: Conditions on the column after these.
        rest: Conditions that the rows so found are asked for.
        turns: More than 0: they come in the order that is wanted; less: in reverse; 0: in some order.
        worth: How much better it is than to look at every row.
    """

    index: int | None
    equal: tuple[int, ...]
    within: tuple[int, ...]
    rest: tuple[int, ...]
    turns: int
    worth: int


def plan(key: Sequence[str], indexes: Sequence[Index], where: Sequence[Where], order: Sequence[str]) -> Plan:
    """Choose the best plan, whose index holds every row that meets the conditions.

    A key of several columns is found by an index, as others are.
    """
    by_key = [n for n, condition in enumerate(where) if _is_on(condition, key[0], EQUAL)][:1]
    by_key = by_key if len(key) == 1 else []
    rest = tuple(n for n in range(len(where)) if n not in by_key)
    plans = [Plan(None, tuple(by_key), (), rest, 0, 100 * len(by_key))]
    for n, index in enumerate(indexes):
        if all(_is_implied(wanted, where) for wanted in index.where):
            plans.append(_by_index(n, index, key, where, order))
    return max(plans, key=lambda candidate: candidate.worth)


def _is_implied(wanted: Where, where: Sequence[Where]) -> bool:
    if wanted in where or not isinstance(wanted, Is) or (wanted.operator, wanted.value) != ("!=", None):
        return wanted in where
    return any(
        isinstance(condition, Is) and condition.column == wanted.column and condition.value is not None
        for condition in where
    )


def _by_index(
    place: int, index: Index, key: Sequence[str], where: Sequence[Where], order: Sequence[str]
) -> Plan:
    columns, equal = tuple(dict.fromkeys((*index.columns, *key))), list[int]()
    for column in columns:
        fixing = [n for n, condition in enumerate(where) if _is_on(condition, column, EQUAL)]
        if not fixing:
            break
        equal.append(fixing[0])
    left = columns[len(equal) :]
    within = [n for n, condition in enumerate(where) if left and _is_on(condition, left[0], RANGES)]
    known = (n for n, condition in enumerate(where) if condition in index.where)
    rest = set(range(len(where))).difference(equal, within, known)
    several = any(_is_on(where[n], columns[at], {"in"}) for at, n in enumerate(equal))
    turns = 0 if several else _turns(left, order)
    worth = 2 * len(equal) + len(index.where) + bool(within) + bool(turns)
    return Plan(place, tuple(equal), tuple(within), tuple(sorted(rest)), turns, worth)


def _is_on(where: Where, column: str, operators: Collection[str]) -> bool:
    return isinstance(where, Is) and where.column == column and where.operator in operators


def _turns(columns: Sequence[str], order: Sequence[str]) -> int:
    first = columns[: len(order)]
    if tuple(order) == first:
        return len(order)
    return -1 if tuple(order) == tuple(f"-{column}" for column in first) else 0


class MemoryTable:
    """Rows, which are replaced and never changed.

    Attributes:
        rows: By key.
        uncommitted: Those of open transactions, by key; unique indexes alone know them.
        key_of: Returns a row's key; one of several columns is a tuple.
    """

    def __init__(self, table: Table) -> None:
        self.rows: dict[Any, Row] = {}
        self.uncommitted: dict[Any, Row] = {}
        self.key_of: Callable[[Row], Any] = itemgetter(*table.key)
        self._name = table.name
        self._key = table.key
        self._declared = table.indexes if len(table.key) == 1 else (*table.indexes, Index("key", table.key))
        self._defaults: Row = dict.fromkeys(table.kinds) | table.defaults()
        self._dated = [column.name for column in table.columns if column.default is Default.NOW]
        self._indexes = [SortedIndex(table, index) for index in self._declared]
        self._telling = {
            condition.column for of in self._indexes for condition in of.where if condition.value is not None
        }
        self._plans = _plans(self._key, self._declared)

    def whole(self, row: Row, now: datetime) -> Row:
        """Return a row with all columns."""
        return {**self._defaults, **dict.fromkeys(self._dated, now), **row}

    def put(self, key: Any, row: Row | None) -> None:
        """Insert or replace a row; None: delete it. Raises ``RowRefused``, and has then changed nothing."""
        self._move(self._indexes, self.rows.get(key), row)
        if row is None:
            self.rows.pop(key, None)
        else:
            self.rows[key] = row

    def hold(self, row: Row) -> None:
        """Keep a row of an open transaction, and its unique values. Raises ``RowRefused``."""
        self._move([index for index in self._indexes if index.is_unique], None, row)
        self.uncommitted[self.key_of(row)] = row

    def let_go(self, key: Any) -> Row:
        """Forget a row of an open transaction, and return it."""
        row = self.uncommitted.pop(key)
        self._move([index for index in self._indexes if index.is_unique], row, None)
        return row

    def find(self, where: Sequence[Where], order: Sequence[str] = (), limit: int | None = None) -> list[Row]:
        """Return rows that meet all conditions, in an order."""
        if not self.rows and not self.uncommitted:
            return []
        chosen = self._plan(where, order)
        rows: Iterable[Row] = self._found(chosen, where)
        if chosen.rest:
            rest = [where[n] for n in chosen.rest]
            rows = (row for row in rows if all(met(row, condition) for condition in rest))
        if chosen.turns or not order:
            return list(rows if limit is None else islice(rows, limit))
        return in_order(rows, order, limit)

    def _found(self, chosen: Plan, where: Sequence[Where]) -> Iterator[Row]:
        equal: list[Any] = [where[n] for n in chosen.equal]
        if chosen.index is not None:
            within = [where[n] for n in chosen.within]
            for key in self._indexes[chosen.index].keys(equal, within, backwards=chosen.turns < 0):
                yield self.rows.get(key) or self.uncommitted[key]
        elif not equal:
            yield from self.rows.values()
        else:
            keys = dict.fromkeys(equal[0].value) if equal[0].operator == "in" else (equal[0].value,)
            yield from filter(None, map(self.rows.get, keys))

    def _plan(self, where: Sequence[Where], order: Sequence[str]) -> Plan:
        telling = self._telling
        shape: list[Any] = [order if type(order) is tuple else tuple(order)]
        for condition in where:
            if isinstance(condition, Is):
                value = condition.value
                shape += (
                    condition.column,
                    condition.operator,
                    value if value is None or condition.column in telling else 0,
                )
            else:
                shape.append(())
        asked = tuple(shape)
        known = self._plans.get(asked)
        if known is None:
            known = self._plans[asked] = plan(self._key, self._declared, where, order)
        return known

    def _move(self, indexes: Sequence[SortedIndex], before: Row | None, after: Row | None) -> None:
        moves = [(index, index.entry(before), index.entry(after)) for index in indexes]
        moves = [move for move in moves if move[1] != move[2]]
        if any(index.refuses(new) for index, _, new in moves):
            raise RowRefused(store="memory://", problem=f"another row of {self._name} has its unique values")
        for index, old, new in moves:
            index.replace(old, new)


@cache
def _plans(key: Sequence[str], indexes: Sequence[Index]) -> dict[Any, Plan]:
    """Return the plans that are known so far, by the shape of the question, of all tables that are alike."""
    return {}


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
    """Does a transaction: nothing that it awaits ever waits, so that there is but one at a time."""

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
        self, table: Table, where: Sequence[Where] = (), **options: Unpack[ReadOptions]
    ) -> list[Row]:
        """See ``Session.select``; rows come whole, whatever is asked for."""
        lengths = {**table.longest, **options.get("longest", {})}
        rows = self._rows(table, where, options.get("order", ()), options.get("limit"))
        return [_readable(row, lengths) for row in rows]

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
        return {
            (table.name, self._tables[table].uncommitted[key]["dedup_key"])
            for key, table in self.held.items()
        }

    def _rows(
        self, table: Table, where: Sequence[Where], order: Sequence[str] = (), limit: int | None = None
    ) -> list[Row]:
        """Return what others see, and its own jobs."""
        stored = self._tables[table]
        own = [stored.uncommitted[key] for key, of in self.held.items() if of is table]
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


@hookimpl
def sp00ky_register_stores() -> Mapping[str, StoreFactory]:
    """Register ``memory://``."""
    return {"memory": MemoryStore}
