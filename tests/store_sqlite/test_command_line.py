"""The command line and two runners on one file; a runner that is killed loses nothing."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.command_line import (
    Backend,
    a_killed_runner_loses_nothing,
    answering,
    sp00ky,
    start,
    two_runners_deliver,
    write_project,
)


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    async with answering() as backend:
        yield backend


@pytest.fixture
def project(tmp_path: Path, backend: Backend) -> Path:
    return write_project(tmp_path, backend, "sqlite:///jobs.db")


async def test_from_a_missing_file_to_jobs_delivered_by_two_runners(project: Path, backend: Backend) -> None:
    await two_runners_deliver(project, backend)


async def test_a_killed_runner_loses_nothing(project: Path, backend: Backend) -> None:
    with closing(sqlite3.connect(project / "jobs.db", isolation_level=None)) as connection:
        await a_killed_runner_loses_nothing(project, backend, connection.execute)


async def test_an_operator_pauses_drains_and_chooses_what_a_runner_serves(
    project: Path, backend: Backend
) -> None:
    other = f"{{spec: openapi.yml, baseUrl: '{backend.url}', method: {{table: other_job}}}}"
    with (project / "sp00ky.yml").open("a") as file:
        file.write(f"apps: {{other: {{type: backend, {other[1:]}}}\n")
    await sp00ky(project, "migrate")
    for name in ("api", "other"):
        await sp00ky(project, "call", name, "/spookify", "{}")
    await sp00ky(project, "run", "--until-empty", "--backend", "other")
    assert len(backend.requests) == 1
    await sp00ky(project, "backends", "pause", "api")
    await sp00ky(project, "run", "--until-empty", code=1)
    runner = await start(project, "run", "--poll", "0.2")
    expected = [({"api": 50, "other": 50}, "running")]
    listed: list[dict[str, Any]] = []
    async with asyncio.timeout(180):  # the first beat of a start only tries the table
        while [(row["slots"], row["state"]) for row in listed] != expected:
            listed = json.loads(await sp00ky(project, "runners", "list", "--json"))["runners"]
    await sp00ky(project, "runners", "drain", listed[0]["id"])
    _, err = await runner.communicate()
    assert runner.returncode == 0, err.decode()
    assert json.loads(await sp00ky(project, "runners", "list", "--json")) == {"runners": []}
    assert len(backend.requests) == 1
    await sp00ky(project, "backends", "resume", "api")
    await sp00ky(project, "run", "--until-empty")
    assert len(backend.requests) == 2
