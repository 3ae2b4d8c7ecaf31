"""Read jobs: one, pages of them, how many meet conditions."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from sp00ky_core.errors import JobNotFound
from sp00ky_core.job import Job
from sp00ky_core.ports import JobFilter, JobQuery
from sp00ky_core.stores import finished
from sp00ky_core.stores.filters import age_of
from sp00ky_core.stores.ids import job_id as id_of
from sp00ky_store_postgres.connection.executor import Row
from sp00ky_store_postgres.connection.external import Fetch, callers_errors, fetch_of
from sp00ky_store_postgres.connection.synchronous import blocking_fetch, run_of
from sp00ky_store_postgres.connection.workload import Workload
from sp00ky_store_postgres.ids import canonical, with_canonical_ids
from sp00ky_store_postgres.observe.filters import select, select_count, tables_of
from sp00ky_store_postgres.part import StorePart
from sp00ky_store_postgres.rows import WHOLE, whole_jobs

T = TypeVar("T")


class Reads(StorePart):
    """A part of the store: what reads jobs."""

    async def get(self, job_id: str, *, connection: object = None) -> Job:
        """See ``Store.get``."""
        if connection is None:
            self._executor.check_open()  # an id that names no row is looked up nowhere
            return await self._one(job_id, self._fetch)
        return await self._within(fetch_of(connection, reads=True), partial(self._one, job_id))

    def get_in(self, connection: object, job_id: str) -> Job:
        """See ``SynchronousEnqueue.get_in``."""
        job: Job = self._read_in(connection, partial(self._one, job_id))
        return job

    async def _one(self, job_id: str, fetch: Fetch) -> Job:
        jobs = await self._jobs([canonical(job_id)], fetch)
        if not jobs:
            raise JobNotFound(job_id=job_id)
        return jobs[0]

    async def _jobs(self, job_ids: Sequence[str], fetch: Fetch | None = None) -> list[Job]:
        jobs: list[Job] = []
        for table, keys in self._executor.tables.named(job_ids):
            statement = self._executor.tables.statement("load", table, columns=WHOLE)
            jobs += whole_jobs(await (fetch or self._fetch)(statement, keys), table)
        return jobs

    async def find(self, query: JobQuery, *, connection: object = None) -> list[Job]:
        """See ``Store.find``."""
        if connection is None:
            self._executor.check_open()  # ids that name no row are looked up nowhere
            return await self._found(query, self._fetch)
        return await self._within(fetch_of(connection, reads=True), partial(self._found, query))

    def find_in(self, connection: object, query: JobQuery) -> list[Job]:
        """See ``SynchronousEnqueue.find_in``."""
        jobs: list[Job] = self._read_in(connection, partial(self._found, query))
        return jobs

    def _read_in(self, connection: object, read: Callable[[Fetch], Awaitable[Any]]) -> Any:
        with callers_errors(self._executor.location):
            fetching = blocking_fetch(run_of(connection, reads=True))
        return finished(self._within(fetching, read))

    async def _found(self, query: JobQuery, fetch: Fetch) -> list[Job]:
        after = None if query.after is None else await self._one(query.after, fetch)
        return await self._page(with_canonical_ids(query), after=after, fetch=fetch)

    async def _within(self, fetching: Awaitable[Fetch], read: Callable[[Fetch], Awaitable[T]]) -> T:
        """Read on a caller's connection."""
        with callers_errors(self._executor.location):
            return await read(await fetching)

    async def _fetch(self, statement: str, *arguments: object) -> Sequence[Row]:
        return await self._executor.fetch(Workload.REST, statement, *arguments)

    async def count(self, conditions: JobFilter) -> int:
        """See ``Counts.count``."""
        total = 0
        for table in tables_of(conditions, self._executor.tables):
            rows = await select_count(conditions, table, self._executor.tables).fetch(self._executor)
            total += rows[0][0]
        return total

    async def ids_starting_with(self, prefix: str, *, limit: int = 2) -> list[str]:
        """See ``ShortIds.ids_starting_with``."""
        self._executor.check_open()
        name, colon, start = prefix.partition(":")
        table, digits = self._executor.tables.by_name.get(name), start.replace("-", "").lower()
        if table is None or not colon or not re.fullmatch("[0-9a-f]{0,32}", digits):
            return []
        ends = digits.ljust(32, "0"), digits.ljust(32, "f")
        rows = await self._executor.query("ids_starting_with", *ends, limit, table=table)
        return [id_of(name, str(row[0])) for row in rows]

    async def _page(
        self,
        query: JobQuery,
        *,
        after: Job | None = None,
        oldest_first: bool = False,
        fetch: Fetch | None = None,
    ) -> list[Job]:
        """Return a page of jobs beyond another one."""
        jobs: list[Job] = []
        tables = self._executor.tables
        for table in tables_of(query, tables):
            selection = select(query, table, tables, after=after, oldest_first=oldest_first)
            rows = await (fetch or self._fetch)(selection.statement, *selection.arguments)
            jobs += whole_jobs(rows, table)
        return sorted(jobs, key=age_of, reverse=not oldest_first)[: query.limit]
