"""Do what an operator wants, once it is confirmed: nothing here is done by a GET."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from sp00ky_core.errors import ConfigError, OptionInvalid
from sp00ky_dashboard.access.forms import FIELD, Form, form_of
from sp00ky_dashboard.context import context_of
from sp00ky_dashboard.error_pages import BAD_REQUEST
from sp00ky_dashboard.flash import LONGEST, flashed
from sp00ky_dashboard.operate.fleet_actions import FLEET_ACTS, FleetAct
from sp00ky_dashboard.operate.job_actions import JOB_ACTS, JobAct, ended_line, selected
from sp00ky_dashboard.render import page

PATIENCE = 1.0
"""Seconds that an operation on many jobs gets before its progress is shown instead."""

CONFIRMED, COUNTED = "confirmed", "counted_to"

ACTS: Mapping[str, JobAct | FleetAct] = {**JOB_ACTS, **FLEET_ACTS}

ASKED = {name for wanted in ACTS.values() for name in wanted.asks}
"""Fields of a confirmation; all others are sent on with it."""


async def act(request: Request) -> Response:
    """Answer ``POST /act``: ``action``, what it is done to, and ``confirmed``; else it is asked first.

    It is asked again where something can't be, with what was typed, and where jobs are to be copied to
    another backend than they were counted for: those that it has already aren't meant.
    """
    form = await form_of(request)
    if context_of(request).operator.read_only:
        raise HTTPException(403, "This dashboard is read-only.")
    wanted = ACTS.get(form.text("action"))
    if wanted is None:
        raise HTTPException(BAD_REQUEST, "There is no such action.")
    if not form.has(CONFIRMED) or form.text("to") != form.text(COUNTED):
        return await _ask(request, form, wanted)
    try:
        if isinstance(wanted, JobAct):
            return await _act_on_jobs(request, form, wanted)
        return await _act_on_fleet(request, form, wanted)
    except (OptionInvalid, ConfigError) as error:
        return await _ask(request, form, wanted, problem=str(error))


async def _act_on_jobs(request: Request, form: Form, wanted: JobAct) -> Response:
    context = context_of(request)
    chosen = selected(context.outbox, form)
    steps = wanted.steps(context.outbox, chosen, form, _act_options(request, form))
    operation = context.bulk.start(wanted.done, steps)
    if operation.task is not None:
        await asyncio.wait([operation.task], timeout=PATIENCE)
    if operation.error is not None and operation.result is None:  # nothing was done
        raise operation.error
    root, line = request.scope.get("root_path", ""), ended_line(operation, context.operator)
    if operation.has_ended and len(line) <= LONGEST:
        return _done(request, f"{root}/audit" if wanted.has_proof else form.back(request), line)
    return RedirectResponse(f"{root}/progress/{operation.id}", 303)


async def _act_on_fleet(request: Request, form: Form, wanted: FleetAct) -> Response:
    outbox, target = context_of(request).outbox, form.text("target")
    line = await wanted.do(outbox, target, form, _act_options(request, form))
    return _done(request, form.back(request), line)


def _act_options(request: Request, form: Form) -> dict[str, object]:
    """Return what the audit is to say: whom the dashboard has authenticated, and why they do it."""
    return {"actor": context_of(request).operator.name, "reason": form.text("reason") or None}


async def _ask(
    request: Request, form: Form, wanted: JobAct | FleetAct, *, problem: str | None = None
) -> Response:
    outbox = context_of(request).outbox
    target, to, count = form.text("target"), form.text("to"), 1
    more: list[tuple[str, str]] = []
    if isinstance(wanted, JobAct):
        chosen = selected(outbox, form)
        count, more = await wanted.count(outbox, chosen, to), chosen.fields()
    kept = form.without({FIELD, CONFIRMED, COUNTED, *ASKED, *(name for name, _ in more)})
    return page(
        request,
        "confirm.html",
        status=BAD_REQUEST if problem else 200,
        act=wanted,
        title=wanted.question(count, to) if isinstance(wanted, JobAct) else wanted.question(target),
        count=count,
        problem=problem,
        typed=form,
        backend=outbox.backends.get(target),
        backends=list(outbox.backends),
        fields=[*kept, *more, (CONFIRMED, "1"), (COUNTED, to)],
        back=form.back(request),
    )


def _done(request: Request, back: str, line: str) -> Response:
    context_of(request).reads.forget()
    return flashed(RedirectResponse(back, 303), request, line)
