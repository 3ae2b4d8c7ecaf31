"""Give all jobs that match as a file: lines of JSON, or CSV."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from sp00ky_core.outbox.operators.export_import import COLUMNS, EXPORT_FORMATS, ExportFormat
from sp00ky_dashboard.context import context_of
from sp00ky_dashboard.operate.selection import conditions_of, written_in
from sp00ky_dashboard.problem_pages import BAD_REQUEST
from sp00ky_dashboard.rendering import render

HIDDEN = ("payload", "result", "errors")
"""Columns that an operator doesn't get from whom payloads are hidden."""


async def export(request: Request) -> Response:
    """Answer ``/export``: ask for ``format`` and ``column``, or give the jobs that meet the conditions."""
    context, query = context_of(request), request.query_params
    written, hidden = written_in(query), HIDDEN if context.operator.hide_payloads else ()
    conditions = conditions_of(context.outbox, written)
    columns = [name for name in COLUMNS if name not in hidden]
    if "format" not in query:
        return render(request, "export.html", written=written, columns=columns, formats=list(EXPORT_FORMATS))
    chosen = query.getlist("column") or (columns if hidden else None)
    if query["format"] not in EXPORT_FORMATS:
        raise HTTPException(BAD_REQUEST, f"The formats are {', '.join(EXPORT_FORMATS)}.")
    if not set(chosen or ()).isdisjoint(hidden):
        raise HTTPException(403, "Payloads, results and the reasons of errors are hidden.")
    export_format = EXPORT_FORMATS[query["format"]](chosen)
    lines = _lines(context.outbox.export(conditions), export_format)
    await anext(lines)  # what is wrong is said before anything is sent
    if request.method == "HEAD":
        await lines.aclose()
    name = {"Content-Disposition": f'attachment; filename="jobs.{query["format"]}"'}
    return StreamingResponse(lines, headers=name, media_type=export_format.media_type)


async def _lines(
    records: AsyncGenerator[Mapping[str, Any], None], export_format: ExportFormat
) -> AsyncGenerator[bytes, None]:
    """Yield nothing once the first job is read, then the file as it is read: memory holds a page of jobs."""
    async with aclosing(records):
        record = await anext(records, None)
        yield b""
        yield export_format.head
        while record is not None:
            yield export_format.line(record)
            record = await anext(records, None)
