"""Find the steps of jobs that have ended, and settle them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from sp00ky_core import Job, JobQuery
from sp00ky_core.ports import ExtensionContext, ExtensionTransaction
from sp00ky_core.stores.ids import table_of
from sp00ky_workflows.service.finish import go_on
from sp00ky_workflows.service.progress import ended_steps, settle
from sp00ky_workflows.service.rows import Beaten

__all__ = ["ended_jobs", "redone", "settle_jobs"]

T = TypeVar("T")

TIMES = 20
"""How often a transaction is tried in which another runner was faster; later looks find the rest."""


async def redone(context: ExtensionContext, work: Callable[[ExtensionTransaction], Awaitable[T]]) -> T:
    """Do work in a transaction, anew where another runner was faster. Raises ``Beaten`` in the end."""
    for _ in range(TIMES - 1):
        try:
            return await context.transact(work)
        except Beaten:
            continue
    return await context.transact(work)


async def ended_jobs(context: ExtensionContext, job_ids: Sequence[str]) -> Mapping[str, Job | None]:
    """Return those of some jobs that have ended; None: a job of one of our backends that is gone."""
    found = {job.id: job for job in await context.jobs.find(JobQuery(ids=tuple(job_ids), limit=len(job_ids)))}
    tables = {backend.table.table for backend in context.backends.values()}
    ended: dict[str, Job | None] = {}
    for job_id in job_ids:
        job = found.get(job_id)
        if job is None and table_of(job_id) in tables:
            ended[job_id] = None
        elif job is not None and job.is_terminal:
            ended[job_id] = await context.jobs.get(job_id) if "result" in job.omitted else job
    return ended


async def settle_jobs(context: ExtensionContext, job_ids: Sequence[str]) -> set[str]:
    """Settle the steps of those of some jobs that have ended; return workflows that may have ended."""
    jobs = await ended_jobs(context, job_ids)
    if not jobs:
        return set()

    async def work(tx: ExtensionTransaction) -> tuple[set[str], set[str]]:
        ended = await ended_steps(tx, jobs)
        return await settle(tx, ended), {one.workflow_id for one in ended if one.was == "failed"}

    ending, retried = await redone(context, work)
    for workflow_id in retried:
        await redone(context, partial(go_on, workflow_id=workflow_id))
    return ending
