"""The command line and two runners on one file; a runner that is killed loses nothing."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.command_line import (
    Backend,
    a_killed_runner_loses_nothing,
    answering,
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
