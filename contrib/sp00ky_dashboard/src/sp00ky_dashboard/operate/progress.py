"""Show how far an operation on many jobs has come."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from sp00ky_dashboard.context import context_of
from sp00ky_dashboard.flash import LONGEST, flashed
from sp00ky_dashboard.operate.background import BulkOperation
from sp00ky_dashboard.operate.job_actions import ended_line
from sp00ky_dashboard.render import page

PATIENCE = 1.0
"""Seconds that an operation on many jobs gets before its progress is shown instead."""


async def progress(request: Request) -> Response:
    """Answer ``/progress/ID``."""
    context = context_of(request)
    operation = context.bulk.operations.get(request.path_params["operation_id"])
    if operation is None:
        return page(request, "progress.html", status=404, operation=None, line=None)
    line = ended_line(operation, context.operator) if operation.task.done() else None
    return page(request, "progress.html", operation=operation, line=line)


async def followed(request: Request, operation: BulkOperation, *, back: str) -> Response:
    """Go back with what was done, or to the progress of what takes longer. Raises where nothing was."""
    await asyncio.wait([operation.task], timeout=PATIENCE)
    if operation.error is not None and operation.result is None:
        raise operation.error
    line = ended_line(operation, context_of(request).operator)
    if operation.task.done() and len(line) <= LONGEST:
        return done(request, back, line)
    return RedirectResponse(f"{request.scope.get('root_path', '')}/progress/{operation.id}", 303)


def done(request: Request, back: str, line: str) -> Response:
    """Go back with a line that says what was done; what was read before is old."""
    context_of(request).reads.forget()
    return flashed(RedirectResponse(back, 303), request, line)
