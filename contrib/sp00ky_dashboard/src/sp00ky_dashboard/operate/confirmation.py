"""Do what an operator wants, once it is confirmed: nothing here is done by a GET."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sp00ky_core.errors import ConfigError, OptionInvalid
from sp00ky_dashboard.access.forms import FIELD, Form, form_of
from sp00ky_dashboard.context import act_options, context_of, writing
from sp00ky_dashboard.operate.bulk_progress import done, followed
from sp00ky_dashboard.operate.fleet_actions import Act, Ask
from sp00ky_dashboard.operate.job_actions import JobAct
from sp00ky_dashboard.operate.selection import selected
from sp00ky_dashboard.problem_pages import BAD_REQUEST
from sp00ky_dashboard.rendering import render

CONFIRMED, COUNTED = "confirmed", "counted_to"


async def act(request: Request) -> Response:
    """Answer ``POST /act``: ``action``, what it is done to, and ``confirmed``; else it is asked first.

    It is asked again where something can't be, with what was typed, and where jobs are to be copied to
    another backend than they were counted for: those that it has already aren't meant.
    """
    acts, form = writing(request).acts, await form_of(request)
    wanted = acts.get(form.text("action"))
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
    context, root = context_of(request), request.scope.get("root_path", "")
    chosen = selected(context.outbox, form)
    steps = wanted.steps(context.outbox, chosen, form, act_options(context, form))
    back = f"{root}/audit" if wanted.has_proof else form.back(request)
    return await followed(request, context.bulk.start(wanted.action.past, steps), back=back)


async def _act_on_fleet(request: Request, form: Form, wanted: Act) -> Response:
    context, target = context_of(request), form.text("target")
    line = await wanted.do(context.outbox, target, form, act_options(context, form))
    return done(request, form.back(request), line)


async def _ask(request: Request, form: Form, wanted: JobAct | Act, *, problem: str | None = None) -> Response:
    outbox = context_of(request).outbox
    target, to, count = form.text("target"), form.text("to"), 1
    more: list[tuple[str, str]] = []
    if isinstance(wanted, JobAct):
        chosen = selected(outbox, form)
        count, more = await wanted.count(outbox, chosen, to), chosen.fields()
    asked = {ask.name if isinstance(ask, Ask) else ask for ask in wanted.asks}
    kept = form.without({FIELD, CONFIRMED, COUNTED, "reason", *asked, *(name for name, _ in more)})
    return render(
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
