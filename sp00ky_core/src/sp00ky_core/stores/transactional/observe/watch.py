"""Follow jobs: those that match, then each again when it has changed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.ports import JobQuery, JobTable
from sp00ky_core.stores.filters import BEGINNING, age_of, matches
from sp00ky_core.stores.transactional.connection.session import NO_LENGTHS, Is, Session, Work
from sp00ky_core.stores.transactional.observe.filters import filters
from sp00ky_core.stores.transactional.observe.find import ids_by_age, load
from sp00ky_core.stores.transactional.rows import CHUNK, LISTED, to_job
from sp00ky_core.stores.transactional.schema.definition import job_table

OVERLAP = timedelta(seconds=60)
"""So late may a change be committed after its ``updated_at``, in a transaction of a caller's, to be seen."""

Mark = tuple[Any, ...]


class Watch:
    """One iteration of ``Watch.watch``.

    Args:
        read: Does work in a transaction that reads.
        tables: All of the store's.
        query: Which jobs are wanted.
    """

    def __init__(
        self, read: Callable[[Work[Any]], Awaitable[Any]], tables: Sequence[JobTable], query: JobQuery
    ) -> None:
        self._read = read
        self._tables = {table.table: table for table in tables}
        self._query = query
        self._marks: dict[str, Mark] = {}  # of jobs seen lately: what they looked like
        self._since = BEGINNING
        self._seen = False

    async def follow(
        self, changes: AsyncGenerator[None, None], history: int | None
    ) -> AsyncGenerator[Job, None]:
        """Yield jobs until the changes end, or none of the ids is there any more."""
        try:
            await anext(changes, None)  # subscribed, before anything is read
            async for job in self._present(history):
                yield job
            while True:
                for job in await self._changed():
                    yield job
                if self._seen and self._query.ids is not None and not await self._left():
                    return
                if await anext(changes, True):
                    return
        finally:
            await changes.aclose()

    async def _present(self, history: int | None) -> AsyncIterator[Job]:
        async def work(session: Session) -> tuple[list[str], list[Job]]:
            self._since = await session.now()
            ids = await ids_by_age(session, list(self._tables.values()), self._query, history)
            return ids, [] if history is None else await self._recent(session)

        ids, unasked = await self._read(work)
        for job in unasked:  # what was left out is no news, as it is
            if job.id not in ids:
                self._is_news(job)
        for start in range(0, len(ids), CHUNK):
            for job in await self._load(ids[start : start + CHUNK]):
                if matches(job, self._query) and self._is_news(job):
                    yield job

    async def _changed(self) -> list[Job]:
        found = await (self._read(self._recent) if self._query.ids is None else self._load(self._query.ids))
        found = [job for job in found if matches(job, self._query)]
        news = [job for job in sorted(found, key=age_of) if self._is_news(job)]
        self._since = max([self._since, *(job.updated_at for job in found if job.updated_at is not None)])
        self._forget()
        return news

    async def _recent(self, session: Session) -> list[Job]:
        """Read what has changed since a while before the last time: a range of an index for each status."""
        jobs: list[Job] = []
        for table in self._tables.values():
            where = filters(self._query, table)
            for status in JobStatus if where is not None else ():
                recent = [Is("status", "=", status), Is("updated_at", ">", self._since - OVERLAP)]
                rows = await session.select(job_table(table.table), [*(where or ()), *recent], longest=LISTED)
                jobs += [to_job(table, row) for row in rows]
        return jobs

    async def _load(self, ids: Sequence[str]) -> list[Job]:
        longest = LISTED if self._query.ids is None else NO_LENGTHS

        async def work(session: Session) -> list[Job]:
            return await load(session, self._tables, ids, longest=longest)

        jobs: list[Job] = await self._read(work)
        return jobs

    async def _left(self) -> bool:
        return bool(await self._load(self._query.ids or ()))

    def _is_news(self, job: Job) -> bool:
        mark = (job.status, job.lease_epoch, job.updated_at)
        news = self._marks.get(job.id) != mark
        self._marks[job.id] = mark
        self._seen = True
        return news

    def _forget(self) -> None:
        """Forget what is too old to be read again, but for jobs that are asked for by their ids."""
        if self._query.ids is None:
            oldest = self._since - OVERLAP
            self._marks = {
                each: mark for each, mark in self._marks.items() if (mark[2] or BEGINNING) > oldest
            }
