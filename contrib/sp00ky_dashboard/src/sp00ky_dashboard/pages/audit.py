"""List what operators have done, the latest first."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from sp00ky_dashboard.context import context_of
from sp00ky_dashboard.rendering import link, render

PAGE = 50
"""Entries."""


async def audit(request: Request) -> Response:
    """Answer ``/audit``."""
    context, after = context_of(request), request.query_params.get("after")
    entries = await context.read(("audit", after), lambda: context.outbox.audit(limit=PAGE + 1, after=after))
    following = link("/audit", after=entries[PAGE - 1].id) if len(entries) > PAGE else None
    return render(request, "audit.html", entries=entries[:PAGE], following=following, after=after)
