"""The command line and its runners, as processes in a project's folder, and the backend that they call."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

SP00KY = str(Path(sys.executable).with_name("sp00ky"))
JOBS = 40

SPEC = """
openapi: 3.1.0
info: {title: api, version: "1"}
paths: {/spookify: {post: {requestBody: {content: {application/json: {schema: {type: object}}}}}}}
"""

INSERT = "INSERT INTO {} (path, payload) VALUES " + ", ".join(["('/spookify', '{{}}')"] * JOBS)  # noqa: S608  # no user's text


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

    async def asked(self, times: int = 1) -> None:
        """Return when there were so many requests."""
        async with asyncio.timeout(60):
            while len(self.requests) < times:  # noqa: ASYNC110  # the requests are another process's
                await asyncio.sleep(0.01)


@asynccontextmanager
async def answering() -> AsyncIterator[Backend]:
    backend = Backend()
    server = await asyncio.start_server(backend.answer, "127.0.0.1", 0)
    backend.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield backend
    server.close()


def write_project(folder: Path, backend: Backend, store: str) -> Path:
    (folder / "openapi.yml").write_text(SPEC)
    described = f"{{spec: openapi.yml, baseUrl: '{backend.url}', method: {{table: job}}}}"
    (folder / "sp00ky.yml").write_text(f"backends: {{api: {described}}}\nstore: {store}\n")
    return folder


async def start(project: Path, *arguments: str, **variables: str) -> asyncio.subprocess.Process:
    pipe, environment = asyncio.subprocess.PIPE, os.environ | variables
    return await asyncio.create_subprocess_exec(
        SP00KY, *arguments, cwd=project, env=environment, stdout=pipe, stderr=pipe
    )


async def sp00ky(project: Path, *arguments: str, code: int = 0) -> str:
    process = await start(project, *arguments)
    out, err = await process.communicate()
    assert process.returncode == code, err.decode()
    return out.decode()


async def each_role_is_held_against_its_use(
    project: Path, url: str, grant: Callable[[str], Awaitable[object]], as_role: Callable[[str], str]
) -> None:
    """Roles that have what ``--print-grants`` prints and no more.

    Args:
        project: Of a database whose tables aren't made yet.
        url: The store's, of who makes them.
        grant: Executes a GRANT.
        as_role: Makes the store's URL of one of the roles.
    """
    await sp00ky(project, "--store", url, "migrate")
    for statement in (await sp00ky(project, "--store", url, "migrate", "--print-grants")).splitlines():
        await grant(statement.rstrip(";"))
    assert "may run and operate and enqueue" in await sp00ky(project, "--store", url, "check")
    may = {"app_role": ["enqueue"], "operator_role": ["operate", "enqueue"]}
    may["runner_role"] = ["run", "operate", "enqueue"]
    for role, uses in may.items():
        told = json.loads(await sp00ky(project, "--store", as_role(role), "check", "--json"))
        assert (told["may"], told["as"], told["findings"]) == (uses, uses[0], [])
        for use in {"run", "operate", "enqueue"}.difference(uses):
            await sp00ky(project, "--store", as_role(role), "check", "--as", use, code=1)
    lines = (
        await sp00ky(project, "--store", as_role("app_role"), "check", "--as", "operate", code=1)
    ).splitlines()
    assert lines[0].startswith("the database's role may enqueue, not run or operate")
    assert lines[1:]
    assert all("fix: GRANT" in line for line in lines[1:])


async def two_runners_deliver(project: Path, backend: Backend) -> None:
    """From a database that is empty."""
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


async def a_killed_runner_loses_nothing(
    project: Path, backend: Backend, run: Callable[[str], object]
) -> None:
    await sp00ky(project, "migrate")
    run(INSERT.format("job"))
    killed = await start(project, "run")
    await backend.asked()
    killed.kill()
    await killed.communicate()
    await all_are_delivered(project, backend)


async def all_are_delivered(project: Path, backend: Backend) -> None:
    await sp00ky(project, "run", "--until-empty")
    stats = json.loads(await sp00ky(project, "jobs", "stats", "--json"))["backends"]["api"]
    assert (stats["success"], stats["pending"], stats["processing"]) == (JOBS, 0, 0)
    assert len(set(backend.requests)) == JOBS
