"""Declare tables and conditions on their rows as data; promise what one transaction does with the rows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from enum import Enum
from hashlib import sha256
from typing import Any, Literal, Protocol, TypedDict, TypeVar, Unpack
from uuid import UUID

import attrs

from sp00ky_core.errors import RowRefused
from sp00ky_core.job.job import Job, NewJob

__all__ = ["SHAPES", "Both", "Column", "Default", "Either", "Index", "Is", "Kind", "Operator"]
__all__ += ["QUERY_SECONDS", "ExtensionTransaction", "KeyedJob", "ReadOptions", "Row", "Spared"]
__all__ += ["Table", "TransactionWork", "Update", "Where"]

T = TypeVar("T")

Row = dict[str, Any]
"""The values of a row, by the names of their columns."""
Operator = Literal["=", "!=", "<", "<=", ">", ">=", "in", "not in"]
"""Compares a column with a value, or tells whether it is one of several."""


@attrs.frozen
class Is:
    """Compares one column with one value; ``= None`` and ``!= None`` ask whether it is missing.

    A value that is a member of an ``Enum`` is a constant, and may stand in the statement's text.

    Attributes:
        column: Its name.
        operator: How they are compared.
        value: Of the column's kind; a collection for ``in`` and ``not in``.
    """

    column: str
    operator: Operator
    value: Any


@attrs.frozen
class Either:
    """A condition that a row meets by meeting at least one of others.

    Attributes:
        conditions: At least one.
    """

    conditions: tuple[Where, ...]


@attrs.frozen
class Both:
    """Every one of the conditions is met.

    Attributes:
        conditions: At least one.
    """

    conditions: tuple[Where, ...]


Where = Is | Either | Both
"""A condition on rows."""


Update = tuple[Sequence[Is], Mapping[str, Any]]
"""The conditions on one row, of which the first says its key, and what is set in it."""


class ReadOptions(TypedDict, total=False):
    """Options of ``Session.select``.

    Attributes:
        order: Columns, each ascending, or descending with a ``-`` before it. NULL is before every value.
        limit: How many rows at most; None: all.
        columns: Those wanted; None: all.
        longest: Bytes that are read of a column; of the others so many as ``table.longest`` says.
        lock: The rows are about to be written: where the database locks rows, lock them, and skip those
            that another transaction has locked.
    """

    order: Sequence[str]
    limit: int | None
    columns: Sequence[str] | None
    longest: Mapping[str, int]
    lock: bool


class Kind(Enum):
    """Kinds of columns, each with its type in Python."""

    TEXT = "text"  # str
    INTEGER = "integer"  # int, 64 bits
    REAL = "real"  # float, 64 bits
    JSON = "json"  # str, JSON text as it came
    INSTANT = "instant"  # datetime in UTC, to the microsecond


class Default(Enum):
    """Names a column's value where a client leaves it out, computed by the database."""

    KEY = "key"  # a new unique text
    NOW = "now"


@attrs.frozen
class Column:
    """Describes a column.

    Attributes:
        name: Its name.
        kind: What it holds.
        default: A plain value, a ``Default``, or None for NULL.
        required: A row without it is refused.
        longest: Bytes of it that are read, however long it is; None: as many as there are.
        length: Characters that it must be able to hold, of text that has a limit. With four bytes for each,
            whatever is indexed together fits the 3,072 bytes of MySQL's InnoDB, ``assigned_to`` excepted.
    """

    name: str
    kind: Kind
    default: str | int | Default | None = None
    required: bool = False
    length: int | None = None
    longest: int | None = None


@attrs.frozen
class Index:
    """Describes an index.

    Attributes:
        name: Its name in the database is made of the table's and this.
        columns: In order.
        where: Conditions of the rows that it holds; none: all rows.
        unique: It holds each value once.
    """

    name: str
    columns: tuple[str, ...]
    where: tuple[Where, ...] = ()
    unique: bool = False


@attrs.frozen(cache_hash=True)
class Table:
    """Describes a table.

    Attributes:
        name: Its name.
        columns: In order.
        key: The columns of the primary key.
        indexes: Besides the key's.
        former: Names of indexes that an earlier version has declared, and that nothing uses any more.
        version: Of an extension's table, raised with each change of its shape. 0: it is one of the core's.
        remembers: Each row keeps the marks of its latest changes where a reply to a commit may be lost: sent
            again, a change is known then. Else the caller of a transaction hears that its reply was lost.
        signals: What is written to it wakes runners, in other processes too, as new jobs do.
        row_id: Makes a row's id of the values of its key, where a database names rows by one text. A row that
            is about a job has that job's own key there.
        kinds: By column.
        longest: Bytes that are read of a column, of those that have a limit.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    indexes: tuple[Index, ...] = ()
    former: tuple[str, ...] = ()
    version: int = 0
    remembers: bool = False
    signals: bool = False
    row_id: Callable[..., str] | None = None
    kinds: dict[str, Kind] = attrs.field(init=False, eq=False, repr=False)
    longest: dict[str, int] = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        longest = {column.name: column.longest for column in self.columns if column.longest is not None}
        object.__setattr__(self, "longest", longest)
        object.__setattr__(self, "kinds", {column.name: column.kind for column in self.columns})

    @property
    def shape(self) -> str:
        """Tell tables of other columns apart, or of another key, by a short text."""
        columns = [
            (one.name, one.kind.value, str(one.default), one.required, one.length) for one in self.columns
        ]
        return sha256(repr((columns, self.key)).encode()).hexdigest()[:16]

    def index_name(self, index: Index) -> str:
        """Name an index, unique in the database."""
        return self._index_name(index.name)

    def former_indexes(self) -> frozenset[str]:
        """Name the indexes of earlier versions."""
        return frozenset(map(self._index_name, self.former))

    def _index_name(self, name: str) -> str:
        return f"{self.name}_{name}_idx"

    def defaults(self) -> dict[str, Any]:
        """Return the columns that have a plain default."""
        return {
            column.name: column.default for column in self.columns if isinstance(column.default, str | int)
        }


SHAPES = Table(
    "sp00ky_shape",
    (
        Column("table_name", Kind.TEXT, required=True, length=255),
        Column("version", Kind.INTEGER),
        Column("shape", Kind.TEXT, length=16),
    ),
    ("table_name",),
    version=1,
)
"""Holds the shape that each extension's table had when its version was migrated."""


@attrs.frozen
class Spared:
    """Names jobs that a retention leaves alone: those whose ids stand in rows of an extension's table.

    Attributes:
        table: The table.
        job: Its column with a job's id.
        column: Says which rows are meant.
        values: That it has in those.
    """

    table: Table
    job: str
    column: str
    values: tuple[str, ...]


QUERY_SECONDS = 10.0
"""Seconds that a user's query may take."""


@attrs.frozen(kw_only=True)
class KeyedJob:
    """A job whose id is made by who enqueues it: made twice, it is there once.

    Attributes:
        job: The job.
        key: What its id is made of: the same for what is to be one job.
        prefix: Of its key, where a database's keys are any text.
        checked: It is what ``ExtensionContext.check`` has returned, and isn't checked again.
    """

    job: NewJob
    key: UUID
    prefix: str = ""
    checked: bool = False

    def refuse_other(self, stored: Job, location: str) -> Job:
        """Return the job that is stored under this key. Raises ``RowRefused`` where it is another's.

        A client that may make rows could have guessed the key.
        """
        wanted = (self.job.path, self.job.max_retries, self.job.assigned_to)
        if (stored.path, stored.max_retries, stored.assigned_to) != wanted:
            raise RowRefused(store=location, problem=f"{stored.id} is there already, and is another job")
        return stored


class ExtensionTransaction(Protocol):
    """One transaction: it reads and writes an extension's tables, and enqueues jobs.

    Its calls are those of the kit's ``Session``, which says what each promises.
    """

    @property
    def now(self) -> datetime:
        """The time of the clock that all processes share, when the transaction began."""

    async def enqueue(self, jobs: Sequence[NewJob | KeyedJob]) -> list[Job]:
        """Insert pending jobs, all or none; the stored jobs, in order, or those that are there already.

        Each is checked against its backend's contract, as the outbox does.
        """

    async def holding(self, jobs: Sequence[Job]) -> set[str]:
        """Return the ids of those jobs, as they were claimed, whose attempt holds them still."""

    async def select(
        self, table: Table, where: Sequence[Where] = (), **options: Unpack[ReadOptions]
    ) -> list[Row]:
        """Select rows that meet all conditions."""

    async def count(self, table: Table, where: Sequence[Where] = ()) -> int:
        """Count rows that meet all conditions."""

    async def insert(self, table: Table, rows: Sequence[Row]) -> None:
        """Insert rows, which all have the same columns."""

    async def insert_once(self, table: Table, row: Row) -> bool:
        """Insert a row; False: another transaction has made one with its key."""

    async def update(self, table: Table, where: Sequence[Where], values: Mapping[str, Any]) -> int:
        """Set columns in the rows that meet all conditions; how many those were."""

    async def update_many(self, table: Table, updates: Sequence[Update]) -> int:
        """Set columns in many rows, each under its own conditions; how many of them met theirs."""

    async def put(self, table: Table, rows: Sequence[Row]) -> None:
        """Insert whole rows, each in the place of one with its key."""

    async def take(self, table: Table, rows: Sequence[Row]) -> list[Row]:
        """Delete rows by their keys; those that were there."""

    async def delete(self, table: Table, where: Sequence[Where]) -> int:
        """Delete rows that meet all conditions; how many."""

    def savepoint(self) -> AbstractAsyncContextManager[None]:
        """Undo what is done in the block, and nothing else, if the block raises."""


TransactionWork = Callable[[ExtensionTransaction], Awaitable[T]]
"""What is done in one transaction. It may be done again, so it awaits nothing but the transaction's calls."""
