"""Show how far an operation on many jobs has come, and what came of it."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from sp00ky_core import BulkResult
from sp00ky_core.outbox.operators.redaction import RedactionResult
from sp00ky_dashboard.access.authorization import Operator
from sp00ky_dashboard.context import context_of
from sp00ky_dashboard.flash import LONGEST, flashed
from sp00ky_dashboard.operate.background_work import BulkOperation
from sp00ky_dashboard.operate.job_actions import jobs_text
from sp00ky_dashboard.rendering import render

PATIENCE = 1.0
"""Seconds that an operation on many jobs gets before its progress is shown instead."""


async def progress(request: Request) -> Response:
    """Answer ``/progress/ID``."""
    context = context_of(request)
    operation = context.bulk.operations.get(request.path_params["operation_id"])
    if operation is None:
        return render(request, "progress.html", status=404, operation=None, line=None)
    line = ended_line(operation, context.operator) if operation.task.done() else None
    return render(request, "progress.html", operation=operation, line=line)


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
    context_of(request).cache.forget()
    return flashed(RedirectResponse(back, 303), request, line)


def ended_line(operation: BulkOperation, operator: Operator) -> str:
    """Say how many were done, how many refused, and why, where the operator may see it."""
    result = operation.result or BulkResult(matched=0)
    refused = [f"{count:,} {why.replace('_', ' ')}" for why, count in result.refused.items() if count]
    problem = operator.seen(operation.problem or result.problem)
    sentences = [f"{jobs_text(result.done)} {operation.action}"]
    sentences += [f"{jobs_text(result.skipped)} left as they were"] if result.skipped else []
    sentences += [f"Refused: {', '.join(refused)}"] if refused else []
    sentences += [problem] if problem else []
    if isinstance(result, RedactionResult):
        sentences += _proof_of(result)
    return " ".join(f"{sentence}." for sentence in sentences)


def _proof_of(result: RedactionResult) -> list[str]:
    """Say what the audit doesn't: it has how many, and the hash of what was selected."""
    left = ", ".join(f"{name.replace('_', ' ')} ({count:,})" for name, count in result.left.items() if count)
    said = {"Killed first": result.killed, "Left": left, "The copies": ", ".join(result.copies)}
    entry = [f"Audit entry {result.audit}"] if result.audit else []
    return entry + [f"{name}: {value}" for name, value in said.items() if value]
