"""Speak MySQL's and MariaDB's SQL: their types, their indexes, their clock, what is in their catalogue."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any, ClassVar

from sp00ky_core.errors import StoreError, StoreUnavailable
from sp00ky_core.ports import Column, Default, Finding, Kind, Table
from sp00ky_store_mysql.updates import UpdatesByCase
from sp00ky_store_mysql.whole_indexes import WholeIndexes

__all__ = ["COLLATIONS", "MysqlDialect"]

LONGEST_INDEXED = 500
"""Characters of a text that stand in an index, where its whole length doesn't fit beside other columns."""

COLLATIONS = {"MariaDB": "utf8mb4_nopad_bin", "MySQL": "utf8mb4_0900_bin"}
"""Collations that compare byte by byte, trailing blanks included."""

CATALOGUE = "SELECT {} FROM information_schema.{} WHERE table_schema = database() AND table_name = %s"
"""Asks for the columns and the indexes that a table has."""

LOCK, MIGRATION = "concat('sp00ky ', md5(database()))", 60
"""What a migration locks, and the seconds that it waits for another one's."""


def to_datetime(instant: datetime) -> str:
    """Encode an instant, in UTC, as MySQL writes it."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(" ")


def from_datetime(value: Any) -> Any:
    """Decode an instant; what another client has written otherwise, such as a zero date, stays as it is."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


class MysqlDialect(WholeIndexes, UpdatesByCase):
    """Has what all sessions of this store have in common, whoever's the connection is."""

    undoes_statements = True
    placeholder = "%s"
    quote = "`"
    locking = " FOR UPDATE SKIP LOCKED"
    by_key = " FORCE INDEX (PRIMARY)"
    table_options = " ENGINE=InnoDB"
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
