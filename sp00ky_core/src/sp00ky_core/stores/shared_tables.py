"""Give each job of a table that several backends share the backend whose document has its path.

The store knows such a table by the name of the first of its backends; callers know each backend by its own.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, cast

import attrs

from sp00ky_core.backend import Backend, queues
from sp00ky_core.job import Job, NewJob
from sp00ky_core.ports import BackendStats, ErrorGroup, JobQuery, ScheduleChange, Store
from sp00ky_core.stores.callers.blocking import finished

PAGE = 500
"""Jobs that are read at a time where those of one backend are sought among those of its table."""


def with_shared_tables(store: Store, backends: Mapping[str, Backend]) -> Store:
    """Return the store, behind a translation of backends' names if any two of them share a table."""
    tables = queues(backends)
    return store if len(tables) == len(backends) else cast("Store", _SharedTables(store, backends))


class _SharedTables:
    """A store whose other calls are its own: claims and settlements are by table."""

    def __init__(self, store: Store, backends: Mapping[str, Backend]) -> None:
        self._store = store
        self._any: Any = store  # for calls that are passed on with other arguments
        self._backends = backends

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def _named(self, job: Job) -> Job:
        backend = self._serving(job.backend, job.path)
        return job if backend == job.backend else attrs.evolve(job, backend=backend)

    def _table_of(self, query: JobQuery) -> JobQuery:
        """Return the query of the whole table."""
        if query.backend is None:
            return query
        return attrs.evolve(query, backend=self._table(query.backend))

    def _wanted(self, query: JobQuery, jobs: Iterable[Job]) -> list[Job]:
        named = map(self._named, jobs)
        return [job for job in named if query.backend in {None, job.backend}]

    def _stored(self, new_job: NewJob) -> NewJob:
        return new_job.for_backend(self._table(new_job.backend))

    async def add(self, new_jobs: Sequence[NewJob], *, connection: object = None) -> list[Job]:
        jobs = await self._store.add([self._stored(each) for each in new_jobs], connection=connection)
        return [self._named(job) for job in jobs]

    def statement(self, new_job: NewJob) -> Any:
        return self._any.statement(self._stored(new_job))

    def sql_statement(self, new_job: NewJob, paramstyle: str) -> Any:
        return self._any.sql_statement(self._stored(new_job), paramstyle)

    def add_in(self, connection: object, new_jobs: Sequence[NewJob]) -> list[Job]:
        jobs = self._any.add_in(connection, [self._stored(each) for each in new_jobs])
        return [self._named(job) for job in jobs]

    async def get(self, job_id: str, **options: Any) -> Job:
        return self._named(await self._store.get(job_id, **options))

    def get_in(self, connection: object, job_id: str) -> Job:
        return self._named(self._any.get_in(connection, job_id))

    async def find(self, query: JobQuery, **options: Any) -> list[Job]:
        return await self._found(query, lambda page: self._store.find(page, **options))

    def find_in(self, connection: object, query: JobQuery) -> list[Job]:
        async def find(page: JobQuery) -> list[Job]:
            jobs: list[Job] = self._any.find_in(connection, page)
            return jobs

        found: list[Job] = finished(self._found(query, find))
        return found

    async def _found(self, query: JobQuery, find: Callable[[JobQuery], Awaitable[list[Job]]]) -> list[Job]:
        of_table = self._table_of(query)
        if query.backend is None:
            return self._wanted(query, await find(of_table))
        found: list[Job] = []
        page = attrs.evolve(of_table, limit=max(min(query.limit, PAGE), 1))
        while len(found) < query.limit:
            jobs = await find(page)
            found += self._wanted(query, jobs)
            if len(jobs) < page.limit:
                break
            page = attrs.evolve(page, after=jobs[-1].id)
        return found[: query.limit]

    async def watch(self, query: JobQuery, **options: Any) -> AsyncGenerator[Job, None]:
        async with aclosing(self._store.watch(self._table_of(query), **options)) as changes:
            async for job in changes:
                for wanted in self._wanted(query, [job]):
                    yield wanted

    async def count(self, conditions: Any) -> int:
        return sum([await self._any.count(each) for each in self._parts(conditions)])

    async def clear_matching(self, conditions: Any, *, limit: int = 10_000) -> int:
        cleared = 0
        for each in self._parts(conditions):
            cleared += await self._any.clear_matching(each, limit=limit - cleared)
            if cleared >= limit:
                break
        return cleared

    def _parts(self, conditions: Any) -> list[Any]:
        """Return conditions of the table, path by path where only one of its backends is meant."""
        name = conditions.backend
        if name is None:
            return [conditions]
        backend = self._backends[name]
        of_table = attrs.evolve(conditions, backend=backend.table.backend)
        table = self._backends[backend.table.backend]
        if not table.sharing:
            return [of_table]
        paths = backend.contract.operations if conditions.path is None else [conditions.path]
        return [attrs.evolve(of_table, path=path) for path in paths if table.serving(path).name == name]

    async def stats(self, *, limit: int | None = None) -> Mapping[str, BackendStats]:
        """Return each backend's numbers; of a shared table each of its backends has the table's."""
        stats = await self._store.stats(limit=limit)
        return {name: stats[each.table.backend] for name, each in self._backends.items()}

    async def errors(self, **options: Any) -> list[ErrorGroup]:
        groups = await self._store.errors(**options)
        return [attrs.evolve(each, backend=self._serving(each.backend, each.path)) for each in groups]

    def _serving(self, table: str, path: str) -> str:
        return self._backends[table].serving(path).name

    async def change_schedule(self, change: ScheduleChange) -> Any:
        spawns = [attrs.evolve(each, job=self._stored(each.job)) for each in change.spawns]
        return await self._any.change_schedule(attrs.evolve(change, spawns=spawns))

    async def pause(self, backend: str, **options: Any) -> bool:
        """Pause the backend's table: for all backends that share it."""
        return await self._store.pause(self._table(backend), **options)

    async def resume(self, backend: str) -> bool:
        return await self._store.resume(self._table(backend))

    def _table(self, backend: str) -> str:
        return self._backends[backend].table.backend
