"""List jobs by filters, the newest first, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
from starlette.requests import Request
from starlette.responses import Response

from sp00ky_core import Job, JobStatus
from sp00ky_core.backend.backend import queues
from sp00ky_core.errors import JobNotFound, Sp00kyError, StoreError
from sp00ky_dashboard.context import Context, context_of
from sp00ky_dashboard.error_pages import BAD_REQUEST
from sp00ky_dashboard.observe import rates
from sp00ky_dashboard.pages.filters import conditions_of, written_in
from sp00ky_dashboard.render import link, page

PAGE = 50
"""Jobs."""


async def jobs(request: Request) -> Response:
    """Answer ``/jobs``."""
    context, written = context_of(request), written_in(request.query_params)
    after = request.query_params.get("after")
    found: list[Job] = []
    problem, is_lost = None, False
    try:
        found = await _page(context, written, after)
    except JobNotFound:
        is_lost = True
    except StoreError:
        raise
    except Sp00kyError as error:
        problem = str(error)
    status = BAD_REQUEST if problem else 200
    return page(
        request,
        "jobs.html",
        status=status,
        jobs=found[:PAGE],
        written=written,
        after=after,
        following=link("/jobs", **written, after=found[PAGE - 1].id) if len(found) > PAGE else None,
        problem=problem,
        is_lost=is_lost,
        tabs=await _tabs(context, written),
        backends=list(context.outbox.backends),
        paths=_paths(context, written.get("backend")),
    )


async def _page(context: Context, written: Mapping[str, str], after: str | None) -> list[Job]:
    conditions = conditions_of(context.outbox, written)
    query: dict[str, Any] = attrs.asdict(conditions, recurse=False) | {"limit": PAGE + 1, "after": after}
    question = ("jobs", after, *written.items())
    return await context.read(question, lambda: context.outbox.find(**query))


async def _tabs(context: Context, written: Mapping[str, str]) -> list[dict[str, Any]]:
    """Count the jobs of each status, of the backend that is chosen."""
    numbers = await rates.stats(context.outbox, context.reads, context.patience)
    tables = queues(context.outbox.backends)
    backend = context.outbox.backends.get(written.get("backend", ""))
    chosen = [backend.table.backend] if backend else list(tables)
    counted = [numbers[name] for name in chosen if name in numbers]
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


def _paths(context: Context, backend: str | None) -> list[str]:
    chosen = [each for name, each in context.outbox.backends.items() if backend in {None, name}]
    return sorted({path for each in chosen if each.contract.is_read for path in each.contract.operations})
