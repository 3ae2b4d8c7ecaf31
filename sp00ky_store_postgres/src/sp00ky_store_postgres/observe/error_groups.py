"""Group jobs by their last error."""

from __future__ import annotations

from datetime import datetime

from sp00ky_core.ports import ErrorGroup
from sp00ky_core.stores.filters import BEGINNING
from sp00ky_core.stores.ids import job_id as id_of
from sp00ky_store_postgres.part import StorePart
from sp00ky_store_postgres.rows import last_entry, readable


class ErrorGroups(StorePart):
    """A part of the store: groups of errors."""

    async def errors(self, *, since: datetime | None = None, limit: int = 100) -> list[ErrorGroup]:
        """See ``ErrorGroups.errors``."""
        groups: list[ErrorGroup] = []
        for table in self._executor.tables.all:
            given = since or BEGINNING, limit
            parts = {"entry": last_entry(), "path": readable("path")}
            rows = await self._executor.query("error_groups", *given, table=table, **parts)
            for row in rows:
                example = id_of(table.table, row["example"])
                groups.append(ErrorGroup(backend=table.backend, **{**row, "example": example}))
        return sorted(groups, key=lambda each: (each.count, each.last), reverse=True)[:limit]
