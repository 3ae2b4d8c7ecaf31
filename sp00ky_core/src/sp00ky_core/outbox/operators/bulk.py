"""Kill, retry or clear the jobs that meet conditions, in batches, with progress after each."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import timedelta
from heapq import nlargest
from typing import Any, Literal, TypeVar, cast

import attrs

from sp00ky_core.errors import JobNotFound, OptionInvalid, StoreError
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.job.options import expect
from sp00ky_core.ports import (
    MAX_LIMIT,
    JobFilter,
    JobQuery,
    OperatorFate,
    OperatorResult,
    Store,
    check_limit,
)
from sp00ky_core.stores.decisions import age_of
from sp00ky_core.stores.named_jobs import NamedJobs
from sp00ky_core.stores.refused_writes import write_around

__all__ = ["CLEAR", "COPY", "DONE", "ERASE", "KILL", "REDACT", "RETRY", "RESCHEDULE", "Action"]
__all__ += ["last_of"]

PAGE = 100
"""Jobs that are read at a time: some 20 MB where each is as long as a list reads it."""


Result = TypeVar("Result")


async def last_of(steps: AsyncGenerator[Result, None]) -> Result:
    """Go through all steps; return what the last one yields. There is one at least."""
    async with aclosing(steps) as results:
        async for result in results:
            last = result
    return last


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
            filters = [no_newer(filter_, oldest) for filter_ in filters] if last is None else filters
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
    ids: dict[str, None] = {}
    async with aclosing(pages(jobs, filters, limit)) as newest_first:
        async for page in newest_first:
            ids |= dict.fromkeys(job.id for job in page)
    ordered = list(reversed(ids))
    for start in range(0, len(ordered), PAGE):
        yield ordered[start : start + PAGE]


async def _page(jobs: NamedJobs, filters: Sequence[JobFilter], *, limit: int, last: Job | None) -> list[Job]:
    by_id: dict[str, Job] = {}
    for filter_ in filters:
        query = JobQuery(**attrs.asdict(filter_, recurse=False), limit=limit, after=last.id if last else None)
        by_id |= {job.id: job for job in await jobs.find(query)}
    return nlargest(limit, by_id.values(), key=age_of)


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


CLEAR_BATCH = 10_000
"""Jobs that one statement deletes."""

DONE = frozenset(OperatorFate) - {
    OperatorFate.NOT_FOUND,
    OperatorFate.ILLEGAL,
    OperatorFate.DUPLICATE,
    OperatorFate.CHANGED,
}


Refusal = Literal["duplicate", "illegal", "changed", "different"]
"""Why a job was refused: the ``OperatorFate`` of that name, or a job of another content has its id."""


def _no_refusals() -> Mapping[Refusal, int]:
    return {"duplicate": 0, "illegal": 0}


@attrs.frozen(kw_only=True)
class BulkResult:
    """Report how far an operation on all jobs that meet conditions has come.

    Attributes:
        matched: Jobs that met the conditions when it began.
        done: Jobs that were killed, retried, cleared, ...
        refused: Jobs that were refused, counted by why: ``duplicate``, ``illegal``, and ``changed`` where
            there are such.
        problem: The first refusal, in words.
        skipped: Jobs to which nothing was left to be done.
    """

    matched: int
    done: int = 0
    skipped: int = 0
    refused: Mapping[Refusal, int] = attrs.field(factory=_no_refusals)
    problem: str | None = None

    @property
    def looked_at(self) -> int:
        """Jobs that were done, skipped or refused."""
        return self.done + self.skipped + sum(self.refused.values())


B = TypeVar("B", bound=BulkResult)


def with_refused(result: B, why: Refusal, problems: Sequence[str | None], *, count: int | None = None) -> B:
    """Return a result with more jobs that were refused: of each, or of one of ``count``, what is wrong."""
    count = len(problems) if count is None else count
    if not count:
        return result
    refused = {**result.refused, why: result.refused.get(why, 0) + count}
    problem = result.problem or next(filter(None, problems), None)
    return attrs.evolve(result, refused=refused, problem=problem)


MOST_IDS = 100
"""Ids that an entry of the audit holds; of more there is a count."""


@attrs.frozen
class Selection:
    """Names jobs, or the conditions that they meet.

    Attributes:
        job_ids: The jobs; or
        conditions: their conditions.
        limit: At most so many, the newest.

    Raises:
        OptionInvalid: Both, a limit of ids, an id that is no text, or what is no ``JobFilter``. A
            ``JobQuery`` isn't taken for one: its ids and page would be left out.
    """

    job_ids: Sequence[str]
    conditions: JobFilter | None
    limit: int | None = None

    def __attrs_post_init__(self) -> None:
        if self.conditions is None:
            expect("limit", self.limit, "to go with a filter", met=self.limit is None)
        else:
            expect("filter", self.conditions, "a JobFilter", met=type(self.conditions) is JobFilter)
            expect("filter", self.conditions, "ids or a filter, not both", met=not self.job_ids)
        if self.limit is not None:
            check_limit("limit", self.limit)
        for job_id in self.job_ids:
            check_id(job_id)

    def matching(self) -> JobFilter:
        """Return the conditions. Raises ``OptionInvalid`` where there are none: that isn't every job."""
        if self.conditions is None:
            raise OptionInvalid(option="filter", value="None", expected="a JobFilter")
        return self.conditions

    def described(self) -> dict[str, Any]:
        """Describe it for the audit; ``all`` where the conditions are none."""
        if self.conditions is None:
            counted = {"count": len(self.job_ids)} if len(self.job_ids) > MOST_IDS else {}
            return {"ids": list(self.job_ids[:MOST_IDS]), **counted}
        fields = attrs.asdict(self.conditions, recurse=False) | {"limit": self.limit}
        return fields if any(value is not None for value in fields.values()) else {"all": True}


def check_id(job_id: object) -> None:
    """Raise ``OptionInvalid`` for an id that is no text."""
    expect("job_id", job_id, "text, as in 'job:1'", met=isinstance(job_id, str))


Operate = Callable[[Sequence[str], BulkResult], Awaitable[Sequence[OperatorResult]]]
"""Does it to jobs by their ids; given too is how far it had come before."""


@attrs.frozen(kw_only=True)
class Action:
    """Describe an operation on jobs: kill, retry, clear or reschedule.

    Attributes:
        name: The method of ``Outbox``.
        statuses: Those of the jobs that it can be done to.
        past: What was done to them then, in a word.
        backends: Where the conditions name none, only jobs of these; None: of all.
        oldest_first: The order in which it is done.
    """

    name: str
    statuses: tuple[JobStatus, ...]
    past: str
    backends: tuple[str, ...] | None = None
    oldest_first: bool = False

    def filters(self, conditions: JobFilter) -> Sequence[JobFilter]:
        """Split conditions: one filter for each status that this can be done to, and each of its backends.

        Raises ``OptionInvalid`` where another status is asked for.
        """
        asked = conditions.statuses
        possible = [status for status in self.statuses if status in asked]
        expected = f"{' or '.join(self.statuses)}: `{self.name}` does nothing to others"
        expect("status", " or ".join(sorted(asked)), expected, met=bool(possible))
        filters = [attrs.evolve(conditions, status=status) for status in possible]
        if conditions.backend is not None or self.backends is None:
            return filters
        return [attrs.evolve(filter_, backend=backend) for backend in self.backends for filter_ in filters]


KILL = Action(name="kill", past="killed", statuses=(JobStatus.PENDING, JobStatus.PROCESSING))
RETRY = Action(name="retry", past="retried", statuses=(JobStatus.FAILED,), oldest_first=True)
CLEAR = Action(name="clear", past="cleared", statuses=(JobStatus.SUCCESS, JobStatus.FAILED))
RESCHEDULE = Action(name="reschedule", past="rescheduled", statuses=(JobStatus.PENDING,))
COPY = Action(name="copy", past="copied", statuses=(JobStatus.SUCCESS, JobStatus.FAILED), oldest_first=True)
IMPORT = Action(name="import", past="imported", statuses=tuple(JobStatus))
REDACT = Action(name="redact", past="redacted", statuses=tuple(JobStatus))
ERASE = Action(name="erase", past="erased", statuses=tuple(JobStatus))


async def count_matching(
    jobs: NamedJobs, action: Action, conditions: JobFilter, *, limit: int | None = None
) -> int:
    """Count the jobs that it would be done to. Raises ``OptionInvalid`` as ``Action.filters``."""
    counts = [await jobs.count(filter_) for filter_ in action.filters(conditions)]
    return sum(counts) if limit is None else min(sum(counts), limit)


async def steps(
    jobs: NamedJobs, action: Action, conditions: JobFilter, operate: Operate, *, limit: int | None = None
) -> AsyncGenerator[BulkResult, None]:
    """Yield the number of jobs that match, then how far it has come after each batch.

    It may be left after any batch: what was reported is done, nothing else is.

    ``operate`` does it to jobs by their ids. Deleting is left to the store where no ``limit`` chooses the
    newest among the jobs, for a store knows the newest of a backend, not of all.

    Raises:
        OptionInvalid: The action isn't done to jobs of such a status; nothing was done.
        StoreError: What the store raises; what was yielded before is done.
    """
    total = await count_matching(jobs, action, conditions)
    result = BulkResult(matched=total if limit is None else min(total, limit))
    yield result
    if action is CLEAR and total == result.matched:
        work = _cleared(jobs, conditions, result, limit)
    elif action.oldest_first:
        work = _in_order(jobs, action.filters(conditions), operate, result, limit)
    else:
        work = _operated(jobs, action.filters(conditions), operate, result, limit)
    async with aclosing(work):
        async for result in work:
            yield result


async def _cleared(
    jobs: NamedJobs, conditions: JobFilter, result: BulkResult, limit: int | None
) -> AsyncGenerator[BulkResult, None]:
    """Delete batch by batch; what is left of what matched is refused by the database."""
    room = MAX_LIMIT if limit is None else limit
    while room > 0:
        batch = min(CLEAR_BATCH, room)
        deleted = await jobs.clear_matching(conditions, limit=batch)
        result, room = attrs.evolve(result, done=result.done + deleted), room - deleted
        yield result
        if deleted < batch:
            break
    missing = result.matched - result.done
    left = await count_matching(jobs, CLEAR, conditions, limit=missing) if missing > 0 else 0
    if left:
        problem = (
            f"{left} {'job' if left == 1 else 'jobs'} can't be deleted: the log says what the database said"
        )
        yield attrs.evolve(result, refused={**result.refused, "illegal": left}, problem=problem)


async def _in_order(
    jobs: NamedJobs, filters: Sequence[JobFilter], operate: Operate, result: BulkResult, limit: int | None
) -> AsyncGenerator[BulkResult, None]:
    """Go from the oldest job on, for a runner may claim those of one batch before the next is written."""
    async with aclosing(oldest_first(jobs, filters, limit)) as batches:
        async for ids in batches:
            result = _after(result, await operate(ids, result))
            yield result


async def _operated(
    jobs: NamedJobs, filters: Sequence[JobFilter], operate: Operate, result: BulkResult, limit: int | None
) -> AsyncGenerator[BulkResult, None]:
    """Go page by page, again until a round does nothing.

    A job may move from one status to another between two reads. What is newer than the first page came
    later, and isn't meant.
    """
    while True:
        before, newest = result.done, None
        async with aclosing(pages(jobs, filters, limit)) as newest_first:
            async for page in newest_first:
                newest = newest or page[0]
                result = _after(result, await operate([job.id for job in page], result))
                yield result
        if newest is None or result.done == before or limit is not None or len(filters) == 1:
            return
        filters = [no_newer(filter_, newest) for filter_ in filters]
        result = attrs.evolve(result, refused=_no_refusals(), problem=None)


async def imported(store: Store, jobs: Mapping[str, Job]) -> tuple[Sequence[str], Mapping[str, StoreError]]:
    """Insert jobs; one that the database refuses costs no other. Return the keys of both."""

    async def write(keys: Sequence[str]) -> Sequence[str]:
        await store.import_jobs([jobs[key] for key in keys])
        return keys

    return await write_around(list(jobs), write)


def _after(result: BulkResult, results: Sequence[OperatorResult]) -> BulkResult:
    for job in results:
        if job.fate not in DONE and job.fate is not OperatorFate.NOT_FOUND:
            result = with_refused(result, cast("Refusal", job.fate.value), [job.problem])
    return attrs.evolve(result, done=result.done + sum(job.fate in DONE for job in results))
