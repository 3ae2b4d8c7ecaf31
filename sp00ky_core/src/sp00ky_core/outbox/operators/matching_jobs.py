"""Read all jobs that meet conditions, newest first, a page at a time; or their ids, oldest first."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import timedelta
from heapq import nlargest

import attrs

from sp00ky_core.errors import JobNotFound
from sp00ky_core.job.job import Job
from sp00ky_core.ports import MAX_LIMIT, JobFilter, JobQuery
from sp00ky_core.stores.filters import age_of
from sp00ky_core.stores.naming import NamedJobs

PAGE = 100
"""Jobs that are read at a time: some 20 MB where each is as long as a list reads it."""


async def pages(
    jobs: NamedJobs, filters: Sequence[JobFilter], limit: int | None = None, *, after: Job | None = None
) -> AsyncGenerator[list[Job], None]:
    """Yield the jobs that meet one of the filters, newest first, in lists of at most ``PAGE``.

    With ``after`` they begin with the one that is next older than that job; raises ``JobNotFound`` where it
    is gone.

    Jobs may be deleted meanwhile, those of the page before too. Where all of that are gone, those that were
    created in the same microsecond may be yielded again.
    """
    room = MAX_LIMIT if limit is None else limit
    before: list[str] = []  # the ids of the page before
    last = oldest = after
    while room > 0:
        try:
            page = await _page(jobs, filters, limit=min(PAGE, room), last=last)
        except JobNotFound:  # the last job of the page before has been deleted, here or elsewhere
            if not before or oldest is None:
                raise
            last = await _last_left(jobs, before)
            filters = [no_newer(each, oldest) for each in filters] if last is None else filters
            continue
        if not page:
            return
        room, before, last = room - len(page), [job.id for job in page], page[-1]
        oldest = last
        yield page
        del page  # before the next is read


async def oldest_first(
    jobs: NamedJobs, filters: Sequence[JobFilter], limit: int | None = None
) -> AsyncGenerator[list[str], None]:
    """Yield the ids of the jobs that ``pages`` yields, the oldest first, in lists of at most ``PAGE``.

    All are read before the first list is yielded, for a store pages from the newest on only: a job takes some
    200 bytes of memory meanwhile.
    """
    found: dict[str, None] = {}
    async with aclosing(pages(jobs, filters, limit)) as newest_first:
        async for page in newest_first:
            found |= dict.fromkeys(job.id for job in page)
    ids = list(reversed(found))
    for start in range(0, len(ids), PAGE):
        yield ids[start : start + PAGE]


async def _page(jobs: NamedJobs, filters: Sequence[JobFilter], *, limit: int, last: Job | None) -> list[Job]:
    found: dict[str, Job] = {}
    for each in filters:
        query = JobQuery(**attrs.asdict(each, recurse=False), limit=limit, after=last.id if last else None)
        found |= {job.id: job for job in await jobs.find(query)}
    return nlargest(limit, found.values(), key=age_of)


async def _last_left(jobs: NamedJobs, page: Sequence[str]) -> Job | None:
    """Return the last job of a page that hasn't been deleted."""
    left = await jobs.find(JobQuery(ids=tuple(page), limit=len(page)))
    return left[-1] if left else None


def no_newer(conditions: JobFilter, job: Job) -> JobFilter:
    """Narrow conditions to jobs that were created no later than a job."""
    if job.created_at is None:
        return conditions
    end = job.created_at + timedelta(microseconds=1)
    return attrs.evolve(conditions, until=min(conditions.until or end, end))
