"""Group jobs, or what goes wrong with them, by route or by whom they are assigned to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sp00ky_core import ErrorGroup
from sp00ky_core.job.job import instant_to_json
from sp00ky_core.ports import GROUPED, GroupBy, JobGroup
from sp00ky_dashboard.context import context_of
from sp00ky_dashboard.operate.selection import Told, choices, conditions_of, written_in
from sp00ky_dashboard.problem_pages import BAD_REQUEST
from sp00ky_dashboard.rendering import render
from sp00ky_dashboard.times import instant_of

AGES = {"1h": "Last hour", "24h": "Last day", "7d": "Last week", "all": "All that are kept"}

TITLES: Mapping[GroupBy, str] = {"route": "By route", "assigned": "By assigned to"}


async def errors(request: Request) -> Response:
    """Answer ``/errors``: failures that changed ``since`` then."""
    return await _grouped(request, "errors.html", context_of(request).outbox.errors)


async def groups(request: Request) -> Response:
    """Answer ``/groups``: how many jobs there are, and how long it took ``since`` then."""
    return await _grouped(request, "groups.html", context_of(request).outbox.groups)


async def _grouped(
    request: Request, template: str, ask: Callable[..., Awaitable[Sequence[ErrorGroup | JobGroup]]]
) -> Response:
    """Show groups ``by`` what is asked for, of jobs that meet the filters; none says when they were made."""
    context, query = context_of(request), request.query_params
    by: GroupBy = "assigned" if query.get("by") == "assigned" else "route"
    since = query.get("since", "24h").strip()
    written = {name: text for name, text in written_in(query).items() if name not in {"since", "until"}}
    found: Sequence[ErrorGroup | JobGroup] = []
    failed_since = ""
    with Told() as told:
        at = instant_of("since", "" if since == "all" else since)
        conditions = conditions_of(context.outbox, written)
        latest = max(filter(None, (at, conditions.failed_since)), default=None)
        failed_since = "" if latest is None else instant_to_json(latest)
        asked = partial(ask, by=by, filter=conditions, since=at)
        found = await context.read((template, by, since, *written.items()), asked)
    return render(
        request,
        template,
        status=BAD_REQUEST if told.problems else 200,
        groups=[(group, _chosen(group, by, written)) for group in found],
        failed_since=failed_since,
        told=told,
        by=by,
        column=GROUPED[by],
        titles=TITLES,
        since=since,
        ages=AGES,
        **choices(context.outbox, written),
    )


def _chosen(group: ErrorGroup | JobGroup, by: GroupBy, written: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the filters of ``/jobs`` that choose a group's jobs, and no others.

    None: none do, as of nobody's jobs, or of a text with space around it, which is cut off a filter.
    """
    wanted = {"backend": group.backend, GROUPED[by]: getattr(group, GROUPED[by])}
    if isinstance(group, ErrorGroup):
        wanted |= {"error_name": group.name, "code": str(group.code)}
    return {**written, **wanted} if all(text and text == text.strip() for text in wanted.values()) else None
