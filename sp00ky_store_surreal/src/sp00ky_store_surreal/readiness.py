"""Whether the tables have been migrated, and what they can hold."""

from __future__ import annotations

from collections.abc import Sequence

from sp00ky_core.errors import SchemaError
from sp00ky_core.ports import JobTable
from sp00ky_store_surreal.connection import Connection
from sp00ky_store_surreal.layout import TableLayout, read_layout
from sp00ky_store_surreal.migrate import NO_JOB_TABLE, OWN_TABLES

__all__ = ["Readiness"]


class Readiness:
    """Looked up at the first use, and again after a migration.

    On 2.3 a write of a field that isn't defined is dropped without an error: a claim would have no lease.
    """

    def __init__(self, connection: Connection, tables: Sequence[JobTable]) -> None:
        self._connection = connection
        self._tables = tables
        self._layouts: dict[str, TableLayout] | None = None

    async def ensure(self) -> None:
        """Raises ``SchemaError`` where a table is missing or lacks our fields."""
        if self._layouts is not None:
            return
        names = [*(each.table for each in self._tables), *OWN_TABLES]
        layouts = await read_layout(self._connection, names)
        for name, layout in layouts.items():
            problem = _problem(layout, own=name in OWN_TABLES)
            if problem:
                raise SchemaError(store=self._connection.target.location, problem=f"table {name!r} {problem}")
        self._layouts = layouts

    def forget(self) -> None:
        """Look again at the next use."""
        self._layouts = None

    def without_entries(self) -> set[str]:
        """Backends whose ``errors`` can't hold entries."""
        layouts = self._layouts or {}
        return {each.backend for each in self._tables if not layouts[each.table].holds_entries}

    def whole_seconds(self) -> set[str]:
        """Backends whose ``timeout`` takes whole numbers only."""
        layouts = self._layouts or {}
        return {each.backend for each in self._tables if layouts[each.table].whole_seconds}


def _problem(layout: TableLayout, *, own: bool) -> str:
    if not layout.exists:
        return "is missing: run: sp00ky migrate"
    if not own and not layout.is_job_table:
        return NO_JOB_TABLE
    return "" if own or layout.is_migrated else "lacks fields or indexes of ours: run: sp00ky migrate"
