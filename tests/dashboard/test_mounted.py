from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from django.contrib.auth import aget_user
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path
from fastapi import Depends, FastAPI, HTTPException, Request
from starlette.applications import Starlette
from starlette.responses import RedirectResponse
from starlette.routing import Mount
from tests.dashboard.conftest import Browser, Serve
from tests.dashboard.scene import acts
from tests.django.configuration import configure

from sp00ky_core import Outbox
from sp00ky_dashboard import Dashboard


@asynccontextmanager
async def visited(address: str, **options: Any) -> AsyncIterator[Browser]:
    async with httpx.AsyncClient(base_url=address, trust_env=False, timeout=60, **options) as client:
        yield Browser(client)


async def current_operator(request: Request) -> str:
    """A dependency of a FastAPI application."""
    name = request.headers.get("x-user", "")
    if name != "ada":
        raise HTTPException(403, "Operators only.")
    return name


async def test_in_fastapi_its_dependency_decides(serve: Serve, outbox: Outbox) -> None:
    app = FastAPI()

    @app.get("/whoami")
    async def whoami(name: str = Depends(current_operator)) -> str:
        return name

    dashboard = Dashboard(outbox, auth=current_operator, read_only=False)
    app.mount("/ops/outbox", dashboard)
    address = await serve(app)
    async with visited(address) as stranger:
        assert "Operators only." in await stranger.see("/ops/outbox/jobs", status=403)
    job = await outbox.run("api", "/spookify")
    async with visited(address, headers={"x-user": "ada"}) as browser:
        assert await browser.see("/whoami") == '"ada"'
        page = await browser.see("/ops/outbox/jobs")
        assert f'href="/ops/outbox/jobs/{job.id}"' in page
        for link in ("/static/dashboard.css", f"/jobs/{job.id}", "/audit"):
            await browser.see(f"/ops/outbox{link}")
        answer = await browser.get("/ops/outbox/jobs")
        cookies = answer.headers.get_list("set-cookie")
        assert all("Path=/ops/outbox" in cooky for cooky in cookies)
        assert 'href="http' not in page
        fields = {"action": "kill", "id": job.id, "confirmed": "1", "back": "/whoami"}
        fields["form_token"] = browser.client.cookies["sp00ky_form"]
        origin = {"Sec-Fetch-Site": "same-origin"}
        done = await browser.client.post("/ops/outbox/act", data=fields, headers=origin)
        assert (done.status_code, done.headers["location"]) == (303, "/ops/outbox/")
    (entry,) = await acts(outbox)
    assert entry.actor == "ada"


def hello(_request: Any) -> HttpResponse:
    return HttpResponse("hello from django")


urlpatterns = [path("hello", hello)]


async def staff(request: Any) -> Any:
    """Django's own sign-in, as docs/dashboard.md has it."""
    asked = HttpRequest()
    asked.session = SessionStore(request.cookies.get("sessionid"))
    user = await aget_user(asked)
    allowed = user.is_active and getattr(user, "is_staff", False)
    return user.get_username() if allowed else RedirectResponse("/admin/login/")


async def test_in_django_its_sign_in_decides(serve: Serve, outbox: Outbox) -> None:
    configure()
    dashboard = Dashboard(outbox, auth=staff)
    with override_settings(ROOT_URLCONF=__name__):
        await visit_both(
            await serve(Starlette(routes=[Mount("/outbox", dashboard), Mount("/", get_asgi_application())]))
        )


async def visit_both(address: str) -> None:
    async with visited(address) as browser:
        assert await browser.see("/hello") == "hello from django"
        answer = await browser.get("/outbox/jobs")
        assert (answer.status_code, answer.headers["location"]) == (307, "/admin/login/")
