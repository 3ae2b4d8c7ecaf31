"""Show schedules with their next fires, and what they have made; fire, pause and release them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sp00ky_core import Outbox
from sp00ky_dashboard import Act, Form, Page, context_of, render
from sp00ky_schedules.api import ScheduleRecord, Schedules
from sp00ky_schedules.model.definition import can_not_fire, next_fire

FIRES = 3
"""That are yet to come."""

RUNS = 50


async def schedules(request: Request) -> Response:
    """Answer ``/schedules``; ``name`` and ``status`` choose runs."""
    context, query = context_of(request), request.query_params
    outbox, name, status = context.outbox, query.get("name") or None, query.get("status") or None
    known = outbox.extension(Schedules)
    records = await context.read("schedules", known.list)
    runs = await context.read(("runs", name, status), lambda: known.runs(name, status=status, limit=RUNS))
    listed = [(record, fires_of(record)) for record in records]
    return render(request, "schedules.html", schedules=listed, runs=runs, name=name)


def fires_of(schedule: ScheduleRecord) -> list[datetime]:
    """Return when it fires next, the first times."""
    at, fires = schedule.stored.next_fire_at, list[datetime]()
    if can_not_fire(schedule.stored) or schedule.definition is None:
        return []
    while at is not None and len(fires) < FIRES:
        fires.append(at)
        at = next_fire(schedule.definition, at)
    return fires


async def _trigger(outbox: Outbox, target: str, _form: Form, act: dict[str, Any]) -> str:
    runs = await outbox.extension(Schedules).trigger(target, **act)
    made = sum(run.job_id is not None for run in runs)
    failed = (await outbox.extension(Schedules).get(target)).stored.last_error is not None
    return f"{target} has fired: {made:,} {'job' if made == 1 else 'jobs'}." + (
        " It failed in part: its error is below." if failed else ""
    )


async def _pause_schedule(outbox: Outbox, target: str, _form: Form, act: dict[str, Any]) -> str:
    began = await outbox.extension(Schedules).pause(target, **act)
    return f"{target} is paused until it is resumed." if began else f"{target} was paused before."


async def _resume_schedule(outbox: Outbox, target: str, _form: Form, act: dict[str, Any]) -> str:
    ended = await outbox.extension(Schedules).resume(target, **act)
    return f"{target} is resumed." if ended else f"{target} wasn't paused."


async def _release(outbox: Outbox, target: str, _form: Form, act: dict[str, Any]) -> str:
    ended = await outbox.extension(Schedules).release(target, **act)
    return f"{target}: the quarantine has ended." if ended else f"{target} has no key in quarantine."


SCHEDULE_ACTS = {
    "trigger": Act(verb="Fire", text="It fires now; its clock goes on as it would have.", do=_trigger),
    "pause-schedule": Act(
        verb="Pause", text="It doesn't fire, by hand either, until it is resumed.", do=_pause_schedule
    ),
    "resume-schedule": Act(
        verb="Resume", text="It fires again. What was missed meanwhile is left out.", do=_resume_schedule
    ),
    "release-schedule": Act(
        verb="Release", text="Keys that failed too often in a row are tried again.", do=_release
    ),
}

PAGES = (
    Page(
        path="/schedules",
        name="Schedules",
        handler=schedules,
        templates=Path(__file__).parent / "templates",
        acts=SCHEDULE_ACTS,
    ),
)
