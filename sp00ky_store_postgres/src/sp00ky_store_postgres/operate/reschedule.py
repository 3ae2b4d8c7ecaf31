"""Change when pending jobs are due, or their priority; step over what the database refuses."""

from __future__ import annotations

from collections.abc import Sequence

from sp00ky_core.ports import JobTable, Reschedule
from sp00ky_core.stores.ids import job_id as id_of
from sp00ky_core.stores.isolation import write_around
from sp00ky_store_postgres.connection.executor import Executor, Row
from sp00ky_store_postgres.connection.workload import Workload
from sp00ky_store_postgres.ids import keys_by_table
from sp00ky_store_postgres.schema.tables import Tables
from sp00ky_store_postgres.sql.loader import fill, read_sql

__all__ = ["Reschedules"]


class Reschedules:
    """Changes pending jobs."""

    def __init__(self, executor: Executor, tables: Tables) -> None:
        self._executor = executor
        self._tables = tables

    async def reschedule(self, job_ids: Sequence[str], change: Reschedule) -> dict[str, str | None]:
        """Change those of these jobs that are pending; their ids, with what the database said of one."""
        results: dict[str, str | None] = {}
        for name, keys in keys_by_table(job_ids).items():
            table = self._tables.by_name.get(name)
            if table is not None:
                results |= await self._write(table, keys, change)
        return results

    async def _write(self, table: JobTable, keys: Sequence[str], change: Reschedule) -> dict[str, str | None]:
        statement = fill(read_sql("reschedule"), table=self._tables.name(table))
        delay = None if change.delay is None else float(change.delay)

        async def write(some: Sequence[str]) -> list[Row]:
            arguments = some, change.run_at, delay, change.priority
            return await self._executor.fetch(Workload.REST, statement, *arguments)

        rows, refused = await write_around(keys, write)
        kept = {id_of(table.table, key): error.problem for key, error in refused.items()}
        return {id_of(table.table, str(row[0])): None for row in rows} | kept
