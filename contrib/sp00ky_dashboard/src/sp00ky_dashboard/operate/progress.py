"""Show how far an operation on many jobs has come."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from sp00ky_dashboard.context import context_of
from sp00ky_dashboard.operate.job_actions import ended_line
from sp00ky_dashboard.render import page


async def progress(request: Request) -> Response:
    """Answer ``/progress/ID``."""
    context = context_of(request)
    operation = context.bulk.get(request.path_params["operation_id"])
    if operation is None:
        return page(request, "progress.html", status=404, operation=None, line=None)
    line = ended_line(operation, context.operator) if operation.has_ended else None
    return page(request, "progress.html", operation=operation, line=line)
