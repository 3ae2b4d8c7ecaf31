"""Read the memory store: get, find, count, stats, watch."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from heapq import nlargest
from itertools import islice

import attrs

from sp00ky_core.errors import JobNotFound
from sp00ky_core.job import Job
from sp00ky_core.ports import BackendStats, ErrorGroup, JobFilter, JobQuery
from sp00ky_core.stores.filters import BEGINNING, age_of, matches, stats_of
from sp00ky_core.stores.ids import table_of
from sp00ky_core.stores.memory.tables import MemoryTables

__all__ = ["MemoryObserve"]


class MemoryObserve(MemoryTables):
    """The calls of a memory store that change nothing; a base of it."""

    async def get(self, job_id: str) -> Job:
        """See ``Store.get``."""
        job = self._row(job_id)
        if job is None:
            raise JobNotFound(job_id=job_id)
        return job

    async def find(self, query: JobQuery) -> list[Job]:
        """See ``Store.find``."""
        matching = self._each_matching(query)
        if query.after is not None:
            last = age_of(await self.get(query.after))
            matching = (job for job in matching if age_of(job) < last)
        return nlargest(query.limit, matching, key=age_of)

    async def count(self, conditions: JobFilter) -> int:
        """See ``Store.count``."""
        return sum(1 for _ in self._each_matching(conditions))

    async def ids_starting_with(self, prefix: str, *, limit: int = 2) -> list[str]:
        """See ``Store.ids_starting_with``."""
        table = self._tables.get(table_of(prefix))
        return (
            []
            if table is None
            else list(islice((each for each in table.rows if each.startswith(prefix)), limit))
        )

    async def stats(self) -> Mapping[str, BackendStats]:
        """See ``Store.stats``."""
        now = self._now()
        return {
            (backend := table.options.backend): attrs.evolve(
                stats_of(table.rows.values(), now),
                breaker=self._breakers.stats(backend, now),
                paused=self._controls[backend].paused(now),
            )
            for table in self._tables.values()
        }

    async def errors(self, *, since: datetime | None = None, limit: int = 100) -> list[ErrorGroup]:
        """See ``Store.errors``."""
        groups: dict[tuple[str, str, str, int], list[Job]] = defaultdict(list)
        failing = (job for table in self._tables.values() for job in table.failing())
        for job in failing:
            if since is None or (job.updated_at or BEGINNING) >= since:
                last = job.errors[-1]
                groups[job.backend, job.path, last.name, last.code].append(job)
        largest_first = sorted(groups.values(), key=len, reverse=True)
        return [_error_group(jobs) for jobs in largest_first[:limit]]

    def work_signal(self) -> AsyncGenerator[None, None]:
        """See ``Store.work_signal``."""
        return self._work.subscribe()

    async def watch(self, query: JobQuery, *, history: int | None = None) -> AsyncGenerator[Job, None]:
        """See ``Store.watch``."""
        present = sorted(self._each_matching(query), key=age_of)
        latest = present if history is None else present[len(present) - min(history, len(present)) :]
        changed = OrderedDict.fromkeys(job.id for job in latest)
        self._watched.append(changed)
        seen = bool(present)
        try:
            async for _ in self._changes.subscribe():
                while changed and not self._work.closed:
                    job = self._row(changed.popitem(last=False)[0])
                    if job is not None and matches(job, query):
                        seen = True
                        yield job
                if seen and query.ids is not None and not any(map(self._row, query.ids)):
                    return
        finally:
            self._watched = [each for each in self._watched if each is not changed]


def _error_group(jobs: Sequence[Job]) -> ErrorGroup:
    instants = [job.updated_at or BEGINNING for job in jobs]
    latest = max(jobs, key=lambda job: (job.updated_at or BEGINNING, job.id))
    error = latest.errors[-1]
    return ErrorGroup(
        backend=latest.backend,
        path=latest.path,
        name=error.name,
        code=error.code,
        count=len(jobs),
        first=min(instants),
        last=max(instants),
        example=latest.id,
    )
