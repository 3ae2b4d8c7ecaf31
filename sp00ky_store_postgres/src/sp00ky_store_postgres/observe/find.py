"""Read jobs: one, pages of them, how many meet conditions."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sp00ky_core.errors import JobNotFound
from sp00ky_core.job import Job
from sp00ky_core.ports import JobFilter, JobQuery
from sp00ky_core.stores.filters import age_of
from sp00ky_core.stores.ids import job_id as id_of
from sp00ky_store_postgres.connection.executor import Executor
from sp00ky_store_postgres.connection.workload import Workload
from sp00ky_store_postgres.ids import canonical, keys_by_table, with_canonical_ids
from sp00ky_store_postgres.observe.filters import select, select_count, tables_of
from sp00ky_store_postgres.rows import WHOLE, whole_jobs
from sp00ky_store_postgres.schema.tables import Tables
from sp00ky_store_postgres.sql.loader import fill, read_sql

__all__ = ["Reads"]


class Reads:
    """Reads jobs, whole."""

    def __init__(self, executor: Executor, tables: Tables) -> None:
        self._executor = executor
        self._tables = tables

    async def get(self, job_id: str) -> Job:
        """See ``Store.get``."""
        jobs = await self.load([canonical(job_id)])
        if not jobs:
            raise JobNotFound(job_id=job_id)
        return jobs[0]

    async def load(self, job_ids: Sequence[str], *, columns: str = WHOLE) -> list[Job]:
        """Return the jobs of these ids that exist, in any order."""
        self._executor.check_open()  # an id that names no row is looked up nowhere
        jobs: list[Job] = []
        for name, keys in keys_by_table(job_ids).items():
            table = self._tables.by_name.get(name)
            if table is not None:
                statement = fill(read_sql("load"), table=self._tables.name(table), columns=columns)
                jobs += whole_jobs(await self._executor.fetch(Workload.REST, statement, keys), table)
        return jobs

    async def find(self, query: JobQuery) -> list[Job]:
        """See ``Store.find``."""
        after = None if query.after is None else await self.get(query.after)
        return await self.page(with_canonical_ids(query), after=after)

    async def count(self, conditions: JobFilter) -> int:
        """See ``Store.count``."""
        total = 0
        for table in tables_of(conditions, self._tables):
            chosen = select_count(conditions, table, self._tables)
            rows = await self._executor.fetch(Workload.REST, chosen.statement, *chosen.arguments)
            total += rows[0][0]
        return total

    async def ids_starting_with(self, prefix: str, limit: int) -> list[str]:
        """See ``Store.ids_starting_with``."""
        self._executor.check_open()
        name, colon, start = prefix.partition(":")
        table, digits = self._tables.by_name.get(name), start.replace("-", "").lower()
        if table is None or not colon or not re.fullmatch("[0-9a-f]{0,32}", digits):
            return []
        statement = fill(read_sql("ids_starting_with"), table=self._tables.name(table))
        ends = digits.ljust(32, "0"), digits.ljust(32, "f")
        rows = await self._executor.fetch(Workload.REST, statement, *ends, limit)
        return [id_of(name, str(row[0])) for row in rows]

    async def page(
        self, query: JobQuery, *, after: Job | None = None, oldest_first: bool = False
    ) -> list[Job]:
        """Return a page of jobs beyond another one."""
        jobs: list[Job] = []
        for table in tables_of(query, self._tables):
            chosen = select(query, table, self._tables, after=after, oldest_first=oldest_first)
            rows = await self._executor.fetch(Workload.REST, chosen.statement, *chosen.arguments)
            jobs += whole_jobs(rows, table)
        return sorted(jobs, key=age_of, reverse=not oldest_first)[: query.limit]
