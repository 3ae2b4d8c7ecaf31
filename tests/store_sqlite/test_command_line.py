"""The command line and two runners on one file; a runner that is killed loses nothing."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

SP00KY = str(Path(sys.executable).with_name("sp00ky"))
JOBS = 40

SPEC = """
openapi: 3.1.0
info: {title: api, version: "1"}
paths: {/spookify: {post: {requestBody: {content: {application/json: {schema: {type: object}}}}}}}
"""


class Backend:
    """Answers 204, and counts by job."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.url = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                fields = dict(line.lower().split(": ", 1) for line in head.decode().splitlines()[1:] if line)
                await reader.readexactly(int(fields["content-length"]))
                self.requests.append(fields["idempotency-key"])
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    backend = Backend()
    server = await asyncio.start_server(backend.answer, "127.0.0.1", 0)
    backend.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield backend
    server.close()


@pytest.fixture
def project(tmp_path: Path, backend: Backend) -> Path:
    (tmp_path / "openapi.yml").write_text(SPEC)
    described = f"{{spec: openapi.yml, baseUrl: '{backend.url}', method: {{table: job}}}}"
    (tmp_path / "sp00ky.yml").write_text(f"backends: {{api: {described}}}\nstore: sqlite:///jobs.db\n")
    return tmp_path


async def start(project: Path, *arguments: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(SP00KY, *arguments, cwd=project, stdout=pipe, stderr=pipe)


async def sp00ky(project: Path, *arguments: str, code: int = 0) -> str:
    process = await start(project, *arguments)
    out, err = await process.communicate()
    assert process.returncode == code, err.decode()
    return out.decode()


async def test_from_a_missing_file_to_jobs_delivered_by_two_runners(project: Path, backend: Backend) -> None:
    assert "sp00ky migrate" in await sp00ky(project, "check", code=1)
    assert "CREATE TABLE" in await sp00ky(project, "migrate", "--print")
    await sp00ky(project, "migrate")
    await sp00ky(project, "check")
    ids = [(await sp00ky(project, "call", "api", "/spookify", "{}")).strip() for _ in range(3)]
    runners = [await start(project, "run", "--until-empty") for _ in range(2)]
    for runner in runners:
        _, err = await runner.communicate()
        assert runner.returncode == 0, err.decode()
    assert sorted(backend.requests) == sorted(ids)
    listed = json.loads(await sp00ky(project, "jobs", "list", "--json"))["jobs"]
    assert {job["status"] for job in listed} == {"success"}


async def test_a_killed_runner_loses_nothing(project: Path, backend: Backend) -> None:
    await sp00ky(project, "migrate")
    insert = (
        "import sqlite3; c = sqlite3.connect('jobs.db'); "
        f"c.executemany('INSERT INTO job (path, payload) VALUES (?, ?)', [('/spookify', '{{}}')] * {JOBS}); "
        "c.commit(); c.close()"
    )
    inserting = await asyncio.create_subprocess_exec(sys.executable, "-c", insert, cwd=project)
    assert await inserting.wait() == 0
    killed = await start(project, "run")
    async with asyncio.timeout(60):
        while not backend.requests:  # noqa: ASYNC110  # the requests are another process's
            await asyncio.sleep(0.01)
    killed.kill()
    await killed.communicate()
    await sp00ky(project, "run", "--until-empty")
    stats = json.loads(await sp00ky(project, "jobs", "stats", "--json"))["backends"]["api"]
    assert (stats["success"], stats["pending"], stats["processing"]) == (JOBS, 0, 0)
    assert len(set(backend.requests)) == JOBS


async def test_an_operator_pauses_drains_and_chooses_what_a_runner_serves(
    project: Path, backend: Backend
) -> None:
    other = f"{{spec: openapi.yml, baseUrl: '{backend.url}', method: {{table: other_job}}}}"
    with (project / "sp00ky.yml").open("a") as file:
        file.write(f"apps: {{other: {{type: backend, {other[1:]}}}\n")
    await sp00ky(project, "migrate")
    for each in ("api", "other"):
        await sp00ky(project, "call", each, "/spookify", "{}")
    await sp00ky(project, "run", "--until-empty", "--backend", "other")
    assert len(backend.requests) == 1
    await sp00ky(project, "backends", "pause", "api")
    await sp00ky(project, "run", "--until-empty", code=1)
    runner = await start(project, "run", "--poll", "0.2")
    expected = [({"api": 50, "other": 50}, "running")]
    listed: list[dict[str, Any]] = []
    async with asyncio.timeout(180):  # the first beat of a start only tries the table
        while [(each["slots"], each["state"]) for each in listed] != expected:
            listed = json.loads(await sp00ky(project, "runners", "list", "--json"))["runners"]
    await sp00ky(project, "runners", "drain", listed[0]["id"])
    _, err = await runner.communicate()
    assert runner.returncode == 0, err.decode()
    assert json.loads(await sp00ky(project, "runners", "list", "--json")) == {"runners": []}
    assert len(backend.requests) == 1
    await sp00ky(project, "backends", "resume", "api")
    await sp00ky(project, "run", "--until-empty")
    assert len(backend.requests) == 2
