"""Where an application runs: its loop, its lifespan, its context, and what is left of a call."""

import asyncio
import logging
import re
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import pytest
from fastapi import FastAPI
from tests.transport_asgi import applications
from tests.transport_asgi.conftest import Project

from sp00ky_core import Outbox, RunnerOptions
from sp00ky_core.errors import ConfigError
from sp00ky_core.job.job import JobStatus
from sp00ky_core.plugins import dispatch
from sp00ky_core.runner import runner as runner_module
from sp00ky_transport_asgi import own_loop

BLOCKING = """
import asyncio, contextvars, threading
from contextlib import asynccontextmanager
from fastapi import BackgroundTasks, FastAPI

threads, lifespans, contexts, ended = set(), [], [], []
blocking, goes_on = threading.Event(), threading.Event()
seen = contextvars.ContextVar("seen", default=0)

@asynccontextmanager
async def lifespan(app):
    lifespans.append(threading.get_ident())
    yield

app = FastAPI(lifespan=lifespan)

@app.post("/blocks")
async def blocks():
    threads.add(threading.get_ident())
    blocking.set()
    assert goes_on.wait(60)

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


async def beats(outbox: Outbox) -> set[tuple[str, datetime]]:
    """Each runner's latest."""
    return {(runner.id, runner.beat_at) for runner in await outbox.store.runners()}


async def test_a_handler_that_blocks_holds_no_beat_and_is_called_once(project: Project) -> None:
    project.write(BLOCKING, keys="timeout: 60")
    async with project.outbox() as outbox:
        job = await outbox.run("shop", "/blocks", {}, max_retries=0)
        async with outbox.runner(BEATS) as one, outbox.runner(BEATS) as other:
            assert project.module is not None
            assert await asyncio.to_thread(project.module.blocking.wait, 60)
            before = await beats(outbox)
            while before & await beats(outbox):  # noqa: ASYNC110  # nothing tells of a beat
                await asyncio.sleep(0.01)
            project.module.goes_on.set()
            await asyncio.gather(one.until_empty(), other.until_empty())
        assert (await outbox.get(job.id)).status is JobStatus.SUCCESS
    assert project.module.threads == set(project.module.lifespans)
    assert len(project.module.lifespans) == 1  # of both runners
    assert threading.get_ident() not in project.module.threads


async def test_inside_its_own_lifespan_it_is_called_in_its_own_loop_and_named_where_it_blocks(
    project: Project, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "BLOCKS", 0.05)
    project.write("from tests.transport_asgi.test_application import served as app")
    async with project.outbox() as outbox:
        served.state.outbox = outbox
        async with serving(served):
            job = await outbox.run("shop", "/blocks", {})
            await outbox.wait(job.id, timeout=30)
            assert (await outbox.get(job.id)).result == threading.get_ident()
    assert served.state.lifespans == 1
    warning = rf"asgi://{project.name}:app, /blocks blocked the loop for \d+\.\d s"
    said = [record.levelno for record in caplog.records if re.search(warning, record.getMessage())]
    assert said == [logging.WARNING]


EMBEDDED = """
from contextlib import asynccontextmanager
from fastapi import FastAPI

lifespans = []

@asynccontextmanager
async def lifespan(app):
    async with app.state.open() as outbox:
        job = await outbox.run("shop", "/done", {})
        async with outbox.runner() as runner:
            await runner.until_empty()
            lifespans.append((await outbox.get(job.id)).status)
            yield
            lifespans.append("ending")
        lifespans.append("ended")

app = FastAPI(lifespan=lifespan)

@app.post("/done")
async def done(): ...
"""


async def test_an_application_that_embeds_a_runner_ends_with_the_runner_beside_it(project: Project) -> None:
    project.write(EMBEDDED)
    async with project.outbox() as outbox, asyncio.timeout(20):
        job = await outbox.run("shop", "/done", {})
        assert project.module is not None
        project.module.app.state.open = project.outbox
        async with outbox.runner() as runner:
            await runner.until_empty()
        assert (await outbox.get(job.id)).status is JobStatus.SUCCESS
    assert project.module.lifespans == [JobStatus.SUCCESS, "ending", "ended"]


async def test_the_end_of_a_lifespan_has_longer_than_the_calls(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_loop, "GRACE", 0.01)
    project.write(
        EMBEDDED.replace('lifespans.append("ending")', "await asyncio.sleep(0.3)\n") + "import asyncio\n"
    )
    async with project.outbox() as outbox:
        await outbox.run("shop", "/done", {})
        assert project.module is not None
        project.module.app.state.open = project.outbox
        async with outbox.runner() as runner:
            await runner.until_empty()
    assert project.module.lifespans[-1] == "ended"


def threads_of_applications() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("asgi://")]


DYING = """
import asyncio, sys, threading
from contextlib import asynccontextmanager
from fastapi import BackgroundTasks, FastAPI

app = FastAPI()
hanging, goes_on = threading.Event(), threading.Event()

@app.post("/dies")
async def dies():
    loop = asyncio.get_running_loop()
    loop.call_later(0.01, sys.exit)

@app.post("/waits")
async def waits():
    asyncio.get_running_loop().call_later(0.01, sys.exit)
    await asyncio.sleep(60)

@app.post("/blocks")
async def blocks():
    hanging.set()
    assert goes_on.wait(60)

@app.post("/done")
async def done(): ...

@app.post("/cancelled")
async def cancelled():
    raise asyncio.CancelledError
"""


async def test_an_application_whose_loop_has_ended_is_started_again(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    project.write(DYING)
    async with project.outbox() as outbox:
        await outbox.run("shop", "/dies", {})
        async with outbox.runner() as runner:
            await runner.until_empty()
            for thread in threads_of_applications():
                await asyncio.to_thread(thread.join, 10)
            jobs = [await outbox.run("shop", "/done", {}, max_retries=0) for _ in range(3)]
            await runner.until_empty()
        assert {(await outbox.get(job.id)).status for job in jobs} == {JobStatus.SUCCESS}
    assert caplog.text.count("its loop has ended") == 1


async def test_applications_of_two_transports_may_end_at_once(project: Project) -> None:
    transports = []
    for attribute in ("app", "other"):
        project.write(f"{DYING}\nother = FastAPI()\n", url=f"asgi://{project.name}:{attribute}")
        async with project.outbox() as outbox:
            ((transport, backends),) = outbox.prepared_transports()
            await transport.open()
            await transport.prepare(*backends)
        transports.append(transport)
    await asyncio.gather(*(transport.close() for transport in transports))
    assert threads_of_applications() == []


@pytest.mark.parametrize(("path", "says"), [("/waits", "reset"), ("/cancelled", "HTTP 500")])
async def test_a_call_whose_loop_or_handler_ends_is_over_at_once(
    project: Project, path: str, says: str
) -> None:
    project.write(DYING)
    async with project.outbox() as outbox:
        job = await outbox.run("shop", path, {}, max_retries=0)
        async with outbox.runner() as runner:
            await runner.until_empty()
        (error,) = (await outbox.get(job.id)).errors
    assert error.summary == says


async def test_a_job_that_was_never_begun_costs_no_retry(project: Project) -> None:
    project.write(DYING, keys="timeout: 0.5, timeoutOverridable: true")
    async with project.outbox() as outbox:
        blocking = await outbox.run("shop", "/blocks", {}, max_retries=0, timeout=60)
        async with outbox.runner(RunnerOptions(poll=0.05)) as runner:
            assert project.module is not None
            await asyncio.to_thread(project.module.hanging.wait, 60)
            job = await outbox.run("shop", "/done", {}, max_retries=0)
            while not (await outbox.get(job.id)).errors:  # noqa: ASYNC110  # its attempt tells nobody else
                await asyncio.sleep(0.01)
            project.module.goes_on.set()
            await runner.until_empty()
        assert (await outbox.get(blocking.id)).status is JobStatus.SUCCESS
        job = await outbox.get(job.id)
    assert (job.status, job.retries) == (JobStatus.SUCCESS, 0)
    assert {error.name for error in job.errors} == {"busy"}


async def test_a_lifespan_that_never_starts_is_given_up_and_ended(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_loop, "LIFESPAN", 0.2)
    project.write(f"from {applications.__name__} import never_starts as app", keys="spec: api.yml")
    (project.folder / "api.yml").write_text("openapi: 3.1.0\npaths: {/x: {post: {}}}\n")
    async with project.outbox() as outbox:
        with pytest.raises(ConfigError, match=r"app doesn't start: its lifespan isn't there after"):
            await outbox.runner().start()
    assert threads_of_applications() == []


FAILING = """
import threading
from fastapi import FastAPI
from starlette.responses import StreamingResponse

app = FastAPI()
threads, sent, blocking, goes_on = [], [], threading.Event(), threading.Event()

async def endless():
    while True:
        sent.append(1)
        yield b"x" * 65_536

@app.post("/stream")
async def stream():
    return StreamingResponse(endless())

@app.post("/fails")
async def fails():
    raise LookupError("no order 7, token TOKEN")

@app.post("/blocks")
async def blocks():
    blocking.set()
    assert goes_on.wait(60)

@app.post("/done")
async def done():
    threads.append(threading.get_ident())
"""


async def test_an_answer_that_goes_on_for_ever_stops_nothing(project: Project) -> None:
    project.write(FAILING, keys="maxResponseBytes: 100_000".replace("_", ""))
    async with project.outbox() as outbox:
        job = await outbox.run("shop", "/stream", {})
        async with outbox.runner() as runner:
            await runner.until_empty()
            after = await outbox.run("shop", "/done", {})
            await runner.until_empty()
        assert project.module is not None
        assert len(project.module.sent) < 20
        assert [(await outbox.get(one.id)).status for one in (job, after)] == [JobStatus.SUCCESS] * 2


@pytest.mark.parametrize(("keys", "is_said"), [("", True), ("asgi: {hideErrors: true}", False)])
async def test_a_row_says_what_its_function_has_raised(
    project: Project, keys: str, is_said: bool, caplog: pytest.LogCaptureFixture
) -> None:
    project.write(FAILING, keys=f"auth: {{token: TOKEN}}, retry: {{maxRetries: 0}}, {keys}")
    async with project.outbox() as outbox:
        job = await outbox.run("shop", "/fails", {})
        async with outbox.runner() as runner:
            await runner.until_empty()
        (error,) = (await outbox.get(job.id)).errors
    assert (error.code, "LookupError: no order 7" in (error.reason or "")) == (500, is_said)
    assert ("in fails" in error.trace) is is_said
    assert "TOKEN" not in repr(error)
    (logged,) = [record for record in caplog.records if hasattr(record, "trace")]
    assert logged.job_id == job.id
    assert "raised LookupError\nTraceback" in logged.getMessage()


async def test_a_loop_that_stands_still_is_left_behind_and_the_application_started_afresh(
    project: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(own_loop, "STANDSTILL", 0.1)
    monkeypatch.setattr(own_loop, "LIFESPAN", 0.2)
    monkeypatch.setattr(own_loop, "GRACE", 0.05)
    project.write(FAILING, keys="timeout: 0.2, retry: {maxRetries: 0}")
    async with project.outbox() as outbox:
        stuck = await outbox.run("shop", "/blocks", {})
        async with outbox.runner() as runner:
            await runner.until_empty()
            done = await outbox.run("shop", "/done", {}, max_retries=5)
            await runner.until_empty()
            assert [(await outbox.get(one.id)).status for one in (stuck, done)] == ["failed", "success"]
    assert project.module is not None
    project.module.goes_on.set()
    assert "its loop stands still" in caplog.text


async def test_a_runner_ends_in_time_whatever_its_application_does(
    project: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(runner_module, "LAST_OF_ALL", 0.5)
    project.write(FAILING, keys="timeout: 60")
    async with project.outbox() as outbox:
        await outbox.run("shop", "/blocks", {}, max_retries=0)
        async with outbox.runner(RunnerOptions(grace=0.2)):
            assert project.module is not None
            await asyncio.to_thread(project.module.blocking.wait, 60)
    assert "doesn't end in time; it is left behind" in caplog.text
    project.module.goes_on.set()


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
