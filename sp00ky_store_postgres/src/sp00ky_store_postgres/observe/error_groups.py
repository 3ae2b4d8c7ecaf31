"""Group jobs by their last error."""

from __future__ import annotations

from datetime import datetime

from sp00ky_core.ports import ErrorGroup
from sp00ky_core.stores.filters import BEGINNING
from sp00ky_core.stores.ids import job_id as id_of
from sp00ky_store_postgres.connection.executor import Executor
from sp00ky_store_postgres.rows import last_entry, readable


async def error_groups(executor: Executor, since: datetime | None, limit: int) -> list[ErrorGroup]:
    """Return the largest groups of what was changed since an instant."""
    groups: list[ErrorGroup] = []
    for table in executor.tables.all:
        given = since or BEGINNING, limit
        parts = {"entry": last_entry(), "path": readable("path")}
        rows = await executor.query("error_groups", *given, table=table, **parts)
        for row in rows:
            example = id_of(table.table, row["example"])
            groups.append(ErrorGroup(backend=table.backend, **{**row, "example": example}))
    return sorted(groups, key=lambda each: (each.count, each.last), reverse=True)[:limit]
