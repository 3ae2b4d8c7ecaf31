"""Group jobs by their last error."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sp00ky_core.ports import ErrorGroup, JobTable
from sp00ky_core.stores.filters import BEGINNING
from sp00ky_core.stores.ids import job_id as id_of
from sp00ky_store_postgres.connection.executor import Executor
from sp00ky_store_postgres.connection.workload import Workload
from sp00ky_store_postgres.observe.filters import last_entry
from sp00ky_store_postgres.schema.tables import Tables
from sp00ky_store_postgres.sql.loader import fill, read_sql

__all__ = ["Errors"]


class Errors:
    """Reads groups of errors."""

    def __init__(self, executor: Executor, tables: Tables) -> None:
        self._executor = executor
        self._tables = tables

    async def read(self, since: datetime | None, limit: int) -> list[ErrorGroup]:
        """See ``Store.errors``."""
        groups: list[ErrorGroup] = []
        for table in self._tables.all:
            statement = fill(read_sql("errors"), table=self._tables.name(table), entry=last_entry())
            rows = await self._executor.fetch(Workload.REST, statement, since or BEGINNING, limit)
            groups += [_group_of(row, table) for row in rows]
        return sorted(groups, key=lambda each: (each.count, each.last), reverse=True)[:limit]


def _group_of(row: Any, table: JobTable) -> ErrorGroup:
    fields = dict(row)
    return ErrorGroup(backend=table.backend, **{**fields, "example": id_of(table.table, row["example"])})
