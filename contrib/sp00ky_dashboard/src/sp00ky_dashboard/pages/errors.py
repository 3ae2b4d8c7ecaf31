"""Group failures by backend, route, name and code."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from sp00ky_core import ErrorGroup
from sp00ky_dashboard.context import context_of
from sp00ky_dashboard.durations import instant_of
from sp00ky_dashboard.render import page

AGES = {"1h": "Last hour", "24h": "Last day", "7d": "Last week", "": "All that are kept"}


async def errors(request: Request) -> Response:
    """Answer ``/errors``."""
    context = context_of(request)
    since = request.query_params.get("since", "24h")
    since = since if since in AGES else "24h"
    groups = await context.read(
        ("errors", since), lambda: context.outbox.errors(since=instant_of("since", since))
    )
    most = max((group.count for group in groups), default=1)
    return page(
        request,
        "errors.html",
        groups=[(group, _conditions(group)) for group in groups],
        most=most,
        since=since,
        ages=AGES,
    )


def _conditions(group: ErrorGroup) -> dict[str, str]:
    """Return the filters of ``/jobs`` that choose the group's jobs."""
    wanted = {"backend": group.backend, "path": group.path, "error_name": group.name or ""}
    return {name: text for name, text in wanted.items() if text} | {"code": str(group.code)}
