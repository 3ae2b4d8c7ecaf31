import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest
import uvicorn
from tests.dashboard.scene import opened
from tests.ports import free_port

from sp00ky_core import Outbox
from sp00ky_dashboard import Dashboard, Operator
from sp00ky_dashboard.observe import cache


def ada(_request: Any) -> str:
    """A host application's dependency, for which everybody is Ada."""
    return "ada"


@attrs.define
class Browser:
    """What a person does with a page: look, press a button, confirm; over a real connection."""

    client: httpx.AsyncClient

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.client.get(path, **options)

    async def see(self, path: str, status: int = 200) -> str:
        """The text of a page."""
        answer = await self.get(path, follow_redirects=True)
        assert answer.status_code == status, answer.text
        return answer.text

    async def token(self) -> str:
        """What forms must bring along."""
        if "sp00ky_form" not in self.client.cookies:
            await self.get("/")
        return self.client.cookies["sp00ky_form"]

    async def post(self, path: str, fields: dict[str, Any], **headers: str) -> httpx.Response:
        """Send a form as a page of the dashboard does."""
        sent = {"form_token": await self.token()} | fields
        origin = {"Sec-Fetch-Site": "same-origin"}
        return await self.client.post(path, data=sent, headers=origin | headers)

    async def act(self, action: str, **fields: Any) -> str:
        """Press a button, confirm with these fields, and read what was done."""
        asked = await self.post("/act", {"action": action, "back": "/jobs"} | fields)
        assert asked.status_code == 200, asked.text
        hidden = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', asked.text)
        sent: dict[str, Any] = {}
        for name, value in hidden:
            sent.setdefault(name, []).append(value)
        sent = fields | sent
        done = await self.client.post(
            "/act", data=sent | {"reason": "why not"}, headers={"Sec-Fetch-Site": "same-origin"}
        )
        assert done.status_code == 303, done.text
        return await self.see(done.headers["location"])


Serve = Callable[[Any], Awaitable[str]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serves ASGI applications on real sockets; gives the address."""
    running: list[tuple[uvicorn.Server, asyncio.Task[None]]] = []

    async def start(application: Any) -> str:
        port = free_port()
        config = uvicorn.Config(
            application, port=port, log_config=None, timeout_graceful_shutdown=1, lifespan="auto"
        )
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve())
        running.append((server, task))
        while not server.started:
            assert not task.done()
            await asyncio.sleep(0.01)
        return f"http://127.0.0.1:{port}"

    yield start
    for server, task in running:
        server.should_exit = True
        await task


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is, pages wait for what they read."""
    monkeypatch.setattr(cache, "PATIENCE", 60.0)


@pytest.fixture
async def outbox(tmp_path: Path) -> AsyncIterator[Outbox]:
    async with opened(tmp_path) as outbox:
        yield outbox


Open = Callable[..., Awaitable[Browser]]


@pytest.fixture
async def open_browser(serve: Serve, outbox: Outbox) -> AsyncIterator[Open]:
    """Opens a browser on a dashboard of that outbox; the options are the dashboard's."""
    clients: list[httpx.AsyncClient] = []
    made: list[Dashboard] = []

    async def start(**options: Any) -> Browser:
        dashboard = Dashboard(outbox, **{"auth": ada, "read_only": False} | options)
        made.append(dashboard)
        client = httpx.AsyncClient(base_url=await serve(dashboard), timeout=60, trust_env=False)
        clients.append(client)
        return Browser(client)

    yield start
    for dashboard in made:
        await dashboard.aclose()
    for client in clients:
        await client.aclose()


@pytest.fixture
async def browser(open_browser: Open) -> Browser:
    return await open_browser()


__all__ = ["Browser", "Open", "Operator", "Serve", "ada"]
