"""Each framework's application is called as its server would, and describes itself where it can."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test.utils import override_settings
from tests.transport_asgi.conftest import Project

from sp00ky_core.errors import ConfigError, PayloadInvalid, UnknownRoute
from sp00ky_core.job.job import Job, JobStatus

FASTAPI = """
from contextlib import asynccontextmanager
from fastapi import Depends, FastAPI, Request
from pydantic import BaseModel
from sp00ky_transport_asgi.guard import require_job

entered = []

@asynccontextmanager
async def lifespan(app):
    entered.append("up")
    yield {"greeting": "boo"}
    entered.append("down")

app = FastAPI(lifespan=lifespan)

class Order(BaseModel):
    id: int

@app.post("/receipts/{shop}", dependencies=[Depends(require_job)])
def receipts(shop: str, order: Order, request: Request):
    return {"shop": shop, "id": order.id, "said": request.state.greeting, "host": request.url.hostname}

@app.post("/gone")
async def gone():
    raise RuntimeError("boo")
"""

STARLETTE = """
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

async def receipts(request):
    return JSONResponse({"id": (await request.json())["id"], "key": request.headers["idempotency-key"]})

app = Starlette(routes=[Route("/receipts", receipts, methods=["POST"])])
"""


DJANGO = """
import django
from django.core.asgi import get_asgi_application
from django.http import JsonResponse
from django.urls import path
import json

def receipts(request):
    return JsonResponse({"id": json.loads(request.body)["id"]})

urlpatterns = [path("receipts", receipts)]
app = get_asgi_application()
"""

DOCUMENT = "openapi: 3.1.0\npaths: {/receipts: {post: {requestBody: {content: {application/json: {}}}}}}\n"


async def delivered(project: Project, path: str, payload: dict[str, Any], **options: Any) -> Job:
    async with project.outbox() as outbox:
        job = await outbox.run("shop", path, payload, **options)
        async with outbox.runner() as runner:
            await runner.until_empty()
        return await outbox.get(job.id)


async def test_fastapi_by_its_own_contract(project: Project) -> None:
    project.write(FASTAPI)
    async with project.outbox() as outbox:
        with pytest.raises(PayloadInvalid, match="/id: it is missing"):
            await outbox.run("shop", "/receipts/{shop}", {"shop": "boo"})
        with pytest.raises(UnknownRoute):
            await outbox.run("shop", "/openapi.json", {})
    job = await delivered(project, "/receipts/{shop}", {"shop": "a b", "id": 7})
    assert job.status is JobStatus.SUCCESS
    assert job.result == {"shop": "a b", "id": 7, "said": "boo", "host": "localhost"}
    assert project.module is not None
    assert project.module.entered == ["up", "down"]


async def test_an_error_of_the_application_is_http_500(project: Project) -> None:
    project.write(FASTAPI)
    job = await delivered(project, "/gone", {}, max_retries=0)
    (error,) = job.errors
    assert (job.status, error.summary) == ("failed", "HTTP 500")
    assert (error.name, error.scheme) == ("http_status", "http")


async def test_a_prefix_is_before_each_path(project: Project) -> None:
    project.write(FASTAPI, url=f"asgi://{project.name}:app/receipts")
    job = await delivered(project, "/{shop}", {"shop": "boo", "id": 7})
    assert job.result["shop"] == "boo"


@pytest.fixture
def as_django_has_it(project: Project) -> Iterator[None]:
    """The settings of the project's application, whoever has configured Django in this process."""
    if not settings.configured:
        settings.configure(SECRET_KEY="x")
    with override_settings(ROOT_URLCONF=project.name, ALLOWED_HOSTS=["*"], MIDDLEWARE=[]):
        yield


@pytest.mark.usefixtures("as_django_has_it")
@pytest.mark.parametrize("source", [STARLETTE, DJANGO], ids=["starlette", "django"])
async def test_one_without_a_contract_of_its_own_needs_a_document(project: Project, source: str) -> None:
    project.write(source)
    async with project.outbox() as outbox:
        with pytest.raises(ConfigError, match=r"shop: asgi://\w+:app has no OpenAPI document of its own"):
            await outbox.run("shop", "/receipts", {})
    (project.folder / "api.yml").write_text(DOCUMENT)
    project.write(source, keys="spec: api.yml")
    job = await delivered(project, "/receipts", {"id": 7})
    assert job.status is JobStatus.SUCCESS
    assert job.result["id"] == 7
    assert job.result.get("key") in {None, job.id}
