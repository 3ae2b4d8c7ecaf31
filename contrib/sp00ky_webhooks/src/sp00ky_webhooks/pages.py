"""Show endpoints and their deliveries in the dashboard: to operators all, to a tenant their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sp00ky_core import Outbox
from sp00ky_core.config import values
from sp00ky_core.errors import JobNotFound, OptionInvalid
from sp00ky_dashboard import Act, Ask, Form, Page, context_of, render
from sp00ky_webhooks.api import Webhooks
from sp00ky_webhooks.model import EndpointNotFound

__all__ = ["PAGES"]

TEMPLATES = Path(__file__).parent / "templates"
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
        raise HTTPException(404, "There is no such endpoint, or delivery.") from None


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
        raise HTTPException(404, "There is no such endpoint, or delivery.")
    return render(request, "delivery.html", job=job, payload=job.payload_json.decode(errors="replace"))


Work = Callable[[Webhooks, str, Form], Awaitable[str]]


def _act(verb: str, text: str, work: Work, *asks: Ask, is_dangerous: bool = False) -> Act:
    async def do(outbox: Outbox, target: str, form: Form, act: dict[str, Any]) -> str:
        try:
            return await work(_webhooks(outbox, act.get("tenant")), target, form)
        except (EndpointNotFound, JobNotFound):
            raise HTTPException(404, "There is no such endpoint, or delivery.") from None

    return Act(verb=verb, text=text, do=do, asks=asks, is_dangerous=is_dangerous)


async def _create(webhooks: Webhooks, _target: str, form: Form) -> str:
    topics = form.text("topics").replace(",", " ").split() or ["#"]
    made = await webhooks.endpoints.create(url=form.text("url"), topics=topics)
    return f"{made.endpoint.id} is made. Its secret, which isn't shown again: {made.secret}"


async def _change(webhooks: Webhooks, target: str, form: Form) -> str:
    given: Any = {"url": form.text("url"), "topics": form.text("topics").replace(",", " ").split()}
    await webhooks.endpoints.update(target, **{name: one for name, one in given.items() if one})
    return f"{target} is changed."


async def _enable(webhooks: Webhooks, target: str, _form: Form) -> str:
    await webhooks.endpoints.enable(target)
    return f"{target} is enabled."


async def _disable(webhooks: Webhooks, target: str, form: Form) -> str:
    await webhooks.endpoints.disable(target, reason=form.text("reason") or "by hand")
    return f"{target} is disabled."


async def _delete(webhooks: Webhooks, target: str, _form: Form) -> str:
    await webhooks.endpoints.delete(target)
    return f"{target} is deleted."


async def _rotate(webhooks: Webhooks, target: str, _form: Form) -> str:
    made = await webhooks.endpoints.rotate(target)
    return f"The new secret of {target}, which isn't shown again: {made.secret}"


async def _test(webhooks: Webhooks, target: str, _form: Form) -> str:
    sent = (await webhooks.endpoints.test(target)).deliveries
    return f"A ping is on its way to {target}." if sent else f"{target} is disabled: nothing is sent."


async def _recover(webhooks: Webhooks, target: str, _form: Form) -> str:
    return f"{await webhooks.recover(target):,} are sent once more."


async def _replay(webhooks: Webhooks, target: str, form: Form) -> str:
    try:
        seconds = values.seconds_of(form.text("since"))
    except ValueError:
        raise OptionInvalid(option="since", value=form.text("since")[:70], expected="such as 2h") from None
    since = datetime.fromtimestamp(datetime.now(UTC).timestamp() - seconds, UTC)
    return f"{await webhooks.replay(target, since=since):,} are sent once more."


async def _resend(webhooks: Webhooks, target: str, _form: Form) -> str:
    return f"{await webhooks.resend(target)} is sent once more."


URL = Ask(name="url", label="URL")
TOPICS = Ask(name="topics", label="Topics", note="such as order.*")
SINCE = Ask(name="since", label="Since", note="such as 2h")
LOST = "What waits for it fails."
LIST_ACTS = {
    "create-endpoint": _act("Make", "Its secret is shown once.", _create, URL, TOPICS),
}
ACTS = {
    "change-endpoint": _act("Change", "What is left empty stays as it is.", _change, URL, TOPICS),
    "enable-endpoint": _act("Enable", "It gets what is published from now on.", _enable),
    "disable-endpoint": _act("Disable", LOST, _disable),
    "delete-endpoint": _act("Delete", LOST, _delete, is_dangerous=True),
    "rotate-endpoint": _act("New secret for", "For 24 hours the one before signs, too.", _rotate),
    "test-endpoint": _act("Ping", "It gets an event of the topic sp00ky.ping.", _test),
    "recover-endpoint": _act("Recover", "All that has failed is sent once more.", _recover),
    "replay-endpoint": _act("Replay", "What has arrived is sent, too.", _replay, SINCE),
}
DELIVERY_ACTS = {"resend-delivery": _act("Send", "It is sent once more, as the same event.", _resend)}

_SHARED: dict[str, Any] = {"templates": TEMPLATES, "for_tenants": True}
PAGES = (
    Page(path="/webhooks", name="Webhooks", handler=endpoints, acts=LIST_ACTS, **_SHARED),
    Page(path="/webhooks/{endpoint}", handler=endpoint, acts=ACTS, **_SHARED),
    Page(path="/webhooks/{endpoint}/{delivery}", handler=delivery, acts=DELIVERY_ACTS, **_SHARED),
)
