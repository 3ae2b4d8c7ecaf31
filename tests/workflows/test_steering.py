"""What operators do with workflows: kill, retry, rerun; and retries of their jobs."""

import asyncio
from datetime import timedelta

import pytest
from tests.workflows.conftest import Backend, Refused, Run, statuses, until

from sp00ky_core import Outbox
from sp00ky_workflows import UnknownWorkflow, Workflows, WorkflowStopped


def refuse(_payload: object) -> None:
    raise Refused("no")


async def failed_chain(workflows: Workflows, run: Run, backend: Backend) -> str:
    """Make a, b, c in a row, of which b has failed; from now on it succeeds."""
    backend.answers["/b"] = refuse
    async with workflows.create("chain") as w:
        a = w.step("a", "shop", "/a")
        b = w.step("b", "shop", "/b", after=[a])
        w.step("c", "shop", "/c", after=[b])
    assert (await run(w.id)).status == "failed"
    del backend.answers["/b"]
    backend.asked.clear()
    return w.id


async def test_a_retry_goes_on_where_it_failed(workflows: Workflows, run: Run, backend: Backend) -> None:
    workflow_id = await failed_chain(workflows, run, backend)
    again = await workflows.retry(workflow_id)
    assert (again.status, again.revision, again.failed_step) == ("running", 2, None)
    ended = await run(workflow_id)
    assert (ended.status, backend.paths) == ("success", ["/b", "/c"])


async def test_a_retry_may_begin_earlier(workflows: Workflows, run: Run, backend: Backend) -> None:
    workflow_id = await failed_chain(workflows, run, backend)
    await workflows.retry(workflow_id, "a")
    assert ((await run(workflow_id)).status, backend.paths) == ("success", ["/a", "/b", "/c"])


async def test_a_step_that_succeeded_can_be_done_again(
    workflows: Workflows, run: Run, backend: Backend
) -> None:
    workflow_id = await failed_chain(workflows, run, backend)
    await workflows.retry(workflow_id)
    await run(workflow_id)
    backend.asked.clear()
    with pytest.raises(WorkflowStopped, match="every step has succeeded"):
        await workflows.retry(workflow_id)
    with pytest.raises(UnknownWorkflow, match="no step 'x'"):
        await workflows.retry(workflow_id, "x")
    await workflows.retry(workflow_id, "c")
    assert ((await run(workflow_id)).status, backend.paths) == ("success", ["/c"])


async def test_a_retry_of_the_job_lets_its_workflow_go_on(
    outbox: Outbox, workflows: Workflows, run: Run, backend: Backend
) -> None:
    workflow_id = await failed_chain(workflows, run, backend)
    failed = next(step for step in (await workflows.get(workflow_id)).steps if step.name == "b")
    assert failed.job_id is not None
    await outbox.retry(failed.job_id)

    async def has_succeeded() -> bool:
        return (await workflows.get(workflow_id)).status == "success"

    async with outbox.runner(transport=backend):
        await until(has_succeeded)
    assert backend.paths == ["/b", "/c"]


async def test_a_kill_ends_what_is_pending(outbox: Outbox, workflows: Workflows, backend: Backend) -> None:
    async with workflows.create("endless") as w:
        a = w.step("a", "shop", "/a", delay=timedelta(hours=1))
        w.step("b", "shop", "/b", after=[a])
    killed = await workflows.kill(w.id, reason="a test")
    assert (killed.status, statuses(killed)) == ("killed", {"a": "killed", "b": "killed"})
    job_id = killed.steps[0].job_id
    assert job_id is not None
    assert (await outbox.get(job_id)).status == "failed"
    with pytest.raises(WorkflowStopped, match="is killed"):
        await workflows.kill(w.id)
    with pytest.raises(UnknownWorkflow):
        await workflows.kill("none")
    actions = [entry.action for entry in await outbox.audit()]
    assert "kill workflow" in actions


async def test_a_kill_that_was_cut_off_is_finished_by_a_runner(
    outbox: Outbox, workflows: Workflows, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with workflows.create("endless") as w:
        w.step("a", "shop", "/a", delay=timedelta(hours=1))

    async def dies(*_: object, **__: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr("sp00ky_core.outbox.extensions.Jobs.kill", dies)
        with pytest.raises(asyncio.CancelledError):
            await workflows.kill(w.id)

    async def is_killed() -> bool:
        return statuses(await workflows.get(w.id)) == {"a": "killed"}

    async with outbox.runner(transport=backend):
        await until(is_killed)
    assert backend.asked == []


async def test_a_rerun_is_another_workflow(workflows: Workflows, run: Run, backend: Backend) -> None:
    async with workflows.create("again", {"n": 1}) as w:
        w.step("a", "shop", "/a", {"n": {"$from": "input/n"}})
    await run(w.id)
    new = await workflows.rerun(w.id)
    assert new.id != w.id
    assert ((await run(new.id)).status, [given["n"] for _, given in backend.asked]) == ("success", [1, 1])
    assert [found.id for found in await workflows.list(name="again")] == [new.id, w.id]
    assert await workflows.list(status="failed") == []


async def test_an_undone_workflow_can_be_done_again(workflows: Workflows, run: Run, backend: Backend) -> None:
    backend.answers["/b"] = refuse
    async with workflows.create("saga") as w:
        a = w.step("a", "shop", "/a", undo=("shop", "/undo", {}))
        w.step("b", "shop", "/b", after=[a])
    assert (await run(w.id)).status == "undone"
    del backend.answers["/b"]
    await workflows.retry(w.id)
    ended = await run(w.id)
    assert (ended.status, statuses(ended)) == ("success", {"a": "success", "b": "success"})
    assert backend.paths == ["/a", "/b", "/undo", "/a", "/b"]
