"""Show schedules with their next fires, and what they have made."""

from __future__ import annotations

from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from sp00ky_core.outbox.operators.schedules import ScheduleRecord
from sp00ky_core.schedules.definition import can_not_fire, next_fire
from sp00ky_dashboard.context import context_of
from sp00ky_dashboard.render import page

FIRES = 3
"""That are yet to come."""

RUNS = 50


async def schedules(request: Request) -> Response:
    """Answer ``/schedules``; ``name`` and ``status`` choose runs."""
    context, query = context_of(request), request.query_params
    outbox, name, status = context.outbox, query.get("name") or None, query.get("status") or None
    if not outbox.store.capabilities.schedules:
        return page(request, "schedules.html", is_supported=False, schedules=[], runs=[], name=None)
    records = await context.read("schedules", outbox.schedules.list)
    runs = await context.read(
        ("runs", name, status), lambda: outbox.schedules.runs(name, status=status, limit=RUNS)
    )
    listed = [(record, fires_of(record)) for record in records]
    return page(request, "schedules.html", is_supported=True, schedules=listed, runs=runs, name=name)


def fires_of(schedule: ScheduleRecord) -> list[datetime]:
    """Return when it fires next, the first times."""
    at, fires = schedule.stored.next_fire_at, list[datetime]()
    if can_not_fire(schedule.stored) or schedule.definition is None:
        return []
    while at is not None and len(fires) < FIRES:
        fires.append(at)
        at = next_fire(schedule.definition, at)
    return fires
