"""Steps without a job: one sleeps, another waits for a signal."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
from tests.workflows.conftest import Backend, Run, statuses, until

from sp00ky_core import Outbox, load_config, load_plugins
from sp00ky_workflows import UnknownWorkflow, WorkflowInvalid, Workflows, WorkflowStopped


async def approval(workflows: Workflows, **options: Any) -> str:
    """Make a, then a wait for approval, then b, which gets who has approved."""
    async with workflows.create("order") as w:
        a = w.step("a", "shop", "/a", undo=("shop", "/undo", {}))
        approved = w.wait_for("approved", after=[a], **options)
        w.step("b", "shop", "/b", {"by": approved.result("/by")})
    return w.id


async def waits(workflows: Workflows, workflow_id: str) -> bool:
    return statuses(await workflows.get(workflow_id))["a"] == "success"


async def test_a_step_waits_for_a_signal(outbox: Outbox, workflows: Workflows, backend: Backend) -> None:
    workflow_id = await approval(workflows, timeout=timedelta(days=3))
    async with outbox.runner(transport=backend):
        await until(lambda: waits(workflows, workflow_id))
        await workflows.signal(workflow_id, "approved", {"by": "ada"})
        await workflows.signal(workflow_id, "approved", {"by": "bob"})
        ended = await workflows.wait(workflow_id, timeout=60)
    assert (ended.status, backend.asked[-1]) == ("success", ("/b", {"by": "ada"}))


async def test_a_signal_may_come_before_the_wait(workflows: Workflows, run: Run, backend: Backend) -> None:
    workflow_id = await approval(workflows)
    await workflows.signal(workflow_id, "approved", {"by": "ada"})
    assert backend.asked == []
    assert (await run(workflow_id)).status == "success"
    assert backend.asked[-1] == ("/b", {"by": "ada"})


async def test_a_wait_without_a_signal_fails_and_undoes(
    workflows: Workflows, run: Run, backend: Backend
) -> None:
    workflow_id = await approval(workflows, timeout=timedelta(seconds=0.3))
    ended = await run(workflow_id)
    failed = next(step for step in ended.steps if step.name == "approved")
    assert (ended.status, ended.failed_step, failed.result["code"]) == (
        "undone",
        "approved",
        "signal_timeout",
    )
    assert backend.paths == ["/a", "/undo"]
    await workflows.retry(workflow_id)
    await workflows.signal(workflow_id, "approved", {"by": "late"})
    assert (await run(workflow_id)).status == "success"


async def test_a_sleep_ends_after_its_time(workflows: Workflows, run: Run, backend: Backend) -> None:
    began = time.monotonic()
    async with workflows.create("slow") as w:
        pause = w.sleep("pause", seconds=0.5)
        w.step("b", "shop", "/b", {"of": pause.result()})
    ended = await run(w.id)
    assert (ended.status, backend.asked) == ("success", [("/b", {"of": None})])
    assert time.monotonic() - began >= 0.5


async def test_it_is_seen_until_when_one_sleeps(
    outbox: Outbox, workflows: Workflows, backend: Backend
) -> None:
    async with workflows.create("slow") as w:
        w.step("b", "shop", "/b", after=[w.sleep("pause", days=3)])

    async def has_begun() -> bool:
        (pause,) = [step for step in (await workflows.get(w.id)).steps if step.name == "pause"]
        left = pause.due_at and pause.due_at - datetime.now(UTC)
        return bool(left and timedelta(days=2, hours=23) < left < timedelta(days=3, hours=1))

    async with outbox.runner(transport=backend):
        await until(has_begun)
    assert statuses(await workflows.kill(w.id)) == {"pause": "killed", "b": "killed"}


async def test_a_wait_that_is_done_again_takes_another_signal(
    workflows: Workflows, run: Run, outbox: Outbox, backend: Backend
) -> None:
    workflow_id = await approval(workflows)
    await workflows.signal(workflow_id, "approved", {"by": "ada"})
    await run(workflow_id)
    await workflows.retry(workflow_id, "approved")
    await workflows.signal(workflow_id, "approved", {"by": "bob"})
    await run(workflow_id)
    assert [given for path, given in backend.asked if path == "/b"] == [{"by": "ada"}, {"by": "bob"}]


async def test_steps_behind_a_wait_are_added_while_it_waits(
    outbox: Outbox, workflows: Workflows, backend: Backend
) -> None:
    workflow_id = await approval(workflows)
    async with outbox.runner(transport=backend):
        await until(lambda: waits(workflows, workflow_id))
        async with workflows.add(workflow_id) as w:
            w.step("c", "shop", "/c", after=[w.wait_for("paid", after=["approved"])])
        await workflows.signal(workflow_id, "paid")
        await workflows.signal(workflow_id, "approved", {"by": "ada"})
        ended = await workflows.wait(workflow_id, timeout=60)
    assert (ended.status, sorted(backend.paths)) == ("success", ["/a", "/b", "/c"])


async def test_each_of_many_waits_is_found(
    outbox: Outbox, workflows: Workflows, run: Run, backend: Backend
) -> None:
    async with workflows.create("many") as w:
        waiting = [w.wait_for(f"s{number}") for number in range(520)]
        naps = [w.sleep(f"n{number}", seconds=0.1) for number in range(520)]
        w.step("a", "shop", "/a", after=[*waiting, *naps])
    await workflows.signal(w.id, "s519", actor="ada", reason="a test")
    assert statuses(await workflows.get(w.id))["s519"] == "success"
    for number in range(519):
        await workflows.signal(w.id, f"s{number}")
    assert ((await run(w.id)).status, backend.paths) == ("success", ["/a"])
    entries = [entry for entry in await outbox.audit() if entry.action == "signal workflow"]
    assert [(entry.actor, entry.selection["signal"]) for entry in entries] == [("ada", "s519")]


async def test_a_signal_is_given_in_the_callers_transaction(
    project: Path, tmp_path: Path, backend: Backend
) -> None:
    plugins = load_plugins()
    config, path = load_config(project, plugins=plugins), tmp_path / "app.db"
    async with Outbox.open(config, store=f"sqlite:///{path}", plugins=plugins) as outbox:
        await outbox.migrate()
        workflows = outbox.extension(Workflows)
        workflow_id = await approval(workflows)
        async with aiosqlite.connect(path, isolation_level=None) as connection:
            for by, end in (("lost", "ROLLBACK"), ("ada", "COMMIT")):
                await connection.execute("BEGIN IMMEDIATE")
                await workflows.signal(workflow_id, "approved", {"by": by}, connection=connection)
                await connection.execute(end)
        async with outbox.runner(transport=backend):
            assert (await workflows.wait(workflow_id, timeout=60)).status == "success"
    assert backend.asked[-1] == ("/b", {"by": "ada"})


async def test_a_signal_that_nothing_waits_for_is_refused(workflows: Workflows, run: Run) -> None:
    workflow_id = await approval(workflows)
    with pytest.raises(UnknownWorkflow, match=r"waits for no signal 'aproved'.*approved"):
        await workflows.signal(workflow_id, "aproved")
    with pytest.raises(UnknownWorkflow, match="there is no workflow"):
        await workflows.signal("none", "approved")
    await workflows.kill(workflow_id)
    with pytest.raises(WorkflowStopped, match="is killed, so no signal reaches it"):
        await workflows.signal(workflow_id, "approved")


async def test_a_pause_that_can_t_be_is_refused(workflows: Workflows) -> None:
    w = workflows.create("order")
    for make, problem in (
        (lambda: w.sleep("pause"), "it lasts over 0 s"),
        (lambda: w.sleep("pause", days=4_000), "at most 3650 days"),
        (lambda: w.wait_for("x", timeout=timedelta(seconds=-1)), "it lasts over 0 s"),
    ):
        with pytest.raises(WorkflowInvalid, match=problem):
            make()
    with pytest.raises(WorkflowInvalid, match="no step of it has a job"):
        async with workflows.create("nothing") as alone:
            alone.sleep("pause", days=1)
    with pytest.raises(WorkflowInvalid, match="is no name"):
        async with workflows.create("odd") as odd:
            odd.step("a", "shop", "/a", after=[odd.wait_for("no name")])
