"""Enqueue a job like one that there was, its payload edited."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sp00ky_core import Job
from sp00ky_core.encoding.json_bytes import decode
from sp00ky_core.errors import PayloadInvalid, PayloadNotJson, Sp00kyError, StoreError
from sp00ky_dashboard.access.forms import form_of
from sp00ky_dashboard.context import act_options, context_of, writing
from sp00ky_dashboard.operate.bulk_progress import done
from sp00ky_dashboard.problem_pages import BAD_REQUEST
from sp00ky_dashboard.rendering import job_link, pretty, render


async def copy(request: Request) -> Response:
    """Answer ``POST /copy``: ``id``, ``payload`` (or as it was), ``to`` (or its own backend), ``reason``."""
    context, form = writing(request), await form_of(request)
    operator, outbox = context.operator, context.outbox
    old = await outbox.get(form.text("id"))
    edited = None if operator.hide_payloads or "payload" not in form.fields else form.fields["payload"][-1]
    try:
        is_same = edited is None or edited.replace("\r\n", "\n") == pretty(old.payload)
        payload = None if is_same else _parsed(edited or "")
        to = form.text("to") or None
        (new,) = await outbox.copy(old.id, payload=payload, backend=to, **act_options(context, form))
    except StoreError:
        raise
    except Sp00kyError as error:
        problems = _problems(error, hide_payloads=operator.hide_payloads)
        return edit_page(request, old, edited, problems, to=form.text("to"))
    target = request.scope.get("root_path", "") + job_link(new.id)
    return done(request, target, "Enqueued: this is the new job.")


def edit_page(
    request: Request, job: Job, edited: str | None = None, problems: Sequence[str] = (), to: str = ""
) -> Response:
    """Return the page on which a copy of a job is edited, with what is wrong with it."""
    values: dict[str, Any] = {"job": job, "edited": edited, "problems": problems, "to": to}
    backends, status = list(context_of(request).outbox.backends), BAD_REQUEST if problems else 200
    return render(request, "edit.html", status=status, backends=backends, **values)


def _problems(error: Sp00kyError, *, hide_payloads: bool) -> list[str]:
    """Say what is wrong, each violation apart; they repeat values of the payload, unless that is hidden."""
    if not isinstance(error, PayloadInvalid):
        return [str(error)]
    if hide_payloads:
        places = [violation.pointer or "its top" for violation in error.violations]
        return [f"The payload breaks the contract at {place}." for place in places]
    return [str(violation) for violation in error.violations]


def _parsed(text: str) -> Any:
    try:
        return decode(text, unique_keys=True)
    except ValueError as error:
        raise PayloadNotJson(problem=str(error)) from error
