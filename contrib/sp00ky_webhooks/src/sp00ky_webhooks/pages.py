"""Show endpoints and their deliveries in the dashboard: to operators all, to a tenant their own."""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sp00ky_core import Outbox
from sp00ky_core.errors import JobNotFound, OptionInvalid
from sp00ky_dashboard import Act, Ask, Form, Page, context_of, render
from sp00ky_webhooks import acts
from sp00ky_webhooks.acts import FIELDS
from sp00ky_webhooks.api import Webhooks
from sp00ky_webhooks.model import EndpointNotFound

__all__ = ["PAGES"]

TEMPLATES = Path(__file__).parent / "templates"
NOT_THERE = "There is no such endpoint, or delivery."
SHOWN = 100
"""Endpoints, or deliveries, of a page."""


def _webhooks(outbox: Outbox, tenant: str | None) -> Webhooks:
    webhooks = outbox.extension(Webhooks)
    return webhooks if tenant is None else webhooks.of(tenant)


def _asked(request: Request) -> Webhooks:
    context = context_of(request)
    return _webhooks(context.outbox, context.operator.tenant)


async def _found(asking: Awaitable[Any]) -> Any:
    try:
        return await asking
    except (EndpointNotFound, JobNotFound, OptionInvalid):  # another tenant's isn't told from none
        raise HTTPException(404, NOT_THERE) from None


async def endpoints(request: Request) -> Response:
    """Answer ``/webhooks``."""
    after = request.query_params.get("after", "")
    found = await _found(_asked(request).endpoints.list(after=after, limit=SHOWN))
    return render(request, "webhooks.html", endpoints=found, is_full=len(found) == SHOWN)


async def endpoint(request: Request) -> Response:
    """Answer ``/webhooks/ENDPOINT``."""
    webhooks, endpoint_id = _asked(request), request.path_params["endpoint"]
    one = await _found(webhooks.endpoints.get(endpoint_id))
    after = request.query_params.get("after") or None
    found = await _found(webhooks.deliveries(endpoint_id, limit=SHOWN, after=after))
    return render(request, "webhook.html", endpoint=one, deliveries=found, is_full=len(found) == SHOWN)


async def delivery(request: Request) -> Response:
    """Answer ``/webhooks/ENDPOINT/DELIVERY``."""
    job = await _found(_asked(request).delivery(request.path_params["delivery"]))
    if job.path != f"/{request.path_params['endpoint']}":
        raise HTTPException(404, NOT_THERE)
    return render(request, "delivery.html", job=job, payload=job.payload_json.decode(errors="replace"))


def _act(name: str, act: acts.Act) -> Act:
    takes = {field: FIELDS[field] for field in (act.target, *act.takes) if field in FIELDS}

    async def do(outbox: Outbox, target: str, form: Form, who: dict[str, Any]) -> str:
        tenant = who.pop("tenant", None)
        given: dict[str, Any] = {
            n: tuple(form.lines(n)) if field.is_many else form.text(n)
            for n, field in takes.items()
            if field.for_tenants or tenant is None
        }
        target = given.pop("url") if act.target == "url" else target
        try:
            result = await acts.do(name, _webhooks(outbox, tenant).by(**who), target, given)
        except (EndpointNotFound, JobNotFound):
            raise HTTPException(404, NOT_THERE) from None
        return acts.said(name, target, result) + "."

    asks = [
        Ask(name=n, label=one.label, note=one.note, for_tenants=one.for_tenants) for n, one in takes.items()
    ]
    text, is_dangerous = acts.text_of(name), act.is_dangerous
    return Act(verb=act.verb, text=text, do=do, asks=tuple(asks), is_dangerous=is_dangerous)


def _acts(target: str) -> dict[str, Act]:
    what = "delivery" if target == "delivery" else "endpoint"
    return {f"{n}-{what}": _act(n, act) for n, act in acts.ACTS.items() if act.target == target}


_SHARED: dict[str, Any] = {"templates": TEMPLATES, "for_tenants": True}
PAGES = (
    Page(path="/webhooks", name="Webhooks", handler=endpoints, acts=_acts("url"), **_SHARED),
    Page(path="/webhooks/{endpoint}", handler=endpoint, acts=_acts("endpoint"), **_SHARED),
    Page(path="/webhooks/{endpoint}/{delivery}", handler=delivery, acts=_acts("delivery"), **_SHARED),
)
