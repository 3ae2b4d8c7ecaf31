"""Show one job: its payload and result, its attempts, its neighbours of the same key."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from sp00ky_core import Job
from sp00ky_core.errors import JobNotFound
from sp00ky_core.job.job import attempt_times
from sp00ky_dashboard.context import Context, context_of
from sp00ky_dashboard.operate.copy_job import edit_page
from sp00ky_dashboard.rendering import pretty, render

LONGEST_SHOWN = 20_000
"""Characters of a payload on the page; the rest is a link away."""

NEIGHBOURS = 5
"""On either side."""

MOST_BEHIND = 100
"""Jobs behind in the order that are looked at."""


@attrs.frozen(kw_only=True)
class Document:
    """A payload or a result.

    Attributes:
        text: As people read it, or the beginning of it.
        size: Bytes of JSON.
        is_whole: Whether the text is all.
    """

    text: str
    size: int
    is_whole: bool


@attrs.frozen(kw_only=True)
class Neighbours:
    """Jobs of the same ordering key, in their order.

    Attributes:
        before: Those right before.
        after: Those right after.
        more: There are more behind those.
    """

    before: Sequence[Job] = ()
    after: Sequence[Job] = ()
    more: bool = False


async def job(request: Request) -> Response:
    """Answer ``/jobs/ID``; with ``part=payload`` or ``part=result`` that alone, as text."""
    context, job_id = context_of(request), request.path_params["job_id"]
    shown = await _found(context, job_id)
    part = request.query_params.get("part")
    if part in {"payload", "result"}:
        return _text(context, shown, part)
    if "edit" in request.query_params and not context.operator.read_only:
        return edit_page(request, shown)
    return render(
        request,
        "job.html",
        job=shown,
        timeline=timeline(shown),
        payload=_document(shown.payload, shown.payload_json),
        result=None if shown.result_json is None else _document(shown.result, shown.result_json),
        neighbours=await context.read(
            ("neighbours", shown.id, shown.updated_at), lambda: _neighbours(context, shown)
        ),
    )


async def _found(context: Context, job_id: str) -> Job:
    """Return a job by its id, which may be shortened to what is unique."""
    try:
        return await context.outbox.get(job_id)
    except JobNotFound:
        ids = await context.outbox.store.ids_starting_with(job_id)
        if len(ids) != 1:
            raise
    return await context.outbox.get(ids[0])


def _text(context: Context, shown: Job, part: str) -> Response:
    if context.operator.hide_payloads:
        raise HTTPException(403, "Payloads, results and the reasons of errors are hidden.")
    value = shown.payload if part == "payload" else shown.result
    return PlainTextResponse(pretty(value).encode(errors="replace"))


def _document(value: Any, text: bytes) -> Document:
    shown = pretty(value)
    return Document(text=shown[:LONGEST_SHOWN], size=len(text), is_whole=len(shown) <= LONGEST_SHOWN)


def timeline(shown: Job) -> list[dict[str, Any]]:
    """Return what happened to a job, in order, and what is to come."""
    events: list[dict[str, Any]] = [{"kind": "enqueued", "at": shown.created_at}]
    events += [{"kind": "error", "at": error.at, "entry": error} for error in shown.errors]
    if shown.status == "success":
        events.append({"kind": "success", "at": shown.updated_at})
    for event, (waited, took) in zip(events[1:], attempt_times(shown), strict=True):
        event |= {"waited": waited, "took": took}
    if shown.status == "processing":
        events.append({"kind": "processing", "at": shown.updated_at})
    elif shown.status == "pending":
        events.append({"kind": "next", "at": shown.run_at})
    return events


async def _neighbours(context: Context, shown: Job) -> Neighbours:
    if shown.ordering_key is None or shown.created_at is None:
        return Neighbours()
    key: Any = {"backend": shown.backend, "ordering_key": shown.ordering_key}
    find, instant = context.outbox.find, timedelta(microseconds=1)
    before, behind = await asyncio.gather(
        find(**key, until=shown.created_at + instant, limit=NEIGHBOURS + 1),
        find(**key, since=shown.created_at, limit=MOST_BEHIND),
    )
    jobs = {job.id: job for job in (*before, shown, *behind)}
    order = sorted(jobs.values(), key=_place)
    place = [job.id for job in order].index(shown.id)
    after = order[place + 1 : place + 1 + NEIGHBOURS]
    return Neighbours(
        before=order[max(place - NEIGHBOURS, 0) : place],
        after=after,
        more=len(order) > place + 1 + len(after) or len(behind) == MOST_BEHIND,
    )


def _place(job: Job) -> tuple[datetime, str]:
    return (job.ordering_at or job.created_at or datetime.min, job.id)
