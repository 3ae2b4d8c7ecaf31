"""Where an application runs: its loop, its lifespan, its context, and what is left of a call."""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI
from tests.transport_asgi.conftest import Project

from sp00ky_core import RunnerOptions
from sp00ky_core.job.job import JobStatus
from sp00ky_core.plugins import calls

BLOCKING = """
import asyncio, contextvars, threading, time
from contextlib import asynccontextmanager
from fastapi import BackgroundTasks, FastAPI

threads, lifespans, contexts, ended = set(), [], [], []
seen = contextvars.ContextVar("seen", default=0)

@asynccontextmanager
async def lifespan(app):
    lifespans.append(threading.get_ident())
    yield

app = FastAPI(lifespan=lifespan)

@app.post("/blocks")
async def blocks():
    threads.add(threading.get_ident())
    time.sleep(0.7)

@app.post("/counts")
async def counts():
    contexts.append(seen.get())
    seen.set(seen.get() + 1)

@app.post("/later")
async def later(tasks: BackgroundTasks):
    tasks.add_task(end)

async def end():
    await asyncio.sleep(0.05)
    ended.append(True)
"""

BEATS = RunnerOptions(beat_interval=0.05, beat_stale=2)


async def test_a_handler_that_blocks_holds_no_beat_and_is_called_once(project: Project) -> None:
    project.write(BLOCKING)
    late: list[float] = []

    async def tick() -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            late.append(time.monotonic() - before)

    async with project.outbox() as outbox:
        job = await outbox.run("shop", "/blocks", {}, max_retries=0)
        async with outbox.runner(BEATS) as one, outbox.runner(BEATS) as other:
            ticking = asyncio.create_task(tick())
            await asyncio.gather(one.until_empty(), other.until_empty())
            ticking.cancel()
        assert (await outbox.get(job.id)).status is JobStatus.SUCCESS
    assert project.module is not None
    assert max(late) < 0.6
    assert project.module.threads == set(project.module.lifespans)
    assert len(project.module.lifespans) == 1  # of both runners
    assert threading.get_ident() not in project.module.threads


async def test_each_call_has_a_context_of_its_own_and_its_background_tasks_end(project: Project) -> None:
    project.write(BLOCKING)
    async with project.outbox() as outbox:
        for path in ("/counts", "/counts", "/counts", "/later"):
            await outbox.run("shop", path, {})
        async with outbox.runner() as runner:
            await runner.until_empty()
    assert project.module is not None
    assert project.module.contexts == [0, 0, 0]
    assert project.module.ended == [True]


async def test_inside_its_own_lifespan_it_is_called_in_its_own_loop_and_named_where_it_blocks(
    project: Project, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "BLOCKS", 0.05)
    project.write("from tests.transport_asgi.test_application import served as app")
    async with project.outbox() as outbox:
        served.state.outbox = outbox
        async with serving(served):
            job = await outbox.run("shop", "/blocks", {})
            await outbox.wait(job.id, timeout=30)
            assert (await outbox.get(job.id)).result == threading.get_ident()
    assert served.state.lifespans == 1
    warning = f"asgi://{project.name}:app, /blocks blocked the loop for 0.1 s"
    assert warning in "\n".join(record.getMessage() for record in caplog.records)
    assert logging.WARNING in {record.levelno for record in caplog.records}


@asynccontextmanager
async def _delivering(app: FastAPI) -> AsyncIterator[None]:
    app.state.lifespans += 1
    async with app.state.outbox.runner():
        yield


served = FastAPI(lifespan=_delivering)
served.state.lifespans = 0


@served.post("/blocks")
async def _blocks() -> int:
    time.sleep(0.06)  # noqa: ASYNC251  # that is the fault
    return threading.get_ident()


@asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[None]:
    """Run an application's lifespan, as its server does."""
    inbox: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    outbox: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    task = asyncio.create_task(app({"type": "lifespan", "state": {}}, inbox.get, outbox.put))  # type: ignore[arg-type]
    inbox.put_nowait({"type": "lifespan.startup"})
    assert (await outbox.get())["type"] == "lifespan.startup.complete"
    yield
    inbox.put_nowait({"type": "lifespan.shutdown"})
    assert (await outbox.get())["type"] == "lifespan.shutdown.complete"
    await task
