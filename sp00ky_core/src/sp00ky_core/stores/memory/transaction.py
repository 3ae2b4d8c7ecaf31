"""A caller's transaction on the memory store: jobs that are there when it commits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Self

from sp00ky_core.errors import StoreError
from sp00ky_core.stores.memory.index import met
from sp00ky_core.stores.memory.session import MemorySession, Tables
from sp00ky_core.stores.memory.table import in_order
from sp00ky_core.stores.transactional.connection.session import Row, Where
from sp00ky_core.stores.transactional.schema.definition import Table


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
        return {(table.name, self._tables[table].held[key]["dedup_key"]) for key, table in self.held.items()}

    def _rows(
        self, table: Table, where: Sequence[Where], order: Sequence[str] = (), limit: int | None = None
    ) -> list[Row]:
        """Return what others see, and its own jobs."""
        stored = self._tables[table]
        own = [stored.held[key] for key, of in self.held.items() if of is table]
        own = [row for row in own if all(met(row, each) for each in where)]
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
