"""Run the primitives of a transaction on the tables as their migrations have made them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from functools import partial
from typing import Any, ClassVar, TypeVar

from sp00ky_core.encoding.json_bytes import JsonObject, decode
from sp00ky_core.ports import QUERY_SECONDS, Column, Default, Index, JobTable
from sp00ky_core.stores.rows import UNREAD
from sp00ky_store_kit import Either, Is, Kind, Reply, Row, Session, SqlSession, Table, Where
from sp00ky_store_kit.connection.session import Update, translating
from sp00ky_store_kit.connection.sql import encoded
from sp00ky_store_kit.schema import AUDITS, BREAKERS, LIVE_STATUSES, NOT_ENDED, job_table
from sp00ky_store_postgres.connection.callers import Fetch
from sp00ky_store_postgres.errors import TOO_LONG, is_refusal, translated
from sp00ky_store_postgres.ids import canonical, is_key, keys_between
from sp00ky_store_postgres.schema.definition import KEY_COLUMNS, Tables
from sp00ky_store_postgres.selects import bounded, expression, last_entry
from sp00ky_store_postgres.sql.loader import fill, quoted, read_sql

T = TypeVar("T")

BUCKETS = ("buckets", "fine")
"""Columns that are arrays in PostgreSQL."""
ENCODERS: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("paused", "removed", "draining"), bool),  # which are 0 or 1 in other databases
    **dict.fromkeys(BUCKETS, json.loads),
    "last_error_code": str,
}
ERROR_FIELDS = {"last_error_name": "name", "last_error_code": "code"}
"""Columns that are fields of the last entry in ``errors`` in PostgreSQL."""
NEVER = [Is(name, "=", None) for name in ("created_at", "updated_at", "run_at", "lease_epoch")]
"""Conditions on a job's columns that are NOT NULL in PostgreSQL."""
MOST_FAILURES = 2**31 - 1  # what the column can hold
ARRAYS = {Kind.TEXT: "text", Kind.INTEGER: "bigint", Kind.REAL: "float8", Kind.INSTANT: "timestamptz"}

ALONE = "SELECT pg_advisory_xact_lock(hashtextextended('sp00ky ' || $1::text, 0))"

LONGEST_ROW = 2**20
"""Bytes of a query's row as JSON: a payload is no longer, where nothing else is configured."""
MOST_BYTES = 64 * 2**20
"""Bytes of all rows of a query as JSON."""
BEYOND_SERVER = 1.0
"""Seconds that the client waits longer than the server lets each statement of a query take."""


def is_jobs(table: Table) -> bool:
    """Tell whether a table is a backend's."""
    return "ordering_key" in table.kinds


class PostgresSession(SqlSession):
    """Runs a transaction. Each table is named ``job`` in its statements, for the expressions of ``selects``.

    Args:
        tables: The store's.
        fetch: Runs a statement; returns its rows.
        many: Runs one for each of many arguments.

    Attributes:
        written: The tables in which it has inserted or updated rows, qualified, as notifications name them.
    """

    types: ClassVar[Mapping[Kind, str]] = {**ARRAYS, Kind.TEXT: 'text COLLATE "C"', Kind.JSON: "json"}
    defaults: ClassVar[Mapping[Default, str]] = {
        Default.KEY: "gen_random_uuid()::text",
        Default.NOW: "clock_timestamp()",
    }
    locking = " FOR NO KEY UPDATE SKIP LOCKED"
    nulls_first: ClassVar[tuple[str, str]] = (" NULLS FIRST", " NULLS LAST")

    def __init__(
        self, tables: Tables, fetch: Fetch, many: Callable[..., Awaitable[Any]] | None = None
    ) -> None:
        # Of all else the executor knows whether it can be tried again.
        super().__init__(lambda error: translated(error, tables.location) if is_refusal(error) else error)
        self._tables = tables
        self._fetch = fetch
        self._fetch_many = many
        self.written: set[str] = set()

    def canonical(self, job_id: str) -> str:
        """See ``Session.canonical``."""
        return canonical(job_id)

    def beginning_with(self, start: str) -> list[Is]:
        """See ``Session.beginning_with``."""
        keys = keys_between(start)
        return [Is("id", "in", ())] if keys is None else [Is("id", ">=", keys[0]), Is("id", "<=", keys[1])]

    async def now(self) -> datetime:
        """See ``Session.now``."""
        rows = await self._fetch("SELECT clock_timestamp()")
        now: datetime = rows[0][0]
        return now

    async def execute(self, text: str, parameters: Sequence[Any] = ()) -> Reply:
        """See ``SqlSession.execute``."""
        counted = text.startswith(("UPDATE", "DELETE"))
        rows = await self._fetch(f"{text} RETURNING 1" if counted else text, *parameters)
        return rows, len(rows)

    async def execute_many(self, text: str, parameters: Iterable[Sequence[Any]]) -> int:
        """See ``SqlSession.execute_many``; of inserts alone, which aren't counted."""
        if self._fetch_many is None:
            raise NotImplementedError("callers' transactions are written to by enqueues alone")
        await self._fetch_many(text, parameters)
        return 0

    def _insertion(self, table: Table, names: tuple[str, ...]) -> Any:
        self._note_written(table)
        return super()._insertion(table, names)

    def _note_written(self, table: Table) -> None:
        self.written.add(f"{self._tables.schema}.{table.name}")

    async def insert_keyed(self, table: Table, row: Row) -> str:
        """See ``Session.insert_keyed``; PostgreSQL numbers such rows."""
        text, encoders = self._insertion(table, tuple(row))
        ((key,),) = await self.fetch(f"{text} RETURNING id::text", *encoded([row], encoders)[0])
        return str(key)

    async def update(self, table: Table, where: Sequence[Any], values: Mapping[str, Any]) -> int:
        """See ``Session.update``; what ``errors`` says has no columns of its own."""
        self._note_written(table)
        stored = {name: value for name, value in values.items() if name not in ERROR_FIELDS}
        return await super().update(table, where, stored)

    async def update_many(self, table: Table, updates: Sequence[Update]) -> int:
        """See ``Session.update_many``: of an extension's table those that set the same columns at once."""
        if not table.version:  # one by one, for each sets what is no column here
            return await Session.update_many(self, table, updates)
        alike: dict[Any, list[Update]] = {}
        for where, values in updates:
            asked = tuple(one.column for one in where if one.operator == "=" and one.value is not None)
            alike.setdefault((tuple(values), asked if len(asked) == len(where) else where), []).append(
                (where, values)
            )
        return sum([await self._update_alike(table, some) for some in alike.values()])

    async def _update_alike(self, table: Table, updates: Sequence[Update]) -> int:
        where, values = updates[0]
        if len(updates) == 1:
            return await self.update(table, where, values)
        self._note_written(table)
        names = [*values, *(one.column for one in where)]
        rows = [[*new.values(), *(one.value for one in asked)] for asked, new in updates]
        columns = [
            [self._encoded(table, name, value) for value in column]
            for name, column in zip(names, zip(*rows, strict=True), strict=True)
        ]
        kinds = [table.kinds[name] for name in names]
        given = ", ".join(f"${n}::{ARRAYS.get(kind, 'text')}[]" for n, kind in enumerate(kinds, 1))
        new = [f"given.c{n}{'::json' * (kind is Kind.JSON)}" for n, kind in enumerate(kinds)]
        settings = ", ".join(f"{self._name(name)} = {new[n]}" for n, name in enumerate(values))
        met = " AND ".join(
            f"{self._column_of(table, one.column)} = {new[n]}" for n, one in enumerate(where, len(values))
        )
        listed = ", ".join(f"c{n}" for n in range(len(names)))
        source = f"FROM unnest({given}) AS given({listed}) WHERE {met}"
        text = f"UPDATE {self._rows(table)} SET {settings} {source}"  # noqa: S608
        return (await self._run(text, columns))[1]

    async def alone(self, table: Table) -> bool:
        """See ``Session.alone``; one waits for the other."""
        await self.fetch(ALONE, f"{self._tables.schema}.{table.name}")
        return True

    def definition(self, table: Table, part: Column | Index | None = None) -> str:
        """See ``Session.definition``: of extensions' tables; the store's own are made by its migrations."""
        return _Definition(self._tables, self.fetch).definition(table, part)

    def may_be_null(self, table: Table, column: str) -> bool:
        """See ``SqlSession.may_be_null``; the store's own indexes have PostgreSQL's order."""
        return table.name not in KEY_COLUMNS and bool(table.version) and super().may_be_null(table, column)

    def indexed(self, table: Table, column: str) -> str:
        """See ``SqlSession.indexed``: in the order that rows are asked for."""
        nulls = self.nulls_first[0] if self.may_be_null(table, column) else ""
        return f"{super().indexed(table, column)}{nulls}"

    def removal(self, table: Table, index_name: str) -> str:
        """See ``Session.removal``."""
        return f"DROP INDEX {quoted(self._tables.schema, index_name)}"

    async def columns_of(self, table: Table) -> frozenset[str] | None:
        """See ``Session.columns_of``."""
        rows = await self.fetch(read_sql("catalog_columns"), self._tables.schema, table.name)
        return frozenset(row["name"] for row in rows if row["name"]) or None

    async def indexes_of(self, table: Table) -> frozenset[str]:
        """See ``Session.indexes_of``."""
        rows = await self.fetch(read_sql("catalog_objects"), self._table(table))
        return frozenset(row["name"] for row in rows if row["kind"] == "index")

    async def insert_missing(self, table: Table, rows: Sequence[Row]) -> None:
        """Insert rows whose key no row of the table has, on any connection; nothing is read."""
        if rows:
            text, encoders = self._insertion(table, tuple(rows[0]))
            text += f" ON CONFLICT ({self._list(table.key)}) DO NOTHING RETURNING 1"  # some drivers want rows
            for parameters in encoded(rows, encoders):
                await self.fetch(text, *parameters)

    def _setting(self, table: Table, column: str, number: int) -> str:
        if column != "updated_at" or not is_jobs(table):
            return super()._setting(table, column, number)
        # By which it is found as changed.
        return f"updated_at = greatest({self.place(number)}, job.created_at + interval '2 ms')"

    async def put(self, table: Table, rows: Sequence[Row]) -> None:
        """See ``Session.put``."""
        if not rows:
            return
        text, encoders = self._insertion(table, tuple(rows[0]))
        values = ", ".join(f"{name} = excluded.{name}" for name in map(self._name, rows[0]))
        text = f"{text} ON CONFLICT ({self._list(table.key)}) DO UPDATE SET {values}"
        await translating(self.execute_many(text, encoded(rows, encoders)), self._translate)

    async def take(self, table: Table, rows: Sequence[Row]) -> list[Row]:
        """See ``Session.take``."""
        kinds = (ARRAYS[table.kinds[name]] for name in table.key)
        given = ", ".join(f"${n}::{kind}[]" for n, kind in enumerate(kinds, 1))
        names, columns = self._list(table.key), [[row[name] for row in rows] for name in table.key]
        text = f"DELETE FROM {self._table(table)} WHERE ({names}) IN (SELECT * FROM unnest({given}))"  # noqa: S608
        taken = self._fetch(f"{text} RETURNING {names}", *columns)
        gone = {tuple(row) for row in await translating(taken, self._translate)}
        return [row for row in rows if tuple(row[name] for name in table.key) in gone]

    async def delete_first(
        self, table: Table, where: Sequence[Where], order: Sequence[str], limit: int
    ) -> tuple[int, Any]:
        """See ``Session.delete_first``."""
        if is_jobs(table) and any(condition in NEVER for condition in where):
            return 0, None
        conditions, parameters = self._filtered(table, where)
        parts = {"conditions": conditions, "order": self._ordered(table, order)}
        limited = self.place(len(parameters) + 1)
        parts["first"] = self._name(order[0].lstrip("-"))
        text = fill(read_sql("delete_first"), table=self._rows(table), limit=limited, **parts)
        ((count, least),) = await self.fetch(text, *parameters, limit)
        return count, least

    async def fetch(self, statement: str, *arguments: object) -> Sequence[Any]:
        """Run a statement of the store's own."""
        return (await self._run(statement, arguments))[0]

    async def asked(
        self, name: str, table: JobTable, where: Sequence[Where], *arguments: object, **parts: str
    ) -> Sequence[Any]:
        """Run a statement of ``sql/`` that reads rows of a backend's which meet conditions."""
        parameters = [*arguments]
        texts = [self._condition(job_table(table.table), condition, parameters) for condition in where]
        conditions = " AND ".join(texts) or "true"
        statement = self._tables.statement(name, table, conditions=conditions, **parts)
        return await self._fetch(statement, *parameters)

    async def query(self, text: str, limit: int) -> list[Any]:
        """See ``Session.query``: fetched by a cursor, so that not too much is ever read."""
        rows, size = list[Any](), 0
        try:
            async with asyncio.timeout(QUERY_SECONDS + BEYOND_SERVER):
                await self._fetch(f"SET LOCAL statement_timeout = '{QUERY_SECONDS * 1_000:.0f}ms'")
                await self._fetch(fill(read_sql("user_query"), query=text, longest=str(LONGEST_ROW)))
                while len(rows) < limit and (page := await self._fetch(read_sql("user_query_fetch"))):
                    for row in page[: limit - len(rows)]:
                        size += row["bytes"]
                        if row["json"] is None:
                            long = f"a row of it takes {row['bytes']:,} bytes as JSON"
                            raise ValueError(f"{long}, {LONGEST_ROW:,} at most")
                        if size > MOST_BYTES:
                            raise ValueError(f"its rows take more than {MOST_BYTES:,} bytes as JSON")
                        rows.append(decode(row["json"]))
        except TimeoutError as error:
            raise ValueError(TOO_LONG) from error
        return rows

    def place(self, number: int) -> str:
        """See ``SqlSession.place``."""
        return f"${number}"

    def encoder(self, table: Table, column: str) -> Callable[[Any], Any] | None:
        """See ``SqlSession.encoder``."""
        if table is BREAKERS and column == "failures":
            return partial(min, MOST_FAILURES)
        if table is AUDITS and column == "id":
            return int
        return ENCODERS.get(column) if is_jobs(table) or table.name in KEY_COLUMNS else None

    def decoder(self, table: Table, column: str) -> Callable[[Any], Any] | None:
        """See ``SqlSession.decoder``; a trigger lets no other payloads than objects be written."""
        return _payload if column == "payload" else None

    def _table(self, table: Table) -> str:
        return quoted(self._tables.schema, table.name)

    def _rows(self, table: Table) -> str:
        return f"ONLY {self._table(table)} AS job"

    def _source(self, table: Table, conditions: str, end: str | None = None) -> str:
        """Select the rows that are processing apart from all others, which an index has in their order.

        Those of a trace are found first, and then put in order: the planner takes them for one in 200.
        """
        if end and 'job."traceparent"' in conditions:
            return f"(SELECT * FROM {self._rows(table)}{conditions} OFFSET 0) AS job{end}"  # noqa: S608
        by_age = end is None or end.startswith(' ORDER BY job."created_at"')
        if not by_age or not is_jobs(table) or 'job."status"' in conditions:
            return super()._source(table, conditions, end or "")
        start, end = f"{conditions} AND" if conditions else " WHERE", end or ""
        columns = "*" if end else ""  # a count reads none
        halves = (
            f"(SELECT {columns} FROM {self._rows(table)}{start} job.status {sign} 'processing'{end})"  # noqa: S608
            for sign in ("<>", "=")
        )
        return f"({' UNION ALL '.join(halves)}) AS job{end}"

    def _column_of(self, table: Table, column: str) -> str:
        if column in ERROR_FIELDS:
            return last_entry(ERROR_FIELDS[column])
        name = f"job.{self._name(column)}"
        if column == "traceparent":
            return f'left({name}, 64) COLLATE "C"'  # as the index has it; a trace's have the same beginning
        if table is BREAKERS and table.kinds[column] is Kind.INSTANT:  # on which there is no CHECK
            return bounded(name)
        return name

    def _condition(self, table: Table, where: Where, parameters: list[Any]) -> str:
        """Leave out, of several conditions, those that no row meets: no index has an order for them."""
        if isinstance(where, Either) and is_jobs(table):
            where = Either(tuple(condition for condition in where.conditions if condition not in NEVER))
        return super()._condition(table, where, parameters)

    def _comparison(self, table: Table, where: Is, parameters: list[Any]) -> str:
        if where.column == "id" and (is_jobs(table) or table is AUDITS):
            where = _with_keys(where, is_key if is_jobs(table) else is_number)
        if where == NOT_ENDED and is_jobs(table):  # there are no other statuses, and the indexes say it so
            where = Is("status", "in", LIVE_STATUSES)
        if where.operator == "in" and len(where.value) == 1:  # which keeps an index's order
            (value,) = where.value
            where = Is(where.column, "=", value)
        is_list = where.operator in {"in", "not in"} and where.value
        if not is_list or all(isinstance(item, Enum) for item in where.value):
            return super()._comparison(table, where, parameters)
        kind = "uuid" if is_jobs(table) and where.column == "id" else ARRAYS[table.kinds[where.column]]
        parameters.append([self._encoded(table, where.column, item) for item in where.value])
        sign = "= ANY" if where.operator == "in" else "<> ALL"
        column, place = self._column_of(table, where.column), self.place(len(parameters))
        return f"{column} {sign} ({place}::{kind}[])"

    def _readable(self, table: Table, column: str, longest: int | None) -> str:
        if is_jobs(table):
            return expression(column, longest)
        name = self._column_of(table, column)
        if column in BUCKETS:
            return f"to_json({name})::text"
        return f"{name}::text" if table.kinds[column] is Kind.JSON or column == "id" else name


def _with_keys(where: Is, is_one: Callable[[str], object]) -> Is:
    """Return a condition on ids without those that can be no row's; perhaps none is left."""
    if where.operator in {"in", "not in"}:
        return Is("id", where.operator, list(filter(is_one, where.value)))
    return where if is_one(where.value) else Is("id", "in", ())


def is_number(key: str) -> bool:
    """Tell whether it is a key of rows that PostgreSQL numbers."""
    return key.isascii() and key.isdigit() and len(key) < len(str(2**63))


def _payload(text: str) -> str | JsonObject:
    return text if text == UNREAD else JsonObject(text.encode())


class _Definition(PostgresSession):
    """Writes columns as a definition has them: no statement names the table there."""

    definition = SqlSession.definition

    def _column_of(self, table: Table, column: str) -> str:
        return self._name(column)


def one_by_one(fetch: Fetch) -> Callable[..., Awaitable[None]]:
    """Return what inserts rows by a statement for each, as every kind of a caller's connection can."""

    async def insert(statement: str, rows: Iterable[Sequence[Any]]) -> None:
        for row in rows:
            await fetch(f"{statement} RETURNING 1", *row)  # some drivers want rows

    return insert
