"""What operators do with workflows: kill, retry, rerun; and retries of their jobs."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from tests.workflows.conftest import Backend, Refused, Run, statuses, until

from sp00ky_core import Outbox
from sp00ky_workflows import UnknownWorkflow, WorkflowInvalid, Workflows, WorkflowStopped, item


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


async def failed_ships(workflows: Workflows, outbox: Outbox, backend: Backend, count: int) -> list[str]:
    """Make workflows whose step ``ship`` fails, as it was given no weight; and one in which another fails."""

    def ship(payload: Any) -> str:
        if "kg" not in payload:
            raise Refused("no weight")
        return "shipped"

    backend.answers |= {"/b": ship, "/c": refuse}
    ids = list[str]()
    for number in range(count):
        async with workflows.create("order", {"n": number}) as w:
            a = w.step("a", "shop", "/a")
            w.step("send", "shop", "/d", after=[w.step("ship", "shop", "/b", {"n": 1}, after=[a])])
        ids.append(w.id)
    async with workflows.create("other") as other:
        other.step("c", "shop", "/c")
    async with outbox.runner(transport=backend):
        ended = [await workflows.wait(one, timeout=60) for one in (*ids, other.id)]
    assert [one.failed_step for one in ended] == ["ship"] * count + ["c"]
    backend.asked.clear()
    return ids


async def test_many_go_on_with_a_corrected_payload(
    workflows: Workflows, outbox: Outbox, backend: Backend
) -> None:
    ids = await failed_ships(workflows, outbox, backend, 5)
    fixed = {"kg": 2, "of": {"$from": "a"}, "n": {"$from": "input/n"}}
    counted = await workflows.retry_many(failed_step="ship", payload=fixed, dry_run=True)
    assert (counted.matched, counted.done) == (5, 0)
    some = await workflows.retry_many(failed_step="ship", payload=fixed, limit=2)
    assert (some.matched, some.done, some.refused) == (2, 2, 0)
    rest = await workflows.retry_many(failed_step="ship", payload=fixed, reason="a test")
    assert (rest.matched, rest.done) == (3, 3)
    async with outbox.runner(transport=backend):
        ended = [await workflows.wait(one, timeout=60) for one in ids]
    assert {one.status for one in ended} == {"success"}
    sent = [given for path, given in backend.asked if path == "/b"]
    assert sorted(given["n"] for given in sent) == [*range(5)]
    entry = next(one for one in await outbox.audit() if one.action == "retry workflows")
    assert (entry.count, entry.selection["failed_step"], entry.reason) == (3, "ship", "a test")
    new = await workflows.rerun(ids[0])  # which knows the corrected one
    async with outbox.runner(transport=backend):
        assert (await workflows.wait(new.id, timeout=60)).status == "success"


async def test_a_payload_that_doesn_t_fit_lets_none_go_on(
    workflows: Workflows, outbox: Outbox, backend: Backend
) -> None:
    (one,) = await failed_ships(workflows, outbox, backend, 1)
    refused = await workflows.retry_many(failed_step="ship", payload={"n": {"$from": "send/x"}})
    assert (refused.done, refused.refused) == (0, 1)
    assert "refers to send; it may refer to a, input" in str(refused.problem)
    with pytest.raises(WorkflowInvalid, match="matches nothing"):
        await workflows.retry(one, payload={"n": {"$from": "input/none"}})
    assert (await workflows.get(one)).status == "failed"
    await workflows.retry(one, payload={"kg": 1})
    async with outbox.runner(transport=backend):
        assert (await workflows.wait(one, timeout=60)).status == "success"


async def test_the_items_of_a_for_each_get_a_corrected_payload_too(
    workflows: Workflows, run: Run, backend: Backend
) -> None:
    async with workflows.create("wide", {"xs": [1, 2]}) as w:
        w.step("line", "shop", "/pay", {"order": 1}, for_each="input/xs")
    backend.answers["/pay"] = refuse
    assert (await run(w.id)).status == "failed"
    backend.answers["/pay"] = lambda payload: payload["order"]
    result = await workflows.retry_many(failed_step="line", payload={"order": item()})
    assert result.done == 1
    steps = {step.name: step.result for step in (await run(w.id)).steps}
    assert steps == {"line": [1, 2], "line[0]": 1, "line[1]": 2}


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


async def test_a_retry_after_the_deadline_has_as_long_again(
    workflows: Workflows, run: Run, backend: Backend
) -> None:
    async with workflows.create("late", deadline=0.5) as w:
        w.step("b", "shop", "/b", after=[w.step("a", "shop", "/a")], delay=timedelta(hours=1))
    late = await run(w.id)
    assert (late.status, late.failed_step) == ("failed", "b")
    again = await workflows.retry(w.id)
    assert again.deadline is not None
    assert late.deadline is not None
    assert again.deadline - late.deadline >= timedelta(seconds=0.5)
    assert (await run(w.id)).failed_step == "b"


async def test_a_retry_before_the_deadline_and_a_rerun_keep_it(
    workflows: Workflows, run: Run, backend: Backend
) -> None:
    backend.answers["/b"] = refuse
    async with workflows.create("kept", deadline=timedelta(hours=1)) as w:
        w.step("b", "shop", "/b", after=[w.step("a", "shop", "/a", undo=("shop", "/undo", {}))])
    made = (await workflows.get(w.id)).deadline
    assert (await run(w.id)).status == "undone"  # which ends even after the deadline, and loses it
    new, again = await workflows.rerun(w.id), await workflows.retry(w.id)
    for one in (new, again):
        assert one.deadline is not None
        assert made is not None
        assert timedelta(0) < one.deadline - made < timedelta(minutes=1)
