"""The job tables as the statements name them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sp00ky_core.errors import UnknownBackend
from sp00ky_core.ports import JobTable
from sp00ky_store_postgres.statements import quoted

__all__ = ["Tables"]


class Tables:
    """The store's tables, by backend and by name, and their quoted, qualified names."""

    def __init__(self, tables: Sequence[JobTable], schema: str) -> None:
        self.all = tuple(tables)
        self.schema = schema
        self.by_name = {table.table: table for table in tables}
        self._by_backend = {table.backend: table for table in tables}
        self._names = {table.table: quoted(schema, table.table) for table in tables}
        self.runner = quoted(schema, "sp00ky_runner")
        self.breaker = quoted(schema, "sp00ky_breaker")
        self.migration = quoted(schema, "sp00ky_migration")

    def name(self, table: JobTable) -> str:
        """A table's name in SQL."""
        return self._names[table.table]

    def of(self, backend: str) -> JobTable:
        """A backend's table. Raises ``UnknownBackend``."""
        try:
            return self._by_backend[backend]
        except KeyError:
            raise UnknownBackend(backend=backend, known=tuple(self._by_backend)) from None

    def chosen(self, backends: Iterable[str]) -> tuple[JobTable, ...]:
        """The tables of some backends, in the order that statements are built in."""
        wanted = {self.of(backend).table for backend in backends}
        return tuple(table for table in self.all if table.table in wanted)
