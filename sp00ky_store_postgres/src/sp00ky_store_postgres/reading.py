"""Reads: one job, pages of them, a queue in numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sp00ky_core.errors import JobNotFound
from sp00ky_core.job import Job
from sp00ky_core.ports import BackendStats, BreakerStats, JobQuery
from sp00ky_core.stores.selecting import age_of
from sp00ky_store_postgres.breakers import Breakers
from sp00ky_store_postgres.connections import Connections, Lane
from sp00ky_store_postgres.mapping import WHOLE, canonical, keys_by_table, whole_jobs, with_canonical_ids
from sp00ky_store_postgres.selecting import select, tables_of
from sp00ky_store_postgres.statements import fill, read_sql
from sp00ky_store_postgres.tables import Tables

__all__ = ["Reads"]


class Reads:
    """Reads jobs, whole."""

    def __init__(self, connections: Connections, tables: Tables, breakers: Breakers) -> None:
        self._connections = connections
        self._tables = tables
        self._breakers = breakers

    async def get(self, job_id: str) -> Job:
        """See ``Store.get``."""
        jobs = await self.load([canonical(job_id)])
        if not jobs:
            raise JobNotFound(job_id=job_id)
        return jobs[0]

    async def load(self, job_ids: Sequence[str]) -> list[Job]:
        """The jobs of these ids that exist, in any order."""
        jobs: list[Job] = []
        for name, keys in keys_by_table(job_ids).items():
            table = self._tables.by_name.get(name)
            if table is not None:
                statement = fill(read_sql("load"), table=self._tables.name(table), columns=WHOLE)
                jobs += whole_jobs(await self._connections.fetch(Lane.REST, statement, keys), table)
        return jobs

    async def find(self, query: JobQuery) -> list[Job]:
        """See ``Store.find``."""
        after = None if query.after is None else await self.get(query.after)
        return await self.page(with_canonical_ids(query), after=after)

    async def page(
        self, query: JobQuery, *, after: Job | None = None, oldest_first: bool = False
    ) -> list[Job]:
        """A page of jobs beyond another one."""
        jobs: list[Job] = []
        for table in tables_of(query, self._tables):
            chosen = select(query, table, self._tables, after=after, oldest_first=oldest_first)
            rows = await self._connections.fetch(Lane.REST, chosen.statement, *chosen.arguments)
            jobs += whole_jobs(rows, table)
        return sorted(jobs, key=age_of, reverse=not oldest_first)[: query.limit]

    async def stats(self) -> Mapping[str, BackendStats]:
        """See ``Store.stats``."""
        breakers = await self._breakers.stats()
        return {
            table.backend: await self._stats_of(
                self._tables.name(table), breakers.get(table.backend, BreakerStats())
            )
            for table in self._tables.all
        }

    async def _stats_of(self, table: str, breaker: BreakerStats) -> BackendStats:
        (row,) = await self._connections.fetch(Lane.REST, fill(read_sql("stats"), table=table))
        numbers = dict(row)
        if not numbers["due"]:
            numbers["oldest_due_s"] = None
        return BackendStats(**numbers, breaker=breaker)
