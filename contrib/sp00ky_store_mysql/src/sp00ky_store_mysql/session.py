"""Run a transaction on MySQL or MariaDB: their types, their clock, and what is in their catalogue."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from asyncmy.converters import escape_string

from sp00ky_core.errors import RowRefused, StoreError
from sp00ky_core.ports import QUERY_SECONDS, Finding
from sp00ky_core.stores.transactional import AsyncSession, Column, Default, Kind, Reply, SqlSession, Table

__all__ = ["MysqlDialect", "MysqlSession", "collation_of"]

SHORT = 250_000
"""Characters that fit any packet that a server takes, however they are escaped."""

LONGEST_INDEXED = 500
"""Characters of a text that stand in an index, where its whole length doesn't fit beside other columns."""


OLDEST = {"MariaDB": (10, 11), "MySQL": (8, 0)}

COLLATIONS = {"MariaDB": "utf8mb4_nopad_bin", "MySQL": "utf8mb4_0900_bin"}
"""Those that compare byte by byte, trailing blanks included."""


def collation_of(version: str, store: str) -> str:
    """Return the collation that a server has for keys. Raises ``StoreError`` where the server is too old."""
    kind = "MariaDB" if "MariaDB" in version else "MySQL"
    numbers = re.search(r"(\d+)\.(\d+)", version.removeprefix("5.5.5-"))
    if numbers is None or (int(numbers[1]), int(numbers[2])) < OLDEST[kind]:
        oldest = ".".join(map(str, OLDEST[kind]))
        problem = f"the server is too old: {kind} {oldest} or newer is needed, and it is {version}"
        raise StoreError(store=store, problem=problem)
    return COLLATIONS[kind]


def to_datetime(instant: datetime) -> str:
    """Encode an instant, in UTC, as MySQL writes it."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(" ")


def from_datetime(value: Any) -> Any:
    """Decode an instant; what another client has written otherwise, such as a zero date, stays as it is."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


class MysqlDialect(SqlSession):
    """What all sessions here have in common, whoever's the connection is."""

    undoes_statements = True
    placeholder = "%s"
    quote = "`"
    locking = " FOR UPDATE SKIP LOCKED"
    table_options = " ENGINE=InnoDB"
    partial_indexes = False
    collation = COLLATIONS["MariaDB"]
    types: ClassVar[Mapping[Kind, str]] = {
        Kind.TEXT: "LONGTEXT",
        Kind.INTEGER: "BIGINT",
        Kind.REAL: "DOUBLE",
        Kind.JSON: "LONGTEXT",
        Kind.INSTANT: "DATETIME(6)",
    }
    defaults: ClassVar[Mapping[Default, str]] = {
        Default.KEY: "(replace(uuid(), '-', ''))",
        Default.NOW: "(utc_timestamp(6))",
    }
    encoders: ClassVar[Mapping[Kind, Callable[[Any], Any]]] = {Kind.INSTANT: to_datetime}
    decoders: ClassVar[Mapping[Kind, Callable[[Any], Any]]] = {Kind.INSTANT: from_datetime}

    def type_of(self, column: Column) -> str:
        """See ``SqlSession.type_of``: texts are compared byte by byte, trailing blanks included."""
        known = f"VARCHAR({column.length})" if column.length else self.types[column.kind]
        is_text = column.kind in {Kind.TEXT, Kind.JSON}
        return f"{known} CHARACTER SET utf8mb4 COLLATE {self.collation}" if is_text else known

    def indexed(self, table: Table, column: str) -> str:
        """See ``SqlSession.indexed``."""
        length = next(each.length or 0 for each in table.columns if each.name == column)
        return f"{self._name(column)}({LONGEST_INDEXED})" if length > LONGEST_INDEXED else self._name(column)

    def removal(self, table: Table, index_name: str) -> str:
        """See ``Session.removal``."""
        return f"{super().removal(table, index_name)} ON {self._name(table.name)}"

    async def now(self) -> datetime:
        """See ``Session.now``."""
        rows, _ = await self._run("SELECT utc_timestamp(6)")
        now: datetime = from_datetime(rows[0][0])
        return now

    async def columns_of(self, table: Table) -> frozenset[str] | None:
        """See ``Session.columns_of``."""
        rows = await self._seen("column_name", "columns", table)
        return frozenset(name for (name,) in rows) or None

    async def indexes_of(self, table: Table) -> frozenset[str]:
        """See ``Session.indexes_of``."""
        return frozenset(name for (name,) in await self._seen("index_name", "statistics", table))

    async def _seen(self, columns: str, view: str, table: Table) -> Sequence[Sequence[Any]]:
        where = "table_schema = database() AND table_name = %s"
        text = f"SELECT DISTINCT {columns} FROM information_schema.{view} WHERE {where}"
        return (await self._run(text, (table.name,)))[0]

    async def findings(self, table: Table) -> list[Finding]:
        """See ``Session.findings``: another engine, or texts that are compared other than byte by byte."""
        texts = [name for name, kind in table.kinds.items() if kind is Kind.TEXT]
        other = [
            f"its column {name} has the collation {collation}"
            for name, collation in await self._seen("column_name, collation_name", "columns", table)
            if name in texts and collation not in COLLATIONS.values()
        ]
        for (engine,) in await self._seen("engine", "tables", table):
            other[:0] = [f"its engine is {engine}"] if engine != "InnoDB" else []
        name = self._name(table.name)
        change = f"ENGINE=InnoDB, CONVERT TO CHARACTER SET utf8mb4 COLLATE {self.collation}"
        consequence = "what is undone stays, no row can be locked, or different keys count as the same"
        fix = f"ALTER TABLE {name} {change}"
        return [Finding.stopping(table.name, problem, consequence, fix) for problem in other[:1]]

    async def refuse_too_long(self, parameters: Sequence[Any]) -> None:
        """Refuse a row before the server does, which would close the connection. Raises ``RowRefused``."""
        texts = [each for each in parameters if isinstance(each, str)]
        if sum(map(len, texts)) <= SHORT:
            return
        rows, _ = await self.execute("SELECT @@max_allowed_packet")
        size, most = sum(len(escape_string(each).encode()) for each in texts), int(rows[0][0])
        if size + SHORT > most:
            problem = f"a row of {size} bytes doesn't fit max_allowed_packet, which is {most}"
            raise RowRefused(store="the database", problem=problem)


class MysqlSession(MysqlDialect, AsyncSession):
    """A session on an asyncmy or an aiomysql connection.

    Args:
        connection: The connection.
        translate: See ``SqlSession``.
        end: Ends what the server does for a thread of its own.
        collation: Of the columns that it defines.
    """

    def __init__(
        self,
        connection: Any,
        translate: Callable[[Exception], Exception],
        end: Callable[[int], Awaitable[None]] | None = None,
        collation: str = MysqlDialect.collation,
    ) -> None:
        super().__init__(connection, translate)
        self._end = end
        self.collation = collation

    async def execute(self, text: str, parameters: Sequence[Any] = ()) -> Reply:
        """See ``SqlSession.execute``."""
        await self.refuse_too_long(parameters)
        return await super().execute(text, parameters or None)  # type: ignore[arg-type]

    async def execute_many(self, text: str, parameters: Iterable[Sequence[Any]]) -> None:
        """See ``SqlSession.execute_many``."""
        rows = list(parameters)
        for row in rows:
            await self.refuse_too_long(row)
        await super().execute_many(text, rows)

    async def query(self, text: str, limit: int) -> list[Any]:
        """See ``Session.query``: it is prepared, so that it is one statement and no more."""
        try:
            async with asyncio.timeout(QUERY_SECONDS), self.cursor() as cursor:
                await cursor.execute("PREPARE sp00ky FROM %s", (text,))
                await cursor.execute("EXECUTE sp00ky")
                names = [column[0] for column in cursor.description or ()]
                rows = await cursor.fetchmany(limit) if names else ()
                return [dict(zip(names, row, strict=True)) for row in rows]
        except TimeoutError as error:
            raise ValueError(f"it takes longer than {QUERY_SECONDS:.0f} seconds") from error

    async def close(self) -> None:
        """See ``AsyncSession.close``."""
        await self.connection.ensure_closed()

    async def abandon(self) -> None:
        """See ``AsyncSession.abandon``: the server would go on until the end of the statement."""
        thread = self.connection.thread_id()
        self.connection.close()
        if self._end is not None:
            await self._end(thread)
