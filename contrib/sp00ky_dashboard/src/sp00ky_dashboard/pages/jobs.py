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
from sp00ky_dashboard.error_pages import BAD_REQUEST
from sp00ky_dashboard.filters import choices, conditions_of, told, written_in
from sp00ky_dashboard.observe import rates
from sp00ky_dashboard.render import link, page

PAGE = 50
"""Jobs."""


async def jobs(request: Request) -> Response:
    """Answer ``/jobs``."""
    context, written = context_of(request), written_in(request.query_params)
    after = request.query_params.get("after")
    found: list[Job] = []
    conditions, is_lost = JobFilter(), False
    with told() as problems:
        conditions = conditions_of(context.outbox, written)
        try:
            found = await _page(context, conditions, written, after)
        except JobNotFound:
            is_lost = True
    return page(
        request,
        "jobs.html",
        status=BAD_REQUEST if problems else 200,
        jobs=found[:PAGE],
        after=after,
        following=link("/jobs", **written, after=found[PAGE - 1].id) if len(found) > PAGE else None,
        problems=problems,
        is_lost=is_lost,
        tabs=await _tabs(context, conditions, written),
        **choices(context.outbox, written),
    )


async def _page(
    context: Context, conditions: JobFilter, written: Mapping[str, str], after: str | None
) -> list[Job]:
    query: dict[str, Any] = attrs.asdict(conditions, recurse=False) | {"limit": PAGE + 1, "after": after}
    question = ("jobs", after, *written.items())
    return await context.read(question, lambda: context.outbox.find(**query))


async def _tabs(context: Context, conditions: JobFilter, written: Mapping[str, str]) -> list[dict[str, Any]]:
    """Count the jobs of each status, of the backend and of whom they are assigned to, if these are chosen."""
    counted = await _counts(context, conditions)
    others = {name: value for name, value in written.items() if name != "status"}
    tabs: list[dict[str, Any]] = [
        {
            "status": status.value,
            "href": link("/jobs", **others, status=status.value),
            "count": sum(getattr(one, status.value) for one in counted),
        }
        for status in JobStatus
    ]
    return [{"status": "", "href": link("/jobs", **others), "count": sum(t["count"] for t in tabs)}, *tabs]


async def _counts(context: Context, conditions: JobFilter) -> Sequence[BackendStats | JobGroup]:
    outbox, backend, assigned_to = context.outbox, conditions.backend, conditions.assigned_to
    if assigned_to and outbox.store.capabilities.counts:
        ask = partial(outbox.groups, "assigned", filter=JobFilter(backend=backend, assigned_to=assigned_to))
        return await context.read(("counts", backend, assigned_to), ask)
    numbers = await rates.stats(outbox, context.reads, context.patience)
    names = [outbox.backends[backend].table.backend] if backend else list(queues(outbox.backends))
    return [numbers[name] for name in names if name in numbers]
