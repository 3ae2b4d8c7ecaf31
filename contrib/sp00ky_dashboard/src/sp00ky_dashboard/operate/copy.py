"""Enqueue a job like one that there was, its payload edited."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from sp00ky_core.encoding.json_bytes import decode
from sp00ky_core.errors import PayloadInvalid, PayloadNotJson, Sp00kyError, StoreError
from sp00ky_dashboard.access.forms import form_of
from sp00ky_dashboard.context import context_of
from sp00ky_dashboard.error_pages import BAD_REQUEST
from sp00ky_dashboard.flash import flashed
from sp00ky_dashboard.render import job_link, page, pretty


async def copy(request: Request) -> Response:
    """Answer ``POST /copy``: ``id``, ``payload`` (left out: as it was), ``reason``."""
    context, form = context_of(request), await form_of(request)
    operator, outbox = context.operator, context.outbox
    if operator.read_only:
        raise HTTPException(403, "This dashboard is read-only.")
    old = await outbox.get(form.text("id"))
    edited = None if operator.hide_payloads or "payload" not in form.fields else form.fields["payload"][-1]
    try:
        is_same = edited is None or edited.replace("\r\n", "\n") == pretty(old.payload)
        payload = None if is_same else _parsed(edited or "")
        act: Any = {"actor": operator.name, "reason": form.text("reason") or None}
        (new,) = await outbox.copy(old.id, payload=payload, **act)
    except StoreError:
        raise
    except Sp00kyError as error:
        problems = _problems(error, hide_payloads=operator.hide_payloads)
        return page(request, "edit.html", status=BAD_REQUEST, job=old, edited=edited, problems=problems)
    context.reads.forget()
    target = request.scope.get("root_path", "") + job_link(new.id)
    return flashed(RedirectResponse(target, 303), request, "Enqueued: this is the new job.")


def _problems(error: Sp00kyError, *, hide_payloads: bool) -> list[str]:
    """Say what is wrong, each violation apart; they repeat values of the payload, unless that is hidden."""
    if not isinstance(error, PayloadInvalid):
        return [str(error)]
    if hide_payloads:
        return [
            f"The payload breaks the contract at {violation.pointer or 'its top'}."
            for violation in error.violations
        ]
    return [str(violation) for violation in error.violations]


def _parsed(text: str) -> Any:
    try:
        return decode(text, unique_keys=True)
    except ValueError as error:
        raise PayloadNotJson(problem=str(error)) from error
