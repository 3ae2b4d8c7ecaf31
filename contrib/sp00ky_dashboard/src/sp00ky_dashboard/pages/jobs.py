"""List jobs by filters, the newest first, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import attrs
from starlette.requests import Request
from starlette.responses import Response

from sp00ky_core import BackendStats, Job, JobFilter, JobStatus
from sp00ky_core.backend.backend import queues
from sp00ky_core.errors import JobNotFound
from sp00ky_core.ports import JobGroup
from sp00ky_dashboard.context import Context, context_of
from sp00ky_dashboard.observe import rates
from sp00ky_dashboard.operate.job_actions import JOB_ACTS
from sp00ky_dashboard.operate.selection import Told, choices, conditions_of, written_in
from sp00ky_dashboard.problem_pages import BAD_REQUEST
from sp00ky_dashboard.rendering import link, render

PAGE = 50
"""Jobs."""


async def jobs(request: Request) -> Response:
    """Answer ``/jobs``."""
    context, written = context_of(request), written_in(request.query_params)
    after = request.query_params.get("after")
    found: list[Job] = []
    counted: Sequence[BackendStats | JobGroup] | None = None
    conditions, is_lost = JobFilter(), False
    with Told() as told:
        conditions = conditions_of(context.outbox, written)
        try:
            found = await _page(context, conditions, written, after)
        except JobNotFound:
            is_lost = True
    with told:
        counted = await _counts(context, conditions)
    return render(
        request,
        "jobs.html",
        status=BAD_REQUEST if told.problems else 200,
        jobs=found[:PAGE],
        after=after,
        following=link("/jobs", **written, after=found[PAGE - 1].id) if len(found) > PAGE else None,
        told=told,
        is_lost=is_lost,
        tabs=_tabs(counted, written),
        job_acts=list(JOB_ACTS),
        **choices(context.outbox, written),
    )


async def _page(
    context: Context, conditions: JobFilter, written: Mapping[str, str], after: str | None
) -> list[Job]:
    query: dict[str, Any] = attrs.asdict(conditions, recurse=False) | {"limit": PAGE + 1, "after": after}
    question = ("jobs", after, *written.items())
    return await context.read(question, lambda: context.outbox.find(**query))


def _tabs(
    counted: Sequence[BackendStats | JobGroup] | None, written: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Link to the jobs of each status, and of all; how many they are isn't said before they are counted."""
    names = [status.value for status in JobStatus]
    counts: dict[str, int | None] = dict.fromkeys(["", *names])
    if counted is not None:
        sums = {name: sum(getattr(queue, name) for queue in counted) for name in names}
        counts = {"": sum(sums.values()), **sums}
    return [
        {"status": name, "href": link("/jobs", **{**written, "status": name}), "count": count}
        for name, count in counts.items()
    ]


async def _counts(context: Context, conditions: JobFilter) -> Sequence[BackendStats | JobGroup]:
    """Count the jobs of each status, of the backend and of whom they are assigned to, if these are chosen."""
    outbox, backend, assigned_to = context.outbox, conditions.backend, conditions.assigned_to
    if assigned_to:
        ask = partial(outbox.groups, "assigned", filter=JobFilter(backend=backend, assigned_to=assigned_to))
        return await context.read(("counts", backend, assigned_to), ask)
    numbers = await rates.stats(outbox, context.read)
    names = [outbox.backends[backend].table.backend] if backend else list(queues(outbox.backends))
    return [numbers[name] for name in names if name in numbers]
