"""``schedule`` and what goes with it start workflows, as schedules start jobs."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.workflows.conftest import BACKEND, Backend, Refused, document, until

from sp00ky_core import Outbox
from sp00ky_core.ports import Is
from sp00ky_schedules import Schedules
from sp00ky_schedules.tables import SCHEDULES
from sp00ky_workflows import WorkflowRecord, Workflows

ROWS = json.dumps([{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])


@pytest.fixture
def keys() -> dict[str, Any]:
    """Of the file's workflow, beside its steps."""
    return {"schedule": {"every": "10s"}}


@pytest.fixture
def project(tmp_path: Path, keys: dict[str, Any]) -> Path:
    (tmp_path / "openapi.json").write_text(document())
    steps = {
        "first": {"backend": "shop", "route": "/a"},
        "second": {"backend": "shop", "route": "/b", "dependsOn": ["first"]},
    }
    file = {"nightly": {"steps": steps, **keys}}
    text = f"backends: {{shop: {BACKEND}}}\nworkflows: {json.dumps(file)}\n"
    (tmp_path / "sp00ky.yml").write_text(text)
    return tmp_path / "sp00ky.yml"


async def due(outbox: Outbox) -> None:
    """Have the schedule fire now."""
    schedules = outbox.extension(Schedules)
    stored, _ = await schedules._known("nightly")

    async def work(tx: Any) -> None:
        await tx.update(SCHEDULES, [Is("name", "=", stored.name)], {"next_fire_at": tx.now})

    await schedules._context.transact(work)


async def ended(workflows: Workflows, count: int) -> list[WorkflowRecord]:
    async def are_there() -> bool:
        return len([one for one in await workflows.list() if one.has_ended]) >= count

    await until(are_there)
    return [await workflows.get(one.id) for one in await workflows.list()]


async def test_it_starts_by_the_clock(outbox: Outbox, backend: Backend, workflows: Workflows) -> None:
    await due(outbox)
    async with outbox.runner(transport=backend):
        (one,) = await ended(workflows, 1)
    assert (one.name, one.status, one.schedule) == ("nightly", "success", "nightly")
    assert backend.paths == ["/a", "/b"]


@pytest.mark.parametrize("keys", [{"schedule": {"cron": "@daily"}, "forEach": {"query": ROWS}}])
async def test_each_row_is_the_input_of_one(outbox: Outbox, backend: Backend, workflows: Workflows) -> None:
    await due(outbox)
    async with outbox.runner(transport=backend):
        found = await ended(workflows, 2)
    assert sorted((one.key, one.input["name"]) for one in found) == [("1", "a"), ("2", "b")]


@pytest.mark.parametrize(
    ("keys", "statuses"),
    [
        ({"cron": "@daily"}, ["skipped", "success"]),
        ({"cron": "@daily", "concurrency": "allow"}, ["success", "success"]),
        ({"cron": "@daily", "concurrency": "replace"}, ["replaced", "success"]),
    ],
)
async def test_one_that_runs_still_counts(
    outbox: Outbox, backend: Backend, workflows: Workflows, statuses: list[str]
) -> None:
    first, go_on = asyncio.Event(), asyncio.Event()

    async def answer() -> None:
        first.set()
        await go_on.wait()

    backend.answers["/a"] = lambda _: answer()
    schedules = outbox.extension(Schedules)

    async def have_fired() -> bool:
        return len(await schedules.runs("nightly")) == 2

    async def have_ended() -> bool:
        return sorted(run.status for run in await schedules.runs("nightly")) == statuses

    await due(outbox)
    async with outbox.runner(transport=backend):
        await first.wait()
        await due(outbox)
        await until(have_fired)
        go_on.set()
        await until(have_ended)


@pytest.mark.parametrize("keys", [{"schedule": "@daily", "quarantineAfter": 1}])
async def test_one_that_fails_is_in_quarantine(
    outbox: Outbox, backend: Backend, workflows: Workflows
) -> None:
    def refuse(_: Any) -> None:
        raise Refused

    backend.answers["/a"] = refuse
    schedules = outbox.extension(Schedules)

    async def is_quarantined() -> bool:
        return (await schedules.get("nightly")).quarantined == ("",)

    async def is_skipped() -> bool:
        return (await schedules.runs("nightly"))[0].status == "skipped"

    await due(outbox)
    async with outbox.runner(transport=backend):
        await until(is_quarantined)
        await due(outbox)
        await until(is_skipped)
    assert len(await workflows.list()) == 1


@pytest.mark.parametrize("keys", [{"schedule": {"every": "10s"}, "deadline": 1}])
async def test_one_that_is_late_is_killed(outbox: Outbox, backend: Backend, workflows: Workflows) -> None:
    stuck = asyncio.Event()

    async def answer() -> None:
        await stuck.wait()

    backend.answers["/a"] = lambda _: answer()
    schedules = outbox.extension(Schedules)

    async def is_killed() -> bool:
        runs = await schedules.runs("nightly")
        return bool(runs) and runs[-1].status == "killed"

    await due(outbox)
    async with outbox.runner(transport=backend):
        await until(is_killed)
    assert ((await schedules.runs("nightly"))[-1].error or {})["code"] == "deadline_exceeded"


async def test_migrate_defines_it_and_a_sync_of_schedules_leaves_it_alone(outbox: Outbox) -> None:
    schedules = outbox.extension(Schedules)
    assert [one.name for one in await schedules.list()] == ["nightly"]
    await schedules.sync()
    assert [one.name for one in await schedules.list()] == ["nightly"]
