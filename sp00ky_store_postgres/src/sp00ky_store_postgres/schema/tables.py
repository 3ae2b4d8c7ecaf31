"""Name the job tables in statements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sp00ky_core.errors import UnknownBackend
from sp00ky_core.ports import JobTable
from sp00ky_store_postgres.sql.loader import quoted

__all__ = ["Tables", "lease_seconds"]


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
        self.control = quoted(schema, "sp00ky_control")
        self.audit = quoted(schema, "sp00ky_audit")
        self.migration = quoted(schema, "sp00ky_migration")

    def name(self, table: JobTable) -> str:
        """Return a table's name in SQL."""
        return self._names[table.table]

    def of(self, backend: str) -> JobTable:
        """Return a backend's table. Raises ``UnknownBackend``."""
        try:
            return self._by_backend[backend]
        except KeyError:
            raise UnknownBackend(backend=backend, known=tuple(self._by_backend)) from None

    def chosen(self, backends: Iterable[str]) -> tuple[JobTable, ...]:
        """Return the tables of some backends, in the order that statements are built in."""
        wanted = {self.of(backend).table for backend in backends}
        return tuple(table for table in self.all if table.table in wanted)


def lease_seconds(table: JobTable) -> str:
    """Write ``JobTable.attempt_timeout`` and the margin as an expression on ``job``, in seconds."""
    if not table.timeout_overridable:
        return f"({table.timeout + table.lease_margin!r}::float8)"
    default = f"{table.timeout!r}::float8"
    own = f"CASE WHEN job.timeout IS NULL THEN {default} ELSE least(greatest(job.timeout, 1), 86400) END"
    return f"({own} + {table.lease_margin!r}::float8)"
