"""The example of schedules does what it says: by hand, by the clock, once for each customer."""

import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

ADA, CYD = ({"id": 1, "email": "ada@example.com"}, {"id": 3, "email": "cyd@example.com"})


@pytest.fixture
def example() -> str:
    return "nightly"


@pytest.fixture
def sp00ky(spawn: Any) -> Any:
    """Runs a command in the example's folder to its end; what it printed."""

    async def run(*arguments: str) -> str:
        process, output = await spawn("-m", "sp00ky_core", *arguments)
        code, said = await process.wait(), output.read_text()
        assert code == 0, said
        return str(said)

    return run


@pytest_asyncio.fixture
async def migrated_project(project: Path, sql: Any, sp00ky: Any) -> Path:
    """The example, after the commands that come before ``sp00ky run``; twice, as with the second deploy."""
    for _ in range(2):
        await sql.execute((project / "schema.sql").read_text())
        await sp00ky("migrate")
    return project


@pytest_asyncio.fixture
async def runners(migrated_project: Path, spawn: Any, sql: Any, eventually: Any) -> AsyncIterator[None]:
    """Two processes that run jobs, and drain at the end."""
    started = [await spawn("-m", "sp00ky_core", "run") for _ in range(2)]
    await eventually(lambda: sql.fetchval("SELECT count(*) = 2 FROM sp00ky_runner"))
    yield
    for process, _ in started:
        process.send_signal(signal.SIGTERM)
    for process, output in started:
        assert await process.wait() == 0, output.read_text()


async def runs_of(sp00ky: Any, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(await sp00ky("schedules", "runs", name, "--json"))["runs"]
    return found


async def test_nothing_is_wrong_with_it(migrated_project: Path, sp00ky: Any) -> None:
    await sp00ky("check")
    found = json.loads(await sp00ky("schedules", "list", "--json"))["schedules"]
    assert [schedule["name"] for schedule in found] == ["digests", "nightly-report"]
    assert all(schedule["next_fire_at"] for schedule in found)


@pytest.mark.usefixtures("runners")
async def test_each_customer_who_wants_it_gets_a_digest(sp00ky: Any, backend: Any, eventually: Any) -> None:
    await sp00ky("schedules", "trigger", "digests")
    await backend.received(2)

    async def ended() -> Any:
        runs = await runs_of(sp00ky, "digests")
        return runs if {run["status"] for run in runs} == {"success"} else None

    runs = await eventually(ended)
    assert sorted((run["key"], run["trigger"]) for run in runs) == [("1", "manual"), ("3", "manual")]
    assert sorted(backend.requests, key=lambda payload: payload["row"]["id"]) == [{"row": ADA}, {"row": CYD}]


@pytest.fixture
def each_second(project: Path, edit: Any) -> None:
    edit(project / "sp00ky.yml", '"30 2 * * *"', '"* * * * * *"')


@pytest.mark.usefixtures("each_second", "runners")
async def test_two_runners_fire_by_the_clock_once_each(sql: Any, backend: Any, eventually: Any) -> None:
    await backend.received(3)

    ended = "SELECT count(*) >= 3 FROM sp00ky_schedule_run WHERE status = 'success'"
    await eventually(lambda: sql.fetchval(ended))
    assert {json.dumps(request) for request in backend.requests} == {'{"kind": "sales"}'}
    counts = "SELECT count(*), count(DISTINCT date_trunc('second', fired_at)) FROM sp00ky_schedule_run"
    made, seconds = await sql.fetchrow(counts)
    assert made == seconds
