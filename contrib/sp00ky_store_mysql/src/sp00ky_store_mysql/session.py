"""Run a transaction on MySQL or MariaDB: their types, their clock, and what is in their catalogue."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, closing, suppress
from datetime import UTC, datetime
from typing import Any, ClassVar

from asyncmy.converters import escape_string

from sp00ky_core.errors import RowRefused, StoreError, StoreUnavailable
from sp00ky_core.ports import Finding
from sp00ky_core.stores.transactional import AsyncSession, Column, Default, Kind, SqlSession, Table
from sp00ky_store_mysql.errors import is_full

__all__ = ["PATIENCE", "SILENCE", "MysqlDialect", "MysqlSession", "collation_of"]

SHORT = 250_000
"""Characters that fit any packet that a server takes, however they are escaped."""

LONGEST_INDEXED = 500
"""Characters of a text that stand in an index, where its whole length doesn't fit beside other columns."""

OLDEST = {"MariaDB": (10, 11), "MySQL": (8, 0)}

COLLATIONS = {"MariaDB": "utf8mb4_nopad_bin", "MySQL": "utf8mb4_0900_bin"}
"""Those that compare byte by byte, trailing blanks included."""

READS = ("SELECT", "WITH", "VALUES")
"""What a query begins with."""

PATIENCE = 5
"""Seconds that a transaction waits for another one's lock, or for a connection."""

SILENCE = 2
"""Seconds without an answer, after which a connection is doubted."""

CATALOGUE = "SELECT {} FROM information_schema.{} WHERE table_schema = database() AND table_name = %s"
"""What there is of a table."""

THREAD = "SELECT id FROM information_schema.processlist WHERE id = %s AND host = %s"
"""A thread's number alone may be another one's by now, on a server that was restarted, or took over."""

LOCK, MIGRATION = "concat('sp00ky ', md5(database()))", 60
"""What a migration locks, and the seconds that it waits for another one's."""


def collation_of(version: str, store: str) -> str:
    """Return the collation that a server has for keys. Raises ``StoreError`` where the server is too old."""
    kind = "MariaDB" if "MariaDB" in version else "MySQL"
    numbers = re.search(r"(\d+)\.(\d+)", version.removeprefix("5.5.5-"))
    if numbers is None or (int(numbers[1]), int(numbers[2])) < OLDEST[kind]:
        needed = f"{kind} {'.'.join(map(str, OLDEST[kind]))} or newer is needed"
        raise StoreError(store=store, problem=f"the server is too old: {needed}, and it is {version}")
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
    by_key = " FORCE INDEX (PRIMARY)"
    table_options = " ENGINE=InnoDB"
    partial_indexes = False
    column_names = CATALOGUE.format("column_name", "columns")
    index_names = CATALOGUE.format("index_name", "statistics")
    collation: str = COLLATIONS["MariaDB"]
    types: ClassVar[Mapping[Kind, str]] = {
        Kind.TEXT: "LONGTEXT CHARACTER SET utf8mb4 COLLATE {}",
        Kind.INTEGER: "BIGINT",
        Kind.REAL: "DOUBLE",
        Kind.JSON: "LONGTEXT CHARACTER SET utf8mb4 COLLATE {}",
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
        known = self.types[column.kind].format(self.collation)
        return known.replace("LONGTEXT", f"VARCHAR({column.length})") if column.length else known

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
        now: datetime = rows[0][0]
        return now.replace(tzinfo=UTC)

    @asynccontextmanager
    async def migrating(self) -> AsyncIterator[None]:
        """See ``Session.migrating``."""
        rows, _ = await self._run(f"SELECT GET_LOCK({LOCK}, {MIGRATION})")
        if rows[0][0] != 1:
            raise StoreUnavailable(store="the database", problem="another process is migrating it")
        try:
            yield
            await self._run("COMMIT")
        finally:
            with suppress(StoreError):
                await self._run(f"SELECT RELEASE_LOCK({LOCK})")

    async def findings(self, table: Table) -> list[Finding]:
        """See ``Session.findings``: another engine, or texts that are compared other than byte by byte."""
        texts = [name for name, kind in table.kinds.items() if kind is Kind.TEXT]
        columns = await self.listed(CATALOGUE.format("column_name, collation_name", "columns"), table)
        other = [
            f"its column {name} has the collation {collation}"
            for name, collation in columns
            if name in texts and collation not in COLLATIONS.values()
        ]
        engines = await self.listed(CATALOGUE.format("engine", "tables"), table)
        other = [*(f"its engine is {engine}" for (engine,) in engines if engine != "InnoDB"), *other]
        consequence = "what is undone stays, no row can be locked, or different keys count as the same"
        change = f"ENGINE=InnoDB, CONVERT TO CHARACTER SET utf8mb4 COLLATE {self.collation}"
        fix = f"ALTER TABLE {self._name(table.name)} {change}"
        return [Finding.stopping(table.name, problem, consequence, fix) for problem in other[:1]]


class MysqlSession(MysqlDialect, AsyncSession):
    """A session on an asyncmy or an aiomysql connection.

    Attributes:
        thread: What the server has for it, and whence it was reached; on the store's own connections.
        another: Opens another connection like it.
    """

    thread: Sequence[Any]
    another: Callable[[], Awaitable[MysqlSession]]

    async def execute_many(self, text: str, parameters: Iterable[Sequence[Any]]) -> None:
        """See ``SqlSession.execute_many``: a row that is too long costs no connection."""
        rows = list(parameters)
        for row in rows:
            texts = [each for each in row if isinstance(each, str)]
            if sum(map(len, texts)) > SHORT:
                await self._refuse_too_long(sum(len(escape_string(each).encode()) for each in texts))
        await super().execute_many(text, rows)

    async def _refuse_too_long(self, size: int) -> None:
        rows, _ = await self.execute("SELECT @@max_allowed_packet")
        if size + SHORT > int(rows[0][0]):
            problem = f"a row of {size} bytes doesn't fit max_allowed_packet, which is {rows[0][0]}"
            raise RowRefused(store="the database", problem=problem)

    async def query(self, text: str, limit: int) -> list[Any]:
        """See ``Session.query``: it is prepared, so that it is one statement and no more.

        A definition isn't kept from by a transaction that only reads: what the query begins with is.
        """
        if not text.lstrip(" \t\r\n(").upper().startswith(READS):
            raise ValueError(f"it begins with none of {', '.join(READS)}")
        await self.execute("PREPARE sp00ky FROM %s", (text,))
        return await super().query("EXECUTE sp00ky", limit)

    async def close(self) -> None:
        """See ``AsyncSession.close``."""
        await self.connection.ensure_closed()

    async def is_at_work(self) -> bool:
        """See ``AsyncSession.is_at_work``: a server that takes no more connections may be."""
        try:
            return await self._asked(f"{THREAD} AND (command <> 'Sleep' OR time < {SILENCE})")
        except Exception as error:
            if is_full(error):
                return True
            raise

    async def abandon(self) -> None:
        """See ``AsyncSession.abandon``: the server would go on until the end of the statement."""
        self.connection.close()
        await self._asked(THREAD, end=True)

    async def _asked(self, text: str, *, end: bool = False) -> bool:
        """Whether there is such a thread, which may be ended."""
        async with asyncio.timeout(PATIENCE):
            other = await self.another()
            with closing(other.connection):
                rows, _ = await other.execute(text, self.thread)
                if rows and end:
                    await other.execute(f"KILL {rows[0][0]}")
                return bool(rows)
