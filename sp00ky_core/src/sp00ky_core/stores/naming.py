"""Name jobs as callers do: an operation by its one name, a backend of a shared table by its own.

Rows may hold any spelling of an operation, and the store knows a table that several backends share by the
name of the first of them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from heapq import nlargest
from typing import Any, TypeVar, cast

import attrs

from sp00ky_core.backend import Backend, queues
from sp00ky_core.job import Job, NewJob
from sp00ky_core.metrics.summing import summed
from sp00ky_core.ports import (
    BackendStats,
    ErrorGroup,
    JobFilter,
    JobQuery,
    Rollup,
    RollupQuery,
    ScheduleChange,
    Store,
)
from sp00ky_core.stores.callers.blocking import finished
from sp00ky_core.stores.filters import age_of

__all__ = ["naming"]

PAGE = 500
"""Jobs that are read at a time where those of one backend are sought among those of its table."""

F = TypeVar("F", bound=JobFilter)


def naming(store: Store, backends: Mapping[str, Backend]) -> Store:
    """Return the store, behind a translation of operations' spellings and of backends' names."""
    is_shared = len(queues(backends)) < len(backends)
    return cast("Store", (_SharedTables if is_shared else _Operations)(store, backends))


class _Operations:
    """A store whose reads take and return operations by name; its other calls are its own."""

    def __init__(self, store: Store, backends: Mapping[str, Backend]) -> None:
        self._store = store
        self._any: Any = store  # for calls that are passed on with other arguments
        self._backends = backends

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def _serving(self, backend: str, path: str) -> Backend | None:
        """Return the backend of a row; None: this configuration has no such."""
        return self._backends.get(backend)

    def _named(self, job: Job) -> Job:
        name, path = self._names(job.backend, job.path)
        is_named = (name, path) == (job.backend, job.path)
        return job if is_named else attrs.evolve(job, backend=name, path=path)

    def _names(self, backend: str, path: str) -> tuple[str, str]:
        serving = self._serving(backend, path)
        return (backend, path) if serving is None else (serving.name, serving.contract.name(path))

    def _spelled(self, conditions: F) -> F:
        """Return conditions with every spelling of the operation that they name."""
        if conditions.paths is None:
            return conditions
        meant = [each for name, each in self._backends.items() if conditions.backend in {None, name}]
        texts = (
            text for each in meant for path in conditions.paths for text in each.contract.spellings(path)
        )
        return attrs.evolve(conditions, path=tuple(dict.fromkeys(texts)))

    async def get(self, job_id: str, **options: Any) -> Job:
        return self._named(await self._store.get(job_id, **options))

    def get_in(self, connection: object, job_id: str) -> Job:
        return self._named(self._any.get_in(connection, job_id))

    async def find(self, query: JobQuery, **options: Any) -> list[Job]:
        return await self._found(self._spelled(query), lambda page: self._store.find(page, **options))

    def find_in(self, connection: object, query: JobQuery) -> list[Job]:
        async def find(page: JobQuery) -> list[Job]:
            jobs: list[Job] = self._any.find_in(connection, page)
            return jobs

        jobs: list[Job] = finished(self._found(self._spelled(query), find))
        return jobs

    async def _found(self, query: JobQuery, find: Callable[[JobQuery], Awaitable[list[Job]]]) -> list[Job]:
        return list(map(self._named, await _newest(query, find)))

    async def watch(self, query: JobQuery, **options: Any) -> AsyncGenerator[Job, None]:
        async with aclosing(self._store.watch(self._spelled(query), **options)) as changes:
            async for job in changes:
                yield self._named(job)

    async def count(self, conditions: JobFilter) -> int:
        return await self._store.count(self._spelled(conditions))

    async def clear_matching(self, conditions: JobFilter, *, limit: int = 10_000) -> int:
        return await self._store.clear_matching(self._spelled(conditions), limit=limit)

    async def errors(self, *, limit: int = 100, **options: Any) -> list[ErrorGroup]:
        """Group by operations: one that has several spellings has a group for each in the store."""
        groups: dict[tuple[str, str, str, int], ErrorGroup] = {}
        for stored in await self._store.errors(limit=limit, **options):
            backend, path = self._names(stored.backend, stored.path)
            key = (backend, path, stored.name, stored.code)
            group = attrs.evolve(stored, backend=backend, path=path)
            groups[key] = _joined(groups[key], group) if key in groups else group
        return sorted(groups.values(), key=lambda group: -group.count)

    async def rollups(self, query: RollupQuery) -> list[Rollup]:
        rows: list[Rollup] = await self._any.rollups(query)
        if not query.routes:
            return rows
        return summed((attrs.evolve(row, path=self._names(row.backend, row.path)[1]) for row in rows), query)


async def _newest(query: JobQuery, find: Callable[[JobQuery], Awaitable[list[Job]]]) -> list[Job]:
    """Find jobs; those of a record spelling by spelling, for an index has those of each in order."""
    if query.assigned_to is None or query.paths is None:
        return await find(query)
    jobs = [job for path in query.paths for job in await find(attrs.evolve(query, path=path))]
    return nlargest(query.limit, jobs, key=age_of)


def _joined(one: ErrorGroup, other: ErrorGroup) -> ErrorGroup:
    return attrs.evolve(
        max(one, other, key=lambda group: group.last),
        count=one.count + other.count,
        first=min(one.first, other.first),
    )


class _SharedTables(_Operations):
    """Beside that, a job of a shared table belongs to the backend whose document has its path."""

    def _serving(self, backend: str, path: str) -> Backend | None:
        table = self._backends.get(backend)
        return table and table.serving(path)

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

    async def _found(self, query: JobQuery, find: Callable[[JobQuery], Awaitable[list[Job]]]) -> list[Job]:
        of_table = self._table_of(query)
        if query.backend is None:
            return self._wanted(query, await _newest(of_table, find))
        wanted: list[Job] = []
        page = attrs.evolve(of_table, limit=max(min(query.limit, PAGE), 1))
        while len(wanted) < query.limit:
            jobs = await _newest(page, find)
            wanted += self._wanted(query, jobs)
            if len(jobs) < page.limit:
                break
            page = attrs.evolve(page, after=jobs[-1].id)
        return wanted[: query.limit]

    async def watch(self, query: JobQuery, **options: Any) -> AsyncGenerator[Job, None]:
        spelled = self._spelled(query)
        async with aclosing(self._store.watch(self._table_of(spelled), **options)) as changes:
            async for job in changes:
                for wanted in self._wanted(query, [job]):
                    yield wanted

    async def count(self, conditions: JobFilter) -> int:
        return sum([await self._store.count(each) for each in self._parts(conditions)])

    async def clear_matching(self, conditions: JobFilter, *, limit: int = 10_000) -> int:
        cleared = 0
        for each in self._parts(conditions):
            cleared += await self._store.clear_matching(each, limit=limit - cleared)
            if cleared >= limit:
                break
        return cleared

    def _parts(self, conditions: JobFilter) -> list[JobFilter]:
        """Return conditions of the table, operation by operation where only one of its backends is meant."""
        name = conditions.backend
        if name is None:
            return [self._spelled(conditions)]
        backend = self._backends[name]
        of_table = attrs.evolve(conditions, backend=backend.table.backend)
        table = self._backends[backend.table.backend]
        if not table.sharing:
            return [attrs.evolve(self._spelled(conditions), backend=backend.table.backend)]
        paths = backend.contract.operations if conditions.paths is None else conditions.paths
        return [
            attrs.evolve(of_table, path=backend.contract.spellings(path))
            for path in paths
            if table.serving(path).name == name
        ]

    async def stats(self, *, limit: int | None = None) -> Mapping[str, BackendStats]:
        """Return each backend's numbers; of a shared table each of its backends has the table's."""
        stats = await self._store.stats(limit=limit)
        return {name: stats[each.table.backend] for name, each in self._backends.items()}

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
