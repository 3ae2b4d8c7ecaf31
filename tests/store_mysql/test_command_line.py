"""The command line and two runners on one server; what loses a runner, or the server, loses no job."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

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
from tests.store_mysql.conftest import Sql

from sp00ky_core.ports import StoreOptions


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    async with answering() as backend:
        yield backend


@pytest.fixture
def project(tmp_path: Path, backend: Backend, options: StoreOptions) -> Path:
    return write_project(tmp_path, backend, options.url)


async def test_from_an_empty_database_to_jobs_delivered_by_two_runners(
    project: Path, backend: Backend
) -> None:
    await two_runners_deliver(project, backend)


async def test_a_killed_runner_loses_nothing(project: Path, backend: Backend, sql: Sql) -> None:
    await a_killed_runner_loses_nothing(project, backend, sql)


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
