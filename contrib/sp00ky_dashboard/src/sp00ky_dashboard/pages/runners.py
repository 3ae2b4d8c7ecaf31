"""Show the fleet, and what each runner has in flight."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from sp00ky_dashboard.context import context_of
from sp00ky_dashboard.rendering import render


async def runners(request: Request) -> Response:
    """Answer ``/runners``."""
    context = context_of(request)
    records = await context.read("runners", context.outbox.runners)
    return render(request, "runners.html", runners=records)
