"""Read jobs: one, pages of them, how many meet conditions."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sp00ky_core.errors import JobNotFound
from sp00ky_core.job import Job
from sp00ky_core.ports import JobFilter, JobQuery
from sp00ky_core.stores.filters import age_of
from sp00ky_core.stores.ids import job_id as id_of
from sp00ky_store_postgres.ids import canonical, with_canonical_ids
from sp00ky_store_postgres.observe.filters import select, select_count, tables_of
from sp00ky_store_postgres.part import StorePart
from sp00ky_store_postgres.rows import LIGHT, WHOLE, whole_jobs


class Reads(StorePart):
    """A part of the store: what reads jobs."""

    async def get(self, job_id: str) -> Job:
        """See ``Store.get``."""
        jobs = await self._jobs([canonical(job_id)])
        if not jobs:
            raise JobNotFound(job_id=job_id)
        return jobs[0]

    async def _load(self, job_ids: Sequence[str]) -> list[Job]:
        """Return the jobs, without payload and result: enough to decide about them."""
        return await self._jobs(job_ids, columns=LIGHT)

    async def _jobs(self, job_ids: Sequence[str], *, columns: str = WHOLE) -> list[Job]:
        self._executor.check_open()  # an id that names no row is looked up nowhere
        jobs: list[Job] = []
        for table, keys in self._executor.tables.named(job_ids):
            jobs += whole_jobs(await self._executor.query("load", keys, table=table, columns=columns), table)
        return jobs

    async def find(self, query: JobQuery) -> list[Job]:
        """See ``Store.find``."""
        after = None if query.after is None else await self.get(query.after)
        return await self._page(with_canonical_ids(query), after=after)

    async def count(self, conditions: JobFilter) -> int:
        """See ``Store.count``."""
        total = 0
        for table in tables_of(conditions, self._executor.tables):
            rows = await select_count(conditions, table, self._executor.tables).fetch(self._executor)
            total += rows[0][0]
        return total

    async def ids_starting_with(self, prefix: str, *, limit: int = 2) -> list[str]:
        """See ``Store.ids_starting_with``."""
        self._executor.check_open()
        name, colon, start = prefix.partition(":")
        table, digits = self._executor.tables.by_name.get(name), start.replace("-", "").lower()
        if table is None or not colon or not re.fullmatch("[0-9a-f]{0,32}", digits):
            return []
        ends = digits.ljust(32, "0"), digits.ljust(32, "f")
        rows = await self._executor.query("ids_starting_with", *ends, limit, table=table)
        return [id_of(name, str(row[0])) for row in rows]

    async def _page(
        self, query: JobQuery, *, after: Job | None = None, oldest_first: bool = False
    ) -> list[Job]:
        """Return a page of jobs beyond another one."""
        jobs: list[Job] = []
        tables = self._executor.tables
        for table in tables_of(query, tables):
            selection = select(query, table, tables, after=after, oldest_first=oldest_first)
            jobs += whole_jobs(await selection.fetch(self._executor), table)
        return sorted(jobs, key=age_of, reverse=not oldest_first)[: query.limit]
