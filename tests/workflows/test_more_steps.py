"""Steps that are added to a workflow while it runs."""

import asyncio
from typing import Any

import pytest
from tests.workflows.conftest import Backend, Refused, Run, statuses, until

from sp00ky_core import Outbox
from sp00ky_workflows import UnknownWorkflow, WorkflowInvalid, Workflows, WorkflowStopped


async def test_one_may_wait_for_what_has_succeeded_and_for_what_is_pending(
    outbox: Outbox, workflows: Workflows, backend: Backend
) -> None:
    go_on = asyncio.Event()

    async def answer() -> str:
        await go_on.wait()
        return "built"

    backend.answers |= {"/a": lambda _: "begun", "/b": lambda _: answer()}
    async with workflows.create("grows") as w:
        w.step("b", "shop", "/b", after=[w.step("a", "shop", "/a")])

    async def is_pending() -> bool:
        return statuses(await workflows.get(w.id)) == {"a": "success", "b": "pending"}

    async with outbox.runner(transport=backend):
        await until(is_pending)
        async with workflows.add(w.id) as more:
            c = more.step("c", "shop", "/c", {"n": {"$from": "a"}})
            more.step("d", "shop", "/d", {"n": {"$from": "b"}}, after=["b", c])
        go_on.set()
        ended = await workflows.wait(w.id, timeout=60)
    assert (ended.status, statuses(ended)) == ("success", dict.fromkeys("abcd", "success"))
    asked: dict[str, Any] = dict(backend.asked)
    assert (asked["/c"]["n"], asked["/d"]["n"]) == ("begun", "built")
    assert backend.paths[-1] == "/d"


async def test_none_is_added_that_can_t_be_done(workflows: Workflows, backend: Backend, run: Run) -> None:
    async with workflows.create("ends") as w:
        w.step("a", "shop", "/a")
    with pytest.raises(WorkflowInvalid, match="two steps of this name"):
        async with workflows.add(w.id) as more:
            more.step("a", "shop", "/b")
    with pytest.raises(WorkflowInvalid, match="step 'c'"):
        async with workflows.add(w.id) as more:
            more.step("c", "shop", "/b", after=["b"])
    with pytest.raises(WorkflowInvalid, match="no operation"):
        async with workflows.add(w.id) as more:
            more.step("c", "shop", "/none")
    assert (await run(w.id)).status == "success"
    with pytest.raises(WorkflowStopped, match="is success"):
        async with workflows.add(w.id) as more:
            more.step("c", "shop", "/b")
    with pytest.raises(UnknownWorkflow):
        async with workflows.add("none") as more:
            more.step("c", "shop", "/b")


async def test_none_waits_for_what_has_failed(outbox: Outbox, workflows: Workflows, backend: Backend) -> None:
    go_on = asyncio.Event()

    def refuse(_: Any) -> None:
        raise Refused

    backend.answers |= {"/a": refuse, "/b": lambda _: go_on.wait()}
    async with workflows.create("fails", on_failure="continue-independent") as w:
        w.step("a", "shop", "/a")
        w.step("b", "shop", "/b")

    async def has_failed() -> bool:
        return statuses(await workflows.get(w.id))["a"] == "failed"

    async with outbox.runner(transport=backend):
        await until(has_failed)
        with pytest.raises(WorkflowInvalid, match="'a', which is failed"):
            async with workflows.add(w.id) as more:
                more.step("c", "shop", "/c", after=["a"])
        go_on.set()
        assert (await workflows.wait(w.id, timeout=60)).status == "failed"
