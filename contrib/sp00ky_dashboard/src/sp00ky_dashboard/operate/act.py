"""Do what an operator wants, once it is confirmed: nothing here is done by a GET."""

from __future__ import annotations

import asyncio

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from sp00ky_dashboard.access.forms import FIELD, Form, form_of
from sp00ky_dashboard.context import context_of
from sp00ky_dashboard.flash import flashed
from sp00ky_dashboard.operate.fleet_actions import FLEET_ACTS, FleetAct
from sp00ky_dashboard.operate.job_actions import JOB_ACTS, JobAct, Selection, ended_line, selected
from sp00ky_dashboard.render import page

PATIENCE = 1.0
"""Seconds that an operation on many jobs gets before its progress is shown instead."""

ASKED = ("reason", "duration", "over", "resend_unknown")
"""Fields of a confirmation; all others are sent on with it."""


async def act(request: Request) -> Response:
    """Answer ``POST /act``: ``action``, what it is done to, and ``confirmed``; else it is asked first."""
    form = await form_of(request)
    if context_of(request).operator.read_only:
        raise HTTPException(403, "This dashboard is read-only.")
    name = form.text("action")
    if name in JOB_ACTS:
        return await _act_on_jobs(request, form, JOB_ACTS[name])
    if name in FLEET_ACTS:
        return await _act_on_fleet(request, form, FLEET_ACTS[name])
    raise HTTPException(400, "There is no such action.")


async def _act_on_jobs(request: Request, form: Form, wanted: JobAct) -> Response:
    outbox = context_of(request).outbox
    chosen = selected(outbox, form)
    if not form.has("confirmed"):
        count = await chosen.count(outbox, wanted)
        return _ask(request, form, wanted, count=count, title=wanted.question(count), more=chosen.fields())
    options = wanted.options(form) | _act_options(request, form)
    if chosen.ids:
        results = await getattr(outbox, wanted.action.name)(*chosen.ids, **options)
        return _done(request, form, wanted.results_line(results, context_of(request).operator))
    return await _act_on_matching(request, form, wanted, chosen, options)


async def _act_on_matching(
    request: Request, form: Form, wanted: JobAct, chosen: Selection, options: dict[str, object]
) -> Response:
    context = context_of(request)
    steps = context.outbox.steps(wanted.action, chosen.conditions, limit=None, **options)
    operation = context.bulk.start(wanted.done, steps)
    if operation.task is not None:
        await asyncio.wait([operation.task], timeout=PATIENCE)
    if operation.has_ended:
        return _done(request, form, ended_line(operation, context.operator))
    return RedirectResponse(f"{request.scope.get('root_path', '')}/progress/{operation.id}", 303)


async def _act_on_fleet(request: Request, form: Form, wanted: FleetAct) -> Response:
    target = form.text("target")
    if not form.has("confirmed"):
        return _ask(request, form, wanted, count=1, title=wanted.question(target), more=[])
    line = await wanted.do(context_of(request).outbox, target, form, _act_options(request, form))
    return _done(request, form, line)


def _act_options(request: Request, form: Form) -> dict[str, object]:
    """Return what the audit is to say: whom the dashboard has authenticated, and why they do it."""
    return {"actor": context_of(request).operator.name, "reason": form.text("reason") or None}


def _ask(
    request: Request,
    form: Form,
    wanted: JobAct | FleetAct,
    *,
    count: int,
    title: str,
    more: list[tuple[str, str]],
) -> Response:
    kept = form.without({FIELD, *ASKED, *(name for name, _ in more)})
    return page(
        request,
        "confirm.html",
        act=wanted,
        title=title,
        count=count,
        fields=[*kept, *more],
        back=form.back(request),
    )


def _done(request: Request, form: Form, line: str) -> Response:
    context_of(request).reads.forget()
    return flashed(RedirectResponse(form.back(request), 303), request, line)
