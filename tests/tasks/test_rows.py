"""Jobs that other clients write: what their rows say, what the function's options say, what doesn't fit."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from sqlite3 import Connection, connect

import pytest
from tests.tasks.conftest import Project
from tests.tasks.test_document import sp00ky

from sp00ky_core import Job, Outbox, RunnerOptions, UnknownRoute
from sp00ky_core.job.job import JobStatus

SHOP = """
calls = []

@tasks.task(max_retries=0, timeout=1)
async def once(n: int) -> None:
    calls.append(n)
    await asyncio.Event().wait()

@tasks.task(timeout=80)
async def long(context: Context) -> float:
    return round((context.deadline - datetime.now(UTC)).total_seconds())
"""


@asynccontextmanager
async def rows(project: Project) -> AsyncIterator[tuple[Outbox, Connection]]:
    """An outbox of SQLite, and another client of its database."""
    file = project.folder / "shop.db"
    async with project.outbox(f"sqlite:///{file}") as outbox:
        await outbox.store.migrate()
        with closing(connect(file)) as client:
            yield outbox, client


def write(client: Connection, path: str, payload: str) -> None:
    with client:
        client.execute("INSERT INTO job (path, payload) VALUES (?, ?)", (path, payload))


async def ended(outbox: Outbox) -> list[Job]:
    """Run until nothing is left; return the jobs."""
    async with outbox.runner(RunnerOptions(poll=0.05)) as runner, asyncio.timeout(60):
        await runner.until_empty()
    return await outbox.find()


async def test_the_options_of_a_function_hold_whoever_enqueues(project: Project) -> None:
    shop = project.write(f"from datetime import UTC, datetime\n{SHOP}")
    async with project.outbox() as outbox:
        once = await outbox.run("shop", "/once", {"n": 1})
        long = await outbox.run("shop", "/long")
        row = outbox.store.write_row("job", {"path": "/long", "payload": "{}"})  # type: ignore[attr-defined]  # the memory's
        async with outbox.runner(RunnerOptions(poll=0.05)) as runner:
            await runner.until_empty()
        assert [(await outbox.get(job_id)).result for job_id in (long.id, row)] == [80, 10]
        (error,) = (await outbox.get(once.id)).errors
    assert (once.max_retries, once.timeout, long.timeout, shop.calls) == (0, 1, 80, [1])
    assert error.reason == "not done after 1 s: cancelled; not tried again: no retry left of 0"


async def test_a_row_that_a_client_inserts_says_itself_how_often_it_is_tried(project: Project) -> None:
    project.write("@tasks.task(max_retries=0, timeout=1)\ndef fails() -> None: raise OSError")
    async with rows(project) as (outbox, client):
        write(client, "/fails", "{}")
        (job,) = await ended(outbox)
    assert (job.status, job.retries, job.max_retries) == (JobStatus.FAILED, 3, 3)


async def test_a_row_that_does_not_fit_calls_nothing(project: Project) -> None:
    project.write("@tasks.task\ndef send(order: int) -> None: raise OSError")
    async with rows(project) as (outbox, client):
        for payload in ('{"order": "7"}', "{}", '{"order": 7, "more": 1}', '{"order": 7', "[7]"):
            write(client, "/send", payload)
        errors = [job.errors[-1] for job in await ended(outbox)]
        with pytest.raises(UnknownRoute, match="did you mean '/send'"):
            await outbox.run("shop", "/sent", {"order": 7})
    assert sorted(error.name for error in errors) == [*["invalid_payload"] * 3, *["invalid_row"] * 2]
    assert "/order: Input should be a valid integer" in {error.reason for error in errors}


async def test_processes_share_the_functions_of_a_backend(project: Project) -> None:
    source = "import os\n@tasks.task\ndef who() -> int: time.sleep(0.2); return os.getpid()"
    project.write(source, keys="concurrency: 1")
    project.file.write_text(project.file.read_text().replace("memory://", "sqlite:///shop.db"))
    async with rows(project) as (outbox, client):
        for _ in range(8):
            write(client, "/who", "{}")
        code, said = await asyncio.to_thread(sp00ky, project, "run", "--workers", "2", "--until-empty")
        pids = {job.result for job in await outbox.find()}
    assert (code, len(pids)) == (0, 2), said
