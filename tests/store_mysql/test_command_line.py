"""The command line and two runners on one server; what loses a runner, or the server, loses no job."""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.mariadb import NO_MARIADB, MariadbServer, is_installed
from tests.store_mysql.conftest import Sql

from sp00ky_core.ports import StoreOptions

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
def project(tmp_path: Path, backend: Backend, options: StoreOptions) -> Path:
    (tmp_path / "openapi.yml").write_text(SPEC)
    described = f"{{spec: openapi.yml, baseUrl: '{backend.url}', method: {{table: job}}}}"
    (tmp_path / "sp00ky.yml").write_text(f"backends: {{api: {described}}}\nstore: {options.url}\n")
    return tmp_path


async def start(project: Path, *arguments: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(SP00KY, *arguments, cwd=project, stdout=pipe, stderr=pipe)


async def sp00ky(project: Path, *arguments: str, code: int = 0) -> str:
    process = await start(project, *arguments)
    out, err = await process.communicate()
    assert process.returncode == code, err.decode()
    return out.decode()


async def test_from_an_empty_database_to_jobs_delivered_by_two_runners(
    project: Path, backend: Backend
) -> None:
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


async def test_a_killed_runner_loses_nothing(project: Path, backend: Backend, sql: Sql) -> None:
    await sp00ky(project, "migrate")
    sql("INSERT INTO job (path, payload) VALUES " + ", ".join(["('/spookify', '{}')"] * JOBS))
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


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("//.*@", "//nobody:hunter2@", "Access denied for user 'nobody'"),
        ("/test_", "/nowhere_", "Unknown database 'nowhere_"),
        ("/test_", "/a/test_", "expected mysql://USER:PASSWORD@HOST:PORT/DATABASE"),
    ],
)
async def test_a_server_that_cannot_be_used_is_said_in_one_line(
    project: Path, before: str, after: str, said: str
) -> None:
    file = project / "sp00ky.yml"
    store = re.sub(before, after, file.read_text().splitlines()[-1])
    file.write_text("\n".join([*file.read_text().splitlines()[:-1], store]))
    for command in (["check"], ["run", "--until-empty"]):
        process = await start(project, *command)
        out, err = await process.communicate()
        assert process.returncode != 0
        lines = [line for line in (out + err).decode().splitlines() if said in line]
        assert len(lines) == 1, (out + err).decode()
        assert b"hunter2" not in out + err
        assert b"Traceback" not in out + err


async def test_a_table_of_another_collation_stops_a_runner(project: Path, sql: Sql, backend: Backend) -> None:
    await sp00ky(project, "migrate")
    await sp00ky(project, "call", "api", "/spookify", "{}")
    sql("ALTER TABLE sp00ky_breaker CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
    said = "its column backend has the collation utf8mb4_general_ci"
    assert said in await sp00ky(project, "check", code=1)
    process = await start(project, "run", "--until-empty")
    _, err = await process.communicate()
    assert process.returncode != 0
    assert said in err.decode()
    assert backend.requests == []
    (finding,) = json.loads(await sp00ky(project, "check", "--json", code=1))["findings"]
    sql(finding["fix"])
    await sp00ky(project, "run", "--until-empty")
    assert len(backend.requests) == 1


async def test_a_server_that_is_killed_loses_nothing(project: Path, backend: Backend, tmp_path: Path) -> None:
    if not is_installed():
        pytest.skip(NO_MARIADB)
    folder = tmp_path / "server"
    folder.mkdir()
    server = MariadbServer(folder, options=("--innodb-flush-log-at-trx-commit=1",))
    server.start()
    try:
        file = project / "sp00ky.yml"
        lines = file.read_text().splitlines()
        file.write_text("\n".join([*lines[:-1], f"store: {server.url('sp00ky')}", ""]))
        server.run("CREATE DATABASE sp00ky")
        await sp00ky(project, "migrate")
        insert = "INSERT INTO sp00ky.job (path, payload) VALUES "
        server.run(insert + ", ".join(["('/spookify', '{}')"] * JOBS))
        runner = await start(project, "run", "--poll", "0.2")
        async with asyncio.timeout(60):
            while len(backend.requests) < 5:  # noqa: ASYNC110  # the requests are another process's
                await asyncio.sleep(0.01)
        server.kill()
        server.start()
        runner.terminate()
        await runner.communicate()
        await sp00ky(project, "run", "--until-empty")
        stats = json.loads(await sp00ky(project, "jobs", "stats", "--json"))["backends"]["api"]
        assert (stats["success"], stats["pending"], stats["processing"]) == (JOBS, 0, 0)
        assert len(set(backend.requests)) == JOBS
    finally:
        server.kill()
