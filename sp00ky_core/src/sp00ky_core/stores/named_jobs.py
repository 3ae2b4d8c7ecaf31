"""Name jobs as callers do, by the backends and operations of sp00ky.yml; keep a store to its event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, suppress
from datetime import datetime
from heapq import nlargest
from typing import TypeVar

import attrs

from sp00ky_core.backend.backend import Backend, Backends
from sp00ky_core.errors import JobNotFound, OtherEventLoop
from sp00ky_core.job.job import Job, JobStatus, NewJob
from sp00ky_core.ports import (
    ALL_JOBS,
    BackendStats,
    ErrorGroup,
    GroupBy,
    JobFilter,
    JobGroup,
    JobQuery,
    Rollup,
    RollupQuery,
    Store,
    SynchronousEnqueue,
    needed,
)
from sp00ky_core.ports.statistics import joined_errors, summed
from sp00ky_core.stores.decisions import age_of
from sp00ky_core.stores.without_waiting import finished

__all__ = ["NamedJobs"]

PAGE = 500
"""Jobs that are read at a time where those of one backend are sought among those of its table."""

F = TypeVar("F", bound=JobFilter)
G = TypeVar("G", ErrorGroup, JobGroup)

Find = Callable[[JobQuery], Awaitable[list[Job]]]


@attrs.frozen
class NamedJobs:
    """Read the jobs of a store: conditions and jobs have the names of sp00ky.yml.

    What takes ids only is the store's own.

    Attributes:
        store: Where they are.
        backends: By name.
    """

    store: Store
    backends: Mapping[str, Backend]

    def named(self, job: Job) -> Job:
        """Return a job of the store as callers name it."""
        backend, path = self._names(job.backend, job.path)
        is_named = (backend, path) == (job.backend, job.path)
        return job if is_named else attrs.evolve(job, backend=backend, path=path)

    async def add(self, new_jobs: Sequence[NewJob], *, connection: object = None) -> list[Job]:
        """See ``Store.add``; of the new jobs, the table's backend is named."""
        return [self.named(job) for job in await self.store.add(new_jobs, connection=connection)]

    def add_in(self, connection: object, new_jobs: Sequence[NewJob]) -> list[Job]:
        """See ``SynchronousEnqueue.add_in``."""
        return [self.named(job) for job in self._synchronous.add_in(connection, new_jobs)]

    async def get(self, job_id: str, *, connection: object = None) -> Job:
        """See ``Store.get``."""
        return self.named(await self.store.get(job_id, connection=connection))

    def get_in(self, connection: object, job_id: str) -> Job:
        """See ``SynchronousEnqueue.get_in``."""
        return self.named(self._synchronous.get_in(connection, job_id))

    async def whole(self, job_ids: Sequence[str]) -> list[Job]:
        """Read those of these jobs that are there, in order, with what a list leaves out."""
        listed = {job.id: job for job in await self.find(JobQuery(ids=tuple(job_ids), limit=len(job_ids)))}
        jobs = []
        for job in (listed[job_id] for job_id in job_ids if job_id in listed):
            with suppress(JobNotFound):  # it may be gone by now
                jobs.append(await self.get(job.id) if job.omitted else job)
        return jobs

    async def find(self, query: JobQuery, *, connection: object = None) -> list[Job]:
        """See ``Store.find``."""
        return await self._found(query, lambda page: self.store.find(page, connection=connection))

    def find_in(self, connection: object, query: JobQuery) -> list[Job]:
        """See ``SynchronousEnqueue.find_in``."""

        async def find(page: JobQuery) -> list[Job]:
            return self._synchronous.find_in(connection, page)

        return finished(self._found(query, find))

    async def watch(self, query: JobQuery, *, history: int | None = None) -> AsyncGenerator[Job, None]:
        """See ``Store.watch``."""
        async with aclosing(self.store.watch(self._of_table(query), history=history)) as changes:
            async for job in changes:
                for wanted in self._wanted(query, [job]):
                    yield wanted

    async def count(self, conditions: JobFilter) -> int:
        """See ``Store.count``."""
        return sum([await self.store.count(filter_) for filter_ in self._parts(conditions)])

    async def clear_matching(self, conditions: JobFilter, *, limit: int = 10_000) -> int:
        """See ``Store.clear_matching``."""
        cleared = 0
        for filter_ in self._parts(conditions):
            cleared += await self.store.clear_matching(filter_, limit=limit - cleared)
            if cleared >= limit:
                break
        return cleared

    async def errors(
        self,
        *,
        since: datetime | None = None,
        limit: int = 100,
        conditions: JobFilter = ALL_JOBS,
        by: GroupBy = "route",
    ) -> list[ErrorGroup]:
        """See ``Store.errors``; the store has a group for each spelling of an operation."""
        groups = [
            self._regrouped(group, by)
            for filter_ in self._parts(conditions)
            for group in await self.store.errors(since=since, limit=limit, conditions=filter_, by=by)
        ]
        return joined_errors(groups)[:limit]

    async def groups(
        self, by: GroupBy, *, conditions: JobFilter = ALL_JOBS, limit: int = 20
    ) -> list[JobGroup]:
        """See ``Store.groups``; the store has a group for each spelling of an operation."""
        groups: dict[tuple[str, str, str | None], JobGroup] = {}
        for filter_ in self._parts(conditions):
            for stored in await self.store.groups(by, conditions=filter_, limit=limit):
                group = self._regrouped(stored, by)
                key = (group.backend, group.path, group.assigned_to)
                groups[key] = _added(groups[key], group) if key in groups else group
        return nlargest(limit, groups.values(), key=lambda group: group.count)

    def _regrouped(self, group: G, by: GroupBy) -> G:
        """Return a group of the store as callers name it."""
        if by != "route":
            return group
        backend, path = self._names(group.backend, group.path)
        return attrs.evolve(group, backend=backend, path=path)

    async def rollups(self, query: RollupQuery) -> list[Rollup]:
        """See ``Store.rollups``."""
        rows = await self.store.rollups(query)
        if not query.routes:
            return rows
        return summed((attrs.evolve(row, path=self._names(row.backend, row.path)[1]) for row in rows), query)

    async def stats(self, *, limit: int | None = None) -> Mapping[str, BackendStats]:
        """See ``Store.stats``; of a shared table each of its backends has the table's."""
        stats = await self.store.stats(limit=limit)
        return {name: stats[backend.table.backend] for name, backend in self.backends.items()}

    @property
    def _synchronous(self) -> SynchronousEnqueue:
        return needed(self.store, SynchronousEnqueue, "connection=")

    def _names(self, backend: str, path: str) -> tuple[str, str]:
        table = self.backends.get(backend)
        if table is None:  # this configuration has no such
            return backend, path
        serving = table.serving(path) if table.sharing else table
        return serving.name, serving.contract.name(path)

    def _table(self, backend: str | None) -> Backend | None:
        """Return the first backend of a backend's table; None: this configuration has no such."""
        known = self.backends.get(backend or "")
        return known and self.backends[known.table.backend]

    def _of_table(self, conditions: F) -> F:
        """Return conditions of the whole table, with every spelling of the operation that they name."""
        backend, paths = conditions.backend, conditions.paths
        if paths is not None:
            meant = [known for name, known in self.backends.items() if backend in {None, name}]
            texts = (text for known in meant for path in paths for text in known.contract.spellings(path))
            conditions = attrs.evolve(conditions, path=tuple(dict.fromkeys(texts)))
        table = self._table(backend)
        return conditions if table is None else attrs.evolve(conditions, backend=table.name)

    def _wanted(self, query: JobQuery, jobs: Iterable[Job]) -> list[Job]:
        named = map(self.named, jobs)
        return [job for job in named if query.backend in {None, job.backend}]

    async def _found(self, query: JobQuery, find: Find) -> list[Job]:
        of_table, table = self._of_table(query), self._table(query.backend)
        if table is None or not table.sharing:
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

    def _parts(self, conditions: JobFilter) -> list[JobFilter]:
        """Return conditions of the table, operation by operation where only one of its backends is meant."""
        name, of_table = conditions.backend, self._of_table(conditions)
        table = self._table(name)
        if name is None or table is None or not table.sharing:
            return [of_table]
        contract = self.backends[name].contract
        return [
            attrs.evolve(of_table, path=contract.spellings(path))
            for path in (contract.operations if conditions.paths is None else conditions.paths)
            if table.serving(path).name == name
        ]


async def _newest(query: JobQuery, find: Find) -> list[Job]:
    """Find jobs; those of a record spelling by spelling, for an index has those of each in order."""
    if query.assigned_to is None or query.paths is None:
        return await find(query)
    jobs = [job for path in query.paths for job in await find(attrs.evolve(query, path=path))]
    return nlargest(query.limit, jobs, key=age_of)


def _added(one: JobGroup, other: JobGroup) -> JobGroup:
    counts = {status: getattr(one, status) + getattr(other, status) for status in JobStatus}
    return attrs.evolve(one, **counts)


class LoopStore:
    """A store, whose connections are of the event loop in which it was opened.

    Attributes:
        store: The store itself, for what needs none of its connections.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self) -> None:
        """Open it in this event loop."""
        if self.store.capabilities.one_loop:
            self._loop = asyncio.get_running_loop()
        await self.store.open()

    async def close(self) -> None:
        """Close it. Raises ``OtherEventLoop``."""
        await self.here().close()
        self._loop = None

    def here(self) -> Store:
        """Return the store. Raises ``OtherEventLoop`` in another event loop than where it is open."""
        if self._loop is not None:
            try:
                running = asyncio.get_running_loop()
            except RuntimeError:
                return self.store  # nothing can be awaited here
            if running is not self._loop:
                raise OtherEventLoop(store=self.store.location)
        return self.store


class StoreUser:
    """Work with the store of an outbox; a base of it.

    Attributes:
        backends: By name.
    """

    backends: Backends
    _loop_store: LoopStore

    @property
    def store(self) -> Store:
        """The store. Raises ``OtherEventLoop`` in another event loop than where the outbox is open."""
        return self._loop_store.here()

    @property
    def jobs(self) -> NamedJobs:
        """The store's jobs, by the names of sp00ky.yml. Raises ``OtherEventLoop`` as ``store`` does."""
        return NamedJobs(self.store, self.backends)

    def _jobs_with(self, connection: object) -> NamedJobs:
        """Return the jobs; where a caller's connection is given, that is of a loop of the caller's choice."""
        return self.jobs if connection is None else NamedJobs(self._loop_store.store, self.backends)
