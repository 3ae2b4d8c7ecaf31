"""Render the primitives as SQL, and run them on blocking (PEP 249) connections."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from enum import Enum
from typing import Any, ClassVar, Unpack

from sp00ky_core.errors import RowRefused, StoreError
from sp00ky_core.stores.rows import UNREAD
from sp00ky_store_kit.connection.session import (
    Both,
    Is,
    ReadOptions,
    Row,
    Session,
    Update,
    Where,
    translating,
)
from sp00ky_store_kit.schema import (
    MIGRATIONS,
    Column,
    Default,
    Index,
    Kind,
    Table,
)

__all__ = ["BlockingSession", "DriverSession", "Reply", "SqlSession", "encoded"]

Reply = tuple[Sequence[Sequence[Any]], int]
"""The rows of a statement, and how many rows it has written."""

Codec = Callable[[Any], Any]

Insertion = tuple[str, Sequence[tuple[int, Codec]]]

_insertions: dict[type, dict[tuple[str, tuple[str, ...]], Insertion]] = {}
"""Texts of INSERTs and their encoders, by the session's class, the table, and the columns."""


class SqlSession(Session):
    """A session whose primitives are texts; its class attributes are the dialect.

    Attributes:
        types: The database's type for each kind.
        defaults: An expression for each default that the database computes.
        encoders: Python value -> parameter, for kinds that the driver doesn't take as they are; never None.
        decoders: The way back. It must not raise, for another client may have written anything.
        placeholder: Of a parameter.
        locking: What ends a ``SELECT`` of rows that are about to be written.
        before_locking: What begins it.
        by_key: What follows the name of a table, which may stand in it, whose rows are locked or updated by
            their keys, where the database else may look at others, which it may lock meanwhile.
        nulls_first: What an ascending order needs where NULL isn't before every value anyway.
        quote: What stands around a name.
        bytes_of: How many bytes a text has, if possible without reading it.
        table_options: What ends a ``CREATE TABLE``.
        column_names: The statement that lists the columns of a table, whose name is its parameter.
        index_names: The same of its indexes.
    """

    types: ClassVar[Mapping[Kind, str]]
    defaults: ClassVar[Mapping[Default, str]]
    encoders: ClassVar[Mapping[Kind, Codec]] = {}
    decoders: ClassVar[Mapping[Kind, Codec]] = {}
    placeholder: ClassVar[str] = "?"
    locking: ClassVar[str] = ""
    before_locking: ClassVar[str] = ""
    by_key: ClassVar[str] = ""
    nulls_first: ClassVar[tuple[str, str]] = ("", "")  # ascending, descending
    quote: ClassVar[str] = '"'
    bytes_of: ClassVar[str] = "octet_length({})"
    table_options: ClassVar[str] = ""
    column_names: ClassVar[str]
    index_names: ClassVar[str]

    def __init__(self, translate: Callable[[Exception], Exception]) -> None:
        self._translate = translate
        self._savepoints = 0

    @abstractmethod
    async def execute(self, text: str, parameters: Sequence[Any] = ()) -> Reply:
        """Run one statement."""

    @abstractmethod
    async def execute_many(self, text: str, parameters: Iterable[Sequence[Any]]) -> int:
        """Run one statement with each of these parameters; how many rows it has written."""

    async def select(
        self, table: Table, where: Sequence[Where] = (), **options: Unpack[ReadOptions]
    ) -> list[Row]:
        """See ``Session.select``."""
        names = tuple(options.get("columns") or table.kinds)
        limit, lock = options.get("limit"), options.get("lock", False)
        conditions, parameters = self._filtered(table, where)
        lengths = {**table.longest, **options.get("longest", {})}
        expressions = ", ".join(self._readable(table, name, lengths.get(name)) for name in names)
        end = self._ordered(table, options.get("order", ())) + ("" if limit is None else f" LIMIT {limit:d}")
        conditions = f"{self._keyed(table, where) if lock else ''}{conditions}"
        text = f"SELECT {expressions} FROM {self._source(table, conditions, end)}"
        if lock:
            text = f"{self.before_locking}{text}{self.locking}"
        rows, _ = await self._run(text, parameters)
        return self._decoded(table, names, rows)

    def _decoded(self, table: Table, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[Row]:
        decoders = [self.decoder(table, name) or _same for name in names]
        return [
            {
                name: None if value is None else decode(value)
                for name, decode, value in zip(names, decoders, row, strict=True)
            }
            for row in rows
        ]

    async def count(self, table: Table, where: Sequence[Where] = ()) -> int:
        """See ``Session.count``."""
        text, parameters = self._filtered(table, where)
        rows, _ = await self._run(f"SELECT count(*) FROM {self._source(table, text)}", parameters)
        return int(rows[0][0])

    async def tally(
        self, table: Table, columns: Sequence[str], where: Sequence[Where] = (), *, limit: int | None = None
    ) -> list[tuple[Row, int]]:
        """See ``Session.tally``."""
        conditions, parameters = self._filtered(table, where)
        expressions = ", ".join(self._readable(table, name, table.longest.get(name)) for name in columns)
        groups = ", ".join(str(number) for number, _ in enumerate(columns, 1))
        end = f" GROUP BY {groups} ORDER BY count(*) DESC" + ("" if limit is None else f" LIMIT {limit:d}")
        text = f"SELECT {expressions}, count(*) FROM {self._source(table, conditions, '')}{end}"
        rows, _ = await self._run(text, parameters)
        groups_of = self._decoded(table, columns, [row[:-1] for row in rows])
        return [(group, int(row[-1])) for group, row in zip(groups_of, rows, strict=True)]

    async def insert(self, table: Table, rows: Sequence[Row]) -> None:
        """See ``Session.insert``."""
        if not rows:
            return
        text, encoders = self._insertion(table, tuple(rows[0]))
        await translating(self.execute_many(text, encoded(rows, encoders)), self._translate)

    def _insertion(self, table: Table, names: tuple[str, ...]) -> Insertion:
        """Return the INSERT of these columns, and their encoders by number; most enqueues have the same."""
        known = _insertions.setdefault(type(self), {})
        into = self._table(table)
        statement = known.get((into, names))
        if statement is None:
            places = ", ".join(self.place(n) for n, _ in enumerate(names, 1))
            text = f"INSERT INTO {into} ({self._list(names)}) VALUES ({places})"
            encoders = ((n, self.encoder(table, name)) for n, name in enumerate(names))
            statement = text, [(n, encode) for n, encode in encoders if encode is not None]
            known[into, names] = statement
        return statement

    async def update(self, table: Table, where: Sequence[Where], values: Mapping[str, Any]) -> int:
        """See ``Session.update``."""
        return (await self._run(*self._update(table, where, values)))[1]

    def _update(
        self, table: Table, where: Sequence[Where], values: Mapping[str, Any]
    ) -> tuple[str, list[Any]]:
        parameters = [self._encoded(table, name, value) for name, value in values.items()]
        settings = ", ".join(self._setting(table, name, n) for n, name in enumerate(values, 1))
        conditions = self._conditions(table, where, parameters)
        rows = f"{self._rows(table)}{self._keyed(table, where)}"
        return f"UPDATE {rows} SET {settings}{conditions}", parameters

    async def update_many(self, table: Table, updates: Sequence[Update]) -> int:
        """See ``Session.update_many``: one statement for those that differ in their values alone."""
        alike: dict[Any, list[Update]] = {}
        for where, values in updates:
            asked = tuple((one.column, one.operator, _literal_of(one)) for one in where)
            alike.setdefault((tuple(values), asked), []).append((where, values))
        return sum([await self._update_alike(table, some) for some in alike.values()])

    async def _update_alike(self, table: Table, updates: Sequence[Update]) -> int:
        where, values = updates[0]
        if len(updates) == 1:
            return await self.update(table, where, values)
        names = [*values, *(asked.column for asked in where if _literal_of(asked) is _GIVEN)]
        encoders = [(n, encode) for n, name in enumerate(names) if (encode := self.encoder(table, name))]
        rows = [
            {**new, **{f"{asked.column} =": asked.value for asked in guard if _literal_of(asked) is _GIVEN}}
            for guard, new in updates
        ]
        text, _ = self._update(table, where, values)
        return await translating(self.execute_many(text, encoded(rows, encoders)), self._translate)

    async def alone(self, table: Table) -> bool:
        """See ``Session.alone``: who is has the row of the table's version, where there is one."""
        turn = [Is("table_name", "=", table.name)]
        return bool(await self.select(MIGRATIONS, turn, lock=True)) or not await self.count(MIGRATIONS, turn)

    def _setting(self, table: Table, column: str, number: int) -> str:
        """Write how an update sets a column to a parameter."""
        return f"{self._name(column)} = {self.place(number)}"

    async def delete(self, table: Table, where: Sequence[Where]) -> int:
        """See ``Session.delete``."""
        text, parameters = self._filtered(table, where)
        return (await self._run(f"DELETE FROM {self._rows(table)}{text}", parameters))[1]

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """See ``Session.savepoint``."""
        self._savepoints += 1  # each depth has its own name: some databases know one savepoint of a name
        name = f"sp00ky_{self._savepoints}"
        try:
            await self._run(f"SAVEPOINT {name}")
            try:
                yield
            except BaseException as error:
                await self._undo(name, error)
                raise
            await self._run(f"RELEASE SAVEPOINT {name}")
        finally:
            self._savepoints -= 1

    async def _undo(self, name: str, error: BaseException) -> None:
        """Roll back to a savepoint; where it has gone with its transaction, what ended that is raised."""
        try:
            await self._run(f"ROLLBACK TO SAVEPOINT {name}")
            await self._run(f"RELEASE SAVEPOINT {name}")
        except StoreError:
            if isinstance(error, RowRefused):
                raise

    def definition(self, table: Table, part: Column | Index | None = None) -> str:
        """See ``Session.definition``."""
        name = self._table(table)
        if isinstance(part, Column):
            return f"ALTER TABLE {name} ADD COLUMN {self._column(table, part)}"
        if isinstance(part, Index):
            kind, where = "UNIQUE INDEX" if part.unique else "INDEX", self._filtered(table, part.where)[0]
            index = self._name(table.index_name(part))
            indexed = ", ".join(self.indexed(table, column) for column in part.columns)
            return f"CREATE {kind} {index} ON {name} ({indexed}){where}"
        columns = ", ".join(self._column(table, column) for column in table.columns)
        return f"CREATE TABLE {name} ({columns}, PRIMARY KEY ({self._list(table.key)})){self.table_options}"

    def removal(self, table: Table, index_name: str) -> str:
        """See ``Session.removal``; a database whose indexes are named within a table overrides it."""
        return f"DROP INDEX {self._name(index_name)}"

    async def columns_of(self, table: Table) -> frozenset[str] | None:
        """See ``Session.columns_of``."""
        return frozenset(name for (name,) in await self.listed(self.column_names, table)) or None

    async def indexes_of(self, table: Table) -> frozenset[str]:
        """See ``Session.indexes_of``."""
        return frozenset(name for (name,) in await self.listed(self.index_names, table))

    async def listed(self, statement: str, table: Table) -> Sequence[Sequence[Any]]:
        """Return what a statement lists of a table, whose name is its parameter."""
        return (await self._run(statement, (table.name,)))[0]

    async def define(self, statement: str) -> None:
        """See ``Session.define``."""
        await self._run(statement)

    def type_of(self, column: Column) -> str:
        """Return a column's type; a database whose texts have a length overrides it."""
        return self.types[column.kind]

    def indexed(self, table: Table, column: str) -> str:
        """Write a column as an index has it; one that indexes only the beginning of a text overrides it."""
        return self._name(column)

    def _name(self, name: str) -> str:
        return f"{self.quote}{name.replace(self.quote, 2 * self.quote)}{self.quote}"

    def _list(self, names: Iterable[str]) -> str:
        return ", ".join(map(self._name, names))

    def _column(self, table: Table, column: Column) -> str:
        text = f"{self._name(column.name)} {self.type_of(column)}"
        if column.required:
            text += " NOT NULL"
        if isinstance(column.default, Default):
            return f"{text} DEFAULT {self.defaults[column.default]}"
        if column.default is None:
            return text
        literal = _literal(column.default)
        return f"{text} DEFAULT {f'({literal})' if column.kind is Kind.JSON else literal}"

    def place(self, number: int) -> str:
        """Write the place of a statement's parameter, counted from 1."""
        return self.placeholder

    def encoder(self, table: Table, column: str) -> Codec | None:
        """Return what makes a parameter of a column's value; None: it is one."""
        return self.encoders.get(table.kinds[column])

    def decoder(self, table: Table, column: str) -> Codec | None:
        """Return what makes a column's value of what was read; None: it is one."""
        return self.decoders.get(table.kinds[column])

    async def _run(self, text: str, parameters: Sequence[Any] = ()) -> Reply:
        """Run a statement; what the driver raises is translated here, for a refused row is no failure yet."""
        return await translating(self.execute(text, parameters), self._translate)

    def _table(self, table: Table) -> str:
        return self._name(table.name)

    def _rows(self, table: Table) -> str:
        """Name a table as its rows are read, updated and deleted."""
        return self._table(table)

    def _source(self, table: Table, conditions: str, end: str = "") -> str:
        """Write where rows come from, under which conditions, in which order and up to which limit."""
        return f"{self._rows(table)}{conditions}{end}"

    def _column_of(self, table: Table, column: str) -> str:
        """Write a column as conditions and orders have it."""
        return self._name(column)

    def _encoded(self, table: Table, column: str, value: Any) -> Any:
        encode = None if value is None else self.encoder(table, column)
        return value if encode is None else encode(value)

    def _filtered(self, table: Table, where: Sequence[Where]) -> tuple[str, list[Any]]:
        parameters: list[Any] = []
        return self._conditions(table, where, parameters), parameters

    def _conditions(self, table: Table, where: Sequence[Where], parameters: list[Any]) -> str:
        texts = [self._condition(table, condition, parameters) for condition in where]
        return f" WHERE {' AND '.join(texts)}" if texts else ""

    def _condition(self, table: Table, where: Where, parameters: list[Any]) -> str:
        if isinstance(where, Is):
            return self._comparison(table, where, parameters)
        texts = [self._condition(table, condition, parameters) for condition in where.conditions]
        return f"({(' AND ' if isinstance(where, Both) else ' OR ').join(texts)})"

    def _comparison(self, table: Table, where: Is, parameters: list[Any]) -> str:
        column = self._column_of(table, where.column)
        if where.value is None:
            return f"{column} IS {'NOT ' if where.operator == '!=' else ''}NULL"
        if where.operator not in {"in", "not in"}:
            return f"{column} {where.operator} {self._place(table, where.column, where.value, parameters)}"
        if not where.value:
            return "1 = 0" if where.operator == "in" else "1 = 1"
        places = ", ".join(self._place(table, where.column, value, parameters) for value in where.value)
        return f"{column} {where.operator.upper()} ({places})"

    def _place(self, table: Table, column: str, value: Any, parameters: list[Any]) -> str:
        if isinstance(value, Enum):  # a literal: else no partial index would be used
            return _literal(value.value)
        parameters.append(self._encoded(table, column, value))
        return self.place(len(parameters))

    def _readable(self, table: Table, column: str, longest: int | None) -> str:
        """Write what is selected of a column: whatever its length is, not more than this many bytes."""
        name = self._name(column)
        if longest is None:
            return name
        return f"CASE WHEN {self.bytes_of.format(name)} > {longest:d} THEN {_literal(UNREAD)} ELSE {name} END"

    def _keyed(self, table: Table, where: Sequence[Where]) -> str:
        """Write what follows a table's name where keys say which rows are meant."""
        keys = (
            condition
            for condition in where
            if isinstance(condition, Is) and condition.operator in {"=", "in"}
        )
        return self.by_key.format(table.name) if any(key.column == table.key[0] for key in keys) else ""

    def _ordered(self, table: Table, order: Sequence[str]) -> str:
        if not order:
            return ""
        parts = []
        for name in order:
            column, descends = name.removeprefix("-"), name.startswith("-")
            nulls = self.nulls_first[descends]
            nulls = nulls if nulls and self.may_be_null(table, column) else ""
            parts.append(f"{self._column_of(table, column)}{' DESC' * descends}{nulls}")
        return f" ORDER BY {', '.join(parts)}"

    def may_be_null(self, table: Table, column: str) -> bool:
        """Whether an order of rows has to say where those without a value come."""
        needed = (each.name for each in table.columns if each.required)
        return column not in {*table.key, *needed}


_GIVEN = "?"
"""Stands for a value that is passed as a parameter."""


def _literal_of(asked: Is) -> Any:
    """Return what stands in the text for a condition's value; ``_GIVEN``: its place."""
    if asked.operator in {"in", "not in"}:
        return tuple(asked.value)
    return asked.value if asked.value is None or isinstance(asked.value, Enum) else _GIVEN


def encoded(rows: Sequence[Row], encoded: Sequence[tuple[int, Codec]]) -> list[list[Any]]:
    """Make a list of each row; the same object, such as the time of the whole batch, is encoded once."""
    parameters = [list(row.values()) for row in rows]
    last, by, text = None, None, None
    for n, encode in encoded:
        for values in parameters:
            if values[n] is not last or encode is not by:
                last, by = values[n], encode
                text = None if last is None else encode(last)
            values[n] = text
    return parameters


def _same(value: Any) -> Any:
    return value


def _literal(value: str | int) -> str:
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


class DriverSession(SqlSession):
    """A session on a connection as PEP 249 has it, or like that.

    Attributes:
        connection: The driver's, or what a caller has for it.
        reads: It is a caller's, and only reads: it may be outside a transaction.
    """

    def __init__(
        self, connection: Any, translate: Callable[[Exception], Exception], *, reads: bool = False
    ) -> None:
        super().__init__(translate)
        self.connection = connection
        self.reads: bool = reads

    def cursor(self) -> Any:
        """Return a new cursor, whose rows are sequences."""
        return self.connection.cursor()

    async def is_at_work(self) -> bool:
        """Whether the server is at what it was asked last; another connection has to ask."""
        return True

    @abstractmethod
    async def close(self) -> None:
        """Close the connection."""

    async def abandon(self) -> None:
        """Let go of a connection that is lost, or was cut off in a call, and end what it still does."""
        await self.close()


class BlockingSession(DriverSession):
    """A session on a PEP 249 connection; its calls block the thread that they are made in."""

    blocks = True

    async def execute(self, text: str, parameters: Sequence[Any] = ()) -> Reply:
        """See ``SqlSession.execute``."""
        with closing(self.cursor()) as cursor:
            cursor.execute(text, *([parameters] if parameters else []))
            return (cursor.fetchall() if cursor.description else ()), cursor.rowcount

    async def query(self, text: str, limit: int) -> list[Any]:
        """See ``Session.query``."""
        with closing(self.cursor()) as cursor:
            cursor.execute(text)
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchmany(limit)] if names else []

    async def execute_many(self, text: str, parameters: Iterable[Sequence[Any]]) -> int:
        """See ``SqlSession.execute_many``."""
        with closing(self.cursor()) as cursor:
            cursor.executemany(text, parameters)
            return int(cursor.rowcount)

    async def close(self) -> None:
        """See ``DriverSession.close``."""
        self.connection.close()
