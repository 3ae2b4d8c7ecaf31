"""The dashboard's pages of webhooks: an operator's, and a tenant's, who gets at nothing of another's."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import attrs
import httpx
import pytest
from starlette.requests import Request
from tests.webhooks.conftest import FAST, Bench, Receiver

from sp00ky_core.job.job import JobStatus
from sp00ky_dashboard import Dashboard, Operator
from sp00ky_webhooks.pages import PAGES

ACTS = [name for page in PAGES for name in page.acts]
SECRET = re.compile("whsec_[A-Za-z0-9+/=]+")


@attrs.define
class Browser:
    """A browser before a dashboard."""

    client: httpx.AsyncClient

    async def see(self, path: str, status: int = 200) -> str:
        answer = await self.client.get(path)
        assert answer.status_code == status, answer.text
        return answer.text

    async def act(self, action: str, **fields: str) -> httpx.Response:
        """Confirm an act, as its form does."""
        await self.client.get("/webhooks")
        given = {"action": action, "confirmed": "1", "counted_to": "", "to": "", "back": "/webhooks"} | fields
        given["form_token"] = self.client.cookies["sp00ky_form"]
        return await self.client.post("/act", data=given, headers={"Sec-Fetch-Site": "same-origin"})

    async def done(self, action: str, **fields: str) -> str:
        """Do an act; the line that the next page shows."""
        answer = await self.act(action, **fields)
        assert answer.status_code == 303, answer.text
        page = await self.see("/webhooks")
        match = re.search(r'notice-done" role="status">([^<]*)', page)
        assert match is not None
        return match[1]


def browser_of(app: Dashboard, **headers: str) -> Browser:
    transport = httpx.ASGITransport(app=app)
    client = httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers)
    return Browser(client)


async def test_an_address_that_no_text_can_have_is_not_found(memory_bench: Bench) -> None:
    browser = browser_of(Dashboard(memory_bench.outbox, auth=lambda _: "ada"))
    for path in ("/webhooks/%00", "/workflows/%00", "/jobs/%00"):
        await browser.see(path, status=404)


def tenant_of(request: Request) -> str | None:
    return request.headers.get("x-tenant")


@attrs.define
class Stage:
    """Two tenants with an endpoint each, one event delivered to each."""

    bench: Bench
    mine: Browser
    deliveries: dict[str, str]


@pytest.fixture
async def stage(memory_bench: Bench, receiver: Receiver) -> AsyncIterator[Stage]:
    deliveries = {}
    async with memory_bench.outbox.runner(FAST):
        for name in ("a", "b"):
            await memory_bench.webhooks.endpoints.create(
                id=f"of-{name}",
                url=f"{receiver.url}/{name}",
                assigned_to=f"tenant:{name}",
                headers={"X-K": "k3y"},
            )
            event = await memory_bench.webhooks.publish(
                "secret.event", {"of": name}, assigned_to=f"tenant:{name}"
            )
            await memory_bench.ended(*event.deliveries)
            (deliveries[name],) = event.deliveries
    dashboard = Dashboard.for_tenant(memory_bench.outbox, auth=tenant_of)
    browser = browser_of(dashboard, **{"x-tenant": "tenant:a"})
    yield Stage(memory_bench, browser, deliveries)
    await browser.client.aclose()
    await dashboard.aclose()


async def test_a_tenant_sees_and_changes_what_is_theirs(stage: Stage) -> None:
    mine, endpoints = stage.mine, stage.bench.webhooks.endpoints
    assert (await mine.client.get("/")).headers["location"] == "/webhooks"
    page = await mine.see("/webhooks")
    assert "of-a" in page
    assert "of-b" not in page
    detail = await mine.see("/webhooks/of-a")
    assert stage.deliveries["a"] in detail
    assert "k3y" not in detail
    assert "secret.event" in await mine.see(f"/webhooks/of-a/{stage.deliveries['a']}")
    line = await mine.done(
        "create-endpoint", target="x", url="http://127.0.0.1:8000/", topics="order.* user.made"
    )
    assert SECRET.search(line)
    assert "whsec_" not in await mine.see("/webhooks")
    (made,) = [one for one in await endpoints.list() if one.id not in {"of-a", "of-b"}]
    assert (made.assigned_to, made.topics) == ("tenant:a", ("order.*", "user.made"))
    assert "changed" in await mine.done("update-endpoint", target=made.id, topics="#")
    assert (await endpoints.get(made.id)).topics == ("#",)
    assert SECRET.search(await mine.done("rotate-endpoint", target=made.id))
    assert "disabled" in await mine.done("disable-endpoint", target=made.id, reason="mine")
    assert "nothing is sent" in await mine.done("test-endpoint", target=made.id)
    assert "enabled" in await mine.done("enable-endpoint", target=made.id)
    assert "a ping is on its way" in (await mine.done("test-endpoint", target=made.id)).lower()
    assert "1 are sent once more" in await mine.done("replay-endpoint", target="of-a", since="1h")
    assert "0 are sent once more" in await mine.done("recover-endpoint", target="of-a")
    assert "sent once more" in await mine.done("resend-delivery", target=stage.deliveries["a"])
    assert "deleted" in await mine.done("delete-endpoint", target=made.id)


async def test_what_is_wrong_is_asked_again(stage: Stage) -> None:
    answer = await stage.mine.act("create-endpoint", target="x", url="http://10.0.0.1/")
    assert answer.status_code == 400
    assert "private" in answer.text
    assert "10.0.0.1" not in re.sub(r'value="[^"]*"|&#39;[^&]*&#39;', "", answer.text)
    answer = await stage.mine.act("replay-endpoint", target="of-a", since="yesterday")
    assert answer.status_code == 400


@pytest.mark.parametrize("action", ACTS)
async def test_no_act_reaches_anothers(stage: Stage, action: str) -> None:
    before = await theirs(stage)
    target = stage.deliveries["b"] if action == "resend-delivery" else "of-b"
    fields = {"url": "http://127.0.0.1:8000/stolen", "topics": "#", "since": "1h", "assigned_to": "tenant:b"}
    answer = await stage.mine.act(action, target=target, tenant="tenant:b", **fields)
    assert (answer.status_code, await theirs(stage)) == (303 if action == "create-endpoint" else 404, before)
    assert "secret.event" not in answer.text
    made = [one for one in await stage.bench.webhooks.endpoints.list() if one.id not in {"of-a", "of-b"}]
    assert {one.assigned_to for one in made} <= {"tenant:a"}


async def theirs(stage: Stage) -> Any:
    """All that there is of the other tenant."""
    others = stage.bench.webhooks.of("tenant:b")
    jobs = await others.deliveries("of-b")
    return await others.endpoints.list(), [(job.id, job.status, job.updated_at) for job in jobs]


async def test_no_address_shows_anothers(stage: Stage) -> None:
    other = stage.deliveries["b"]
    for path in (
        "/webhooks/of-b",
        f"/webhooks/of-b/{other}",
        f"/webhooks/of-a/{other}",
        f"/webhooks/of-b/{stage.deliveries['a']}",
        "/webhooks/of-b?tenant=tenant:b",
        "/webhooks/of-b?assigned_to=tenant:b",
        "/webhooks/%6ff-b",
        "/webhooks/none",
    ):
        page = await stage.mine.see(path, status=404)
        assert "secret.event" not in page
        assert "127.0.0.1" not in page
    for query in ("after=a", "assigned_to=tenant:b", "tenant=tenant:b", f"after={other}"):
        assert "of-b" not in (await stage.mine.see(f"/webhooks?{query}")).replace(f"?{query}", "")
    page = await stage.mine.see(f"/webhooks/of-a?after={other}")
    assert "/webhooks/of-b/" not in page


async def test_no_page_or_act_of_an_operator_is_there(stage: Stage) -> None:
    other = stage.deliveries["b"]
    paths = ("/jobs", f"/jobs/{other}", "/groups", "/errors", "/runners", "/audit", "/events", "/export")
    for path in (*paths, "/schedules", "/progress/1", "/copy"):
        assert "secret.event" not in await stage.mine.see(path, status=404)
    for action in ("kill", "retry", "redact", "clear", "copy", "pause", "set", "drain"):
        answer = await stage.mine.act(action, id=other, target="hooks")
        assert answer.status_code == 400
    assert (await stage.bench.outbox.get(other)).status is JobStatus.SUCCESS


async def test_who_is_nobodys_sees_nothing(memory_bench: Bench) -> None:
    dashboard = Dashboard.for_tenant(memory_bench.outbox, auth=tenant_of)
    stranger = browser_of(dashboard)
    await stranger.see("/webhooks", status=401)
    nameless = browser_of(Dashboard.for_tenant(memory_bench.outbox, auth=lambda _: Operator(name=None)))
    await nameless.see("/webhooks", status=403)


async def test_a_tenant_may_only_look_where_that_is_said(stage: Stage) -> None:
    person = Operator(name="ada", tenant="tenant:a", read_only=True, hide_payloads=True)
    browser = browser_of(Dashboard.for_tenant(stage.bench.outbox, auth=lambda _: person))
    assert "of-a" in await browser.see("/webhooks")
    assert "secret.event" not in await browser.see(f"/webhooks/of-a/{stage.deliveries['a']}")
    assert (await browser.act("delete-endpoint", target="of-a")).status_code == 403


async def test_an_operator_sees_all(stage: Stage) -> None:
    dashboard = Dashboard(stage.bench.outbox, auth=lambda _: "ops", read_only=False)
    browser = browser_of(dashboard)
    page = await browser.see("/webhooks")
    assert "of-a" in page
    assert "tenant:b" in page
    assert stage.deliveries["b"] in await browser.see("/webhooks/of-b")
    assert "as a job" in await browser.see(f"/webhooks/of-b/{stage.deliveries['b']}")
    assert "disabled" in await browser.done("disable-endpoint", target="of-b")
    assert not (await stage.bench.webhooks.endpoints.get("of-b")).enabled
