"""Stream changes to a browser, as server-sent events."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import StreamingResponse

from sp00ky_dashboard.context import context_of


async def events(request: Request) -> StreamingResponse:
    """Answer ``/events``: changes of the queues, or with ``job`` of one job."""
    live = context_of(request).live
    if live.is_full:
        raise HTTPException(503, "Too many pages are open.", {"Retry-After": "30"})
    stream = live.stream(request.query_params.get("job"))
    if request.method == "HEAD":
        await stream.aclose()
    return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
