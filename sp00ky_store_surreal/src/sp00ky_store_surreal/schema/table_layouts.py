"""Look whether the tables have been migrated, and what they can hold."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from sp00ky_core.errors import SchemaError
from sp00ky_core.ports import JobTable
from sp00ky_store_surreal.connection.conflict_retries import Connection
from sp00ky_store_surreal.errors import TableMissing
from sp00ky_store_surreal.rows import ResultField
from sp00ky_store_surreal.schema.own_tables import OWN_TABLES
from sp00ky_store_surreal.schema.table_definitions import NO_JOB_TABLE, TableLayout, read_layout

_log = logging.getLogger(__name__)

REFRESH = 15.0
"""Seconds after which a runner reads the tables' definitions again."""


class TableLayouts:
    """Knows what the tables can hold: read at the first use, after a migration, and now and then.

    On 2.3 a write of a field that isn't defined is dropped without an error: a claim would have no lease.
    """

    def __init__(self, connection: Connection, tables: Sequence[JobTable]) -> None:
        self.connection: Connection = connection
        self._tables = tables
        self._layouts: dict[str, TableLayout] = {}
        self._read_at = 0.0
        self._gone: dict[str, TableMissing] = {}  # since they were there
        self._logged: set[str] = set()

    async def ensure(self) -> Connection:
        """Read the tables once; return the connection to them.

        Raises ``SchemaError`` where a table is missing or lacks our fields.
        """
        if self._layouts:
            return self.connection
        names = [*(table.table for table in self._tables), *OWN_TABLES]
        layouts = await read_layout(self.connection, names)
        for name, layout in layouts.items():
            problem = _problem(layout)
            if problem:
                raise SchemaError(store=self.connection.target.location, problem=f"table {name!r} {problem}")
        self._layouts, self._read_at = layouts, time.monotonic()
        return self.connection

    async def refresh(self) -> None:
        """Read the tables again, once in a while: another process may have repaired or migrated them."""
        if self._layouts and time.monotonic() - self._read_at >= REFRESH:
            self._read_at = time.monotonic()
            await self._read(self._layouts)

    def forget(self) -> None:
        """Look again at the next use."""
        self._layouts = {}
        self._gone = {}

    @contextmanager
    def passing_over(self) -> Iterator[None]:
        """Bear with a job table that went away: the jobs of other backends mustn't wait for it."""
        try:
            yield
        except TableMissing as error:
            self.note(error)

    def note(self, error: TableMissing) -> None:
        """Take note that a table was removed. Raises the error where it is no job table."""
        if all(table.table != error.table for table in self._tables):
            raise error
        if error.table not in self._gone:
            _log.warning(
                "table %r is gone; until it is there again its jobs wait: sp00ky migrate", error.table
            )
        self._gone[error.table] = error

    async def there(self, tables: Iterable[JobTable]) -> list[JobTable]:
        """Return those that are known to be there. Raises ``SchemaError`` where all of them are gone."""
        await self.ensure()
        wanted = list(tables)
        if not self._gone:
            return wanted
        if gone := [table.table for table in wanted if table.table in self._gone]:
            for name in await self._read(gone):
                self._gone.pop(name, None)
        present = [table for table in wanted if table.table not in self._gone]
        if wanted and not present:
            raise self._gone[wanted[0].table]
        return present

    async def _read(self, names: Iterable[str]) -> Iterable[str]:
        """Read tables again, and keep the layouts of those that are as they must be; name these."""
        layouts = await read_layout(self.connection, list(names))
        sound = {name: layout for name, layout in layouts.items() if not _problem(layout)}
        self._layouts = {**self._layouts, **sound}
        return sound

    def without_entries(self) -> set[str]:
        """Name the backends whose ``errors`` can't hold entries; each is logged once."""
        backends = {table.backend for table in self._tables if not self._layouts[table.table].holds_entries}
        for backend in sorted(backends - self._logged):
            _log.warning(
                "the table of %s can't hold entries in errors: what goes wrong isn't kept on its rows; "
                "run: sp00ky migrate --repair",
                backend,
            )
        self._logged = backends
        return backends

    def results(self) -> dict[str, ResultField]:
        """Return what each backend's ``result`` takes."""
        return {table.backend: self._layouts[table.table].result for table in self._tables}

    def whole_seconds(self) -> set[str]:
        """Name the backends whose ``timeout`` takes whole numbers only."""
        return {table.backend for table in self._tables if self._layouts[table.table].whole_seconds}


def _problem(layout: TableLayout) -> str:
    if not layout.exists:
        return "is missing: run: sp00ky migrate"
    if layout.name not in OWN_TABLES and not layout.is_job_table:
        return NO_JOB_TABLE
    return "" if layout.is_migrated else "lacks fields or indexes that the outbox needs: run: sp00ky migrate"
