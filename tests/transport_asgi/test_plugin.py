"""Tests of an application perform its jobs by its own functions."""

import asyncio
from typing import Any

import pytest
from tests.transport_asgi.conftest import Project

from sp00ky_core.plugins.registry import load_config
from sp00ky_core.sync import SyncOutbox
from sp00ky_core.testing import memory_outbox, perform_jobs

SHOP = """
import asyncio
from contextlib import asynccontextmanager
from fastapi import Depends, FastAPI
from sp00ky_transport_asgi.guard import require_job

lifespans = []

@asynccontextmanager
async def lifespan(app):
    lifespans.append("up")
    yield

def the_outbox(): ...

app = FastAPI(lifespan=lifespan)

@app.post("/receipts", dependencies=[Depends(require_job)])
async def receipts(order: dict[str, int], outbox=Depends(the_outbox)) -> int:
    await outbox.run("shop", "/letters", {})
    return id(asyncio.get_running_loop())

@app.post("/letters")
def letters() -> str:
    return "sent"

@app.post("/gone")
async def gone():
    raise RuntimeError("boo")
"""


def outbox_of(project: Project) -> Any:
    plugins = project.outbox().plugins
    return memory_outbox(load_config(project.file, plugins=plugins), plugins=plugins)


async def test_its_functions_are_called_in_the_test_s_loop_without_a_lifespan(project: Project) -> None:
    project.write(SHOP)
    outbox = outbox_of(project)
    await outbox.run("shop", "/receipts", {"id": 7})
    assert project.module is not None
    project.module.app.dependency_overrides[project.module.the_outbox] = lambda: outbox
    receipt, letter = await perform_jobs(outbox)
    assert (receipt.status, receipt.result) == ("success", id(asyncio.get_running_loop()))
    assert (letter.status, letter.result) == ("success", "sent")
    assert project.module.lifespans == []


async def test_a_response_goes_first(project: Project) -> None:
    project.write(SHOP)
    outbox = outbox_of(project)
    await outbox.run("shop", "/letters", {})
    (job,) = await perform_jobs(outbox, {"POST /letters": (503, None)})
    assert (job.status, job.retries, job.result) == ("success", 1, None)


def test_what_it_raises_is_logged_and_fails_the_job(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.write(SHOP)
    with SyncOutbox(outbox_of(project)) as outbox:
        outbox.run("shop", "/gone", {}, max_retries=1, autocommit=True)
        (job,) = perform_jobs(outbox)
    assert (job.status, job.retries, job.errors[-1].summary) == ("failed", 1, "HTTP 500")
    assert "RuntimeError: boo" in caplog.text
