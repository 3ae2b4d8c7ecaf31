"""Do in the tables of the memory store what a transaction asks for, and undo it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Any

from sp00ky_core.encoding.json_bytes import decode
from sp00ky_core.errors import RowRefused
from sp00ky_core.stores.memory.table import MemoryTable
from sp00ky_core.stores.rows import UNREAD
from sp00ky_core.stores.transactional.connection.session import NO_LENGTHS, Row, Session, Where
from sp00ky_core.stores.transactional.schema.definition import Table


class Tables:
    """Tables by name, each made when it is asked for first.

    Attributes:
        now: The clock of all of them.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self._tables: dict[str, MemoryTable] = {}

    def __getitem__(self, table: Table) -> MemoryTable:
        found = self._tables.get(table.name)
        if found is None:
            found = self._tables[table.name] = MemoryTable(table)
        return found


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
