"""Name the primitives of a database: what a transaction can do with rows, and the conditions on them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import datetime
from enum import Enum
from typing import Any, ClassVar, TypeVar, Unpack

from sp00ky_core.errors import RowRefused, Sp00kyError
from sp00ky_core.ports import (
    Both,
    Column,
    Either,
    Finding,
    Index,
    Is,
    Operator,
    ReadOptions,
    Row,
    Table,
    Update,
    Where,
)
from sp00ky_core.stores.decisions import COMPARED
from sp00ky_core.stores.ids import chunks, new_key

__all__ = [
    "Access",
    "Both",
    "Either",
    "Is",
    "Operator",
    "ReadOptions",
    "Row",
    "Session",
    "Update",
    "Where",
    "Work",
    "beyond",
    "in_order",
    "met",
    "translating",
]

T = TypeVar("T")


class Access(Enum):
    """Kinds of transactions; an adapter may give each its own connection."""

    READ = "read"  # sees what was committed at one moment, writes nothing, waits for no writer
    QUERY = "query"  # reads for seconds, a user's query: no other kind is queued behind it
    WRITE = "write"
    BEAT = "beat"  # writes one small row, and is never queued behind transactions of the other kinds


def met(row: Row, where: Where) -> bool:
    """Whether a row meets a condition; NULL meets none that compares it with a value."""
    if isinstance(where, Is):
        value, wanted = row[where.column], where.value
        if wanted is None:
            return (value is None) is (where.operator == "=")
        return value is not None and COMPARED[where.operator](value, wanted)
    answers = (met(row, condition) for condition in where.conditions)
    return all(answers) if isinstance(where, Both) else any(answers)


def in_order(unsorted: Iterable[Row], order: Sequence[str], limit: int | None) -> list[Row]:
    """Return the first of some rows in an order, as ``Session.select`` has it."""
    rows = list(unsorted)
    for column in reversed(order):
        name = column.removeprefix("-")
        rows.sort(key=lambda row: (row[name] is not None, row[name]), reverse=column.startswith("-"))
    return rows[:limit]


def beyond(row: Row, order: Sequence[str], *, ties: bool = False) -> list[Where]:
    """Return the conditions of rows that come after one in an order: of a column, then of the key.

    Without the key in the order, ``ties`` says whether those count that have the same in the column.
    """
    name, descends = order[0].removeprefix("-"), order[0].startswith("-")
    value = row[name]
    same: list[Where] = [Is(name, "=", value)]
    keys = [column.removeprefix("-") for column in order[1:]]
    same += [Is(key, "<" if descends else ">", row[key]) for key in keys]
    if not (ties or keys):
        same.append(Is(name, "in", ()))
    if value is None:
        return same if descends else [Either((Both(tuple(same)), Is(name, "!=", None)))]
    undated = [Is(name, "=", None)] if descends else []
    return [
        Either((Is(name, "<=" if descends else ">=", value), *undated)),  # a range of the index
        Either((Is(name, "<" if descends else ">", value), *undated, Both(tuple(same)))),
    ]


class Session(ABC):
    """A transaction that has begun, on one connection. Rows are dicts by column name.

    Instants are ``datetime`` in UTC, JSON is text. Errors of the driver are translated by the store's
    ``translate``, so that a refused row is a ``RowRefused`` here already.

    Attributes:
        blocks: Its calls never suspend, so that no event loop is needed.
        waits: While it ``blocks``, it may wait for other transactions: it is none for an event loop's thread.
        undoes_statements: A refused statement leaves the transaction as it was, without a savepoint.
    """

    blocks: ClassVar[bool] = False
    waits: ClassVar[bool] = False
    undoes_statements: ClassVar[bool] = False

    def canonical(self, job_id: str) -> str:
        """Return an id as jobs have it, where the database takes other notations of it too."""
        return job_id

    def beginning_with(self, start: str) -> list[Is]:
        """Return the conditions of jobs' rows whose key starts so."""
        return [Is("id", ">=", start), Is("id", "<", f"{start}\U0010ffff")]

    @abstractmethod
    async def now(self) -> datetime:
        """Read the clock that all processes share; not before the transaction has its locks."""

    async def user(self) -> str | None:
        """Return whom the database knows this client by; None: it knows no users."""
        return None

    @abstractmethod
    async def select(
        self, table: Table, where: Sequence[Where] = (), **options: Unpack[ReadOptions]
    ) -> list[Row]:
        """Select rows that meet all conditions; ``UNREAD`` stands for a text that is too long to be read.

        Args:
            table: The table.
            where: Conditions; all must be met.
            **options: See ``ReadOptions``.
        """

    @abstractmethod
    async def count(self, table: Table, where: Sequence[Where] = ()) -> int:
        """Count rows."""

    async def tally(
        self, table: Table, columns: Sequence[str], where: Sequence[Where] = (), *, limit: int | None = None
    ) -> list[tuple[Row, int]]:
        """Count rows by what they have in some columns: that, and how many, the most first."""
        counts = Counter(
            tuple(row[name] for name in columns) for row in await self.select(table, where, columns=columns)
        )
        return [
            (dict(zip(columns, values, strict=True)), count) for values, count in counts.most_common(limit)
        ]

    @abstractmethod
    async def insert(self, table: Table, rows: Sequence[Row]) -> None:
        """Insert rows, which all have the same columns; the others get their defaults."""

    async def insert_keyed(self, table: Table, row: Row) -> str:
        """Insert a row under a new key, which is its ``id``; return that."""
        key = new_key()
        await self.insert(table, [{"id": key, **row}])
        return key

    @abstractmethod
    async def update(self, table: Table, where: Sequence[Where], values: Mapping[str, Any]) -> int:
        """Set columns in the rows that meet the conditions; how many those were."""

    @abstractmethod
    async def delete(self, table: Table, where: Sequence[Where]) -> int:
        """Delete rows; how many."""

    async def update_many(self, table: Table, updates: Sequence[Update]) -> int:
        """Set columns in many rows, each under its own conditions; how many of them met theirs."""
        return sum([await self.update(table, where, values) for where, values in updates])

    async def put(self, table: Table, rows: Sequence[Row]) -> None:
        """Insert whole rows, each in the place of one with its key."""
        new = [row for row in rows if not await self.update(table, key_of(table, row), row)]
        await self.insert(table, new)

    async def insert_once(self, table: Table, row: Row) -> bool:
        """Insert a row; False: the database refuses it, for another transaction has made one with its key."""
        try:
            async with self.savepoint():
                await self.insert(table, [row])
        except RowRefused:
            return False
        return True

    async def take(self, table: Table, rows: Sequence[Row]) -> list[Row]:
        """Delete rows by their keys; those that were there, which no other transaction can have taken."""
        return [row for row in rows if await self.delete(table, key_of(table, row))]

    async def delete_first(
        self, table: Table, where: Sequence[Where], order: Sequence[str], limit: int
    ) -> tuple[int, Any]:
        """Delete the first so many rows, of those that no other transaction has locked.

        How many, and the value that the first column of the order had in the last of them. It is for tables
        whose key is one column; a database that can do it in one statement overrides it.
        """
        (key,), first, count = table.key, order[0].removeprefix("-"), 0
        rows = await self.select(table, where, order=order, limit=limit, columns=(key, first), lock=True)
        for keys in chunks(row[key] for row in rows):
            count += await self.delete(table, [Is(key, "in", keys), *where])
        return count, rows[-1][first] if rows else None

    async def query(self, text: str, limit: int) -> list[Any]:
        """Run a user's query, in a transaction of its own for reading; its first rows, each a mapping.

        It ends after ``QUERY_SECONDS``, and the database keeps it from writing. Whatever it raises is
        reported as the query's fault, where the database answers.
        """
        raise NotImplementedError(f"no queries are asked of a database by {type(self).__name__}")

    @abstractmethod
    def savepoint(self) -> AbstractAsyncContextManager[None]:
        """Undo what is done in the block, and nothing else, if the block raises. They nest, three deep."""

    async def join(self) -> None:  # noqa: B027  # of most connections it is known at once
        """Find out whether a caller's connection can be used, where only a call of its own says so.

        Raises:
            OptionInvalid: It would commit each statement on its own.
        """

    async def leave(self) -> None:  # noqa: B027  # most sessions write at once
        """Send to a caller's connection what has been written and is still held back: the work is done."""

    # What ``migrate`` asks for: a store with migrations of its own needs none of it.

    async def alone(self, table: Table) -> bool:
        """Keep other transactions from doing the same in a table meanwhile; False: another does it now.

        Where writers wait for each other, or notice each other's writes, there is nothing to do.
        """
        return True

    def migrating(self) -> AbstractAsyncContextManager[None]:
        """Keep other processes from migrating meanwhile, where definitions are no part of a transaction."""
        return nullcontext()

    def fitted(self, table: Table) -> Table:
        """Return a table as this database can have it."""
        return table

    async def columns_of(self, table: Table) -> frozenset[str] | None:
        """List the columns that the table has in the database; None: there is no such table."""
        raise NotImplementedError

    async def findings(self, table: Table) -> list[Finding]:
        """Say what is wrong with a table that is there, and that no migration mends."""
        return []

    async def indexes_of(self, table: Table) -> frozenset[str]:
        """List the names of the table's indexes."""
        raise NotImplementedError

    def definition(self, table: Table, part: Column | Index | None = None) -> str:
        """Write the statement that creates a table (without its indexes), or adds a part to it."""
        raise NotImplementedError

    def removal(self, table: Table, index_name: str) -> str:
        """Write the statement that drops an index."""
        raise NotImplementedError

    async def define(self, statement: str) -> None:
        """Run a statement of ``definition`` or ``removal``."""
        raise NotImplementedError


async def translating(running: Awaitable[T], translate: Callable[[Exception], Exception]) -> T:
    """Return what is awaited; what it raises is translated, unless it has been."""
    try:
        return await running
    except Sp00kyError:
        raise
    except Exception as error:
        known = translate(error)
        if known is error or not isinstance(known, Exception):
            raise
        raise known from error


def key_of(table: Table, row: Row) -> list[Where]:
    """Name a row by its key."""
    return [Is(name, "=", row[name]) for name in table.key]


Work = Callable[[Session], Awaitable[T]]
"""Does what is to be done in one transaction; it awaits nothing but its session."""
