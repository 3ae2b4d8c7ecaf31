"""A tenant's view in Chromium, mounted in an application: used as a customer does, with a mouse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from standardwebhooks import Webhook
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount
from tests.dashboard.test_browser import MISSING, axe, chromium, opened_page, violations
from tests.ports import free_port
from tests.webhooks.conftest import FAST, Bench, Receiver

from sp00ky_dashboard import Dashboard

__all__ = ["axe", "chromium"]

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(bool(MISSING), reason=f"a browser needs {' and '.join(MISSING)}"),
]


def tenant_of(_: Request) -> str:
    return "tenant:a"


@asynccontextmanager
async def mounted(bench: Bench) -> AsyncIterator[str]:
    """Serve an application that has the tenant's view below /hooks."""
    dashboard, port = Dashboard.for_tenant(bench.outbox, auth=tenant_of), free_port()
    app = Starlette(routes=[Mount("/hooks", app=dashboard)])
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # it has no event
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await serving
    await dashboard.aclose()


async def press(page: Any, button: str, verb: str, **fields: str) -> str:
    """Press a button, fill in its form, confirm; what the next page says was done."""
    await page.get_by_role("button", name=button).first.click()
    dialog = page.locator("form.message")
    for label, text in fields.items():
        await dialog.get_by_label(label).fill(text)
    await dialog.get_by_role("button", name=verb, exact=True).click()
    said: str = await page.locator(".notice-done").inner_text()
    return said


async def test_a_tenant_keeps_their_endpoints_with_a_mouse(
    memory_bench: Bench, receiver: Receiver, chromium: Any, axe: str
) -> None:
    await memory_bench.webhooks.endpoints.create(id="theirs", url=receiver.url, assigned_to="tenant:b")
    async with memory_bench.outbox.runner(FAST), mounted(memory_bench) as address:
        page = await opened_page(chromium, address)
        await page.goto("/hooks/")
        assert "There is no endpoint." in await page.inner_text("main")
        fields = {"URL": f"{receiver.url}/mine", "Topics": "order.*", "Filter": '{"/total": 7}'}
        said = await press(page, "New endpoint", "Make", **fields)
        secret = next(word for word in said.split() if word.startswith("whsec_")).rstrip(".")
        assert "theirs" not in await page.content()
        assert "Assigned to" not in await page.content()
        assert await violations(page, axe) == []
        (link,) = await page.locator("td.id a").all()
        await link.click()
        assert "on its way" in await press(page, "Ping", "Ping")
        async with asyncio.timeout(30):
            await receiver.came.wait()
        request, body = receiver.requests[0], receiver.bodies[0]
        assert Webhook(secret).verify(body, dict(request.headers))["type"] == "sp00ky.ping"
        event = await memory_bench.webhooks.publish("order.paid", {"total": 7}, assigned_to="tenant:a")
        await memory_bench.ended(*event.deliveries)
        assert "1 are sent once more" in await press(page, "Replay", "Replay", Since="1h")
        assert "has a secret" in await press(page, "New secret", "New secret for")
        assert "is changed" in await press(page, "Change", "Change", Rate="5/s")
        assert await violations(page, axe) == []
        await page.locator("td.id a").last.click()
        assert '"sp00ky.ping"' in await page.inner_text("pre")
        assert await violations(page, axe) == []
        await page.go_back()
        assert "is disabled" in await press(page, "Disable", "Disable")
        assert "is deleted" in await press(page, "Delete", "Delete")
        assert page.problems == []
    assert [one.id for one in await memory_bench.webhooks.endpoints.list()] == ["theirs"]
