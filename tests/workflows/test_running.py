"""Workflows in a runner: what is done, in which order, with what, and what becomes of a failure."""

from datetime import timedelta

import pytest
from tests.workflows.conftest import Backend, Refused, Run, statuses

from sp00ky_workflows import WorkflowInvalid, Workflows, item


def refuse(_payload: object) -> None:
    raise Refused("no")


async def test_a_diamond_gets_the_results_of_what_it_waits_for(
    workflows: Workflows, run: Run, backend: Backend
) -> None:
    backend.answers |= {"/a": lambda _: {"id": 7}, "/b": lambda given: given["a"], "/c": lambda _: "c"}
    async with workflows.create("diamond", {"order": 1}) as w:
        a = w.step("a", "shop", "/a", {"order": {"$from": "input/order"}})
        b = w.step("b", "shop", "/b", {"a": a.result("/id")})
        c = w.step("c", "shop", "/c", after=[a])
        w.step("d", "shop", "/d", {"b": b.result()}, after=[c])
    ended = await run(w.id)
    assert (ended.status, ended.failed_step, ended.revision) == ("success", None, 1)
    assert statuses(ended) == dict.fromkeys("abcd", "success")
    assert backend.paths[0] == "/a"
    assert sorted(backend.paths[1:3]) == ["/b", "/c"]
    assert backend.asked[0][1] == {"order": 1}
    assert backend.asked[3] == ("/d", {"b": 7})


async def test_a_payload_has_what_it_refers_to_and_nothing_else(
    workflows: Workflows, run: Run, backend: Backend
) -> None:
    backend.answers["/a"] = lambda _: {"order": 8}
    async with workflows.create("pay") as w:
        a = w.step("a", "shop", "/a")
        w.step("pay", "shop", "/pay", {"order": a.result("/order")})
    assert (await run(w.id)).status == "success"
    assert backend.asked[1] == ("/pay", {"order": 8})


async def test_a_result_that_breaks_the_contract_fails_the_step(
    workflows: Workflows, run: Run, backend: Backend
) -> None:
    backend.answers["/a"] = lambda _: {"order": "eight"}
    async with workflows.create("pay") as w:
        a = w.step("a", "shop", "/a")
        pay = w.step("pay", "shop", "/pay", {"order": a.result("/order")})
        w.step("after", "shop", "/b", after=[pay])
    ended = await run(w.id)
    assert (ended.status, ended.failed_step) == ("failed", "pay")
    assert statuses(ended) == {"a": "success", "pay": "failed", "after": "skipped"}
    failed = next(step for step in ended.steps if step.name == "pay")
    assert (failed.job_id, failed.result["code"]) == (None, "PayloadInvalid")
    assert "/order" in failed.result["reason"]


async def test_a_pointer_that_matches_nothing_fails_the_step(workflows: Workflows, run: Run) -> None:
    async with workflows.create("pay") as w:
        a = w.step("a", "shop", "/a")
        w.step("b", "shop", "/b", {"id": a.result("/id")})
    ended = await run(w.id)
    assert ended.failed_step == "b"
    assert "'a/id' matches nothing" in next(s for s in ended.steps if s.name == "b").result["reason"]


async def test_halt_begins_nothing_more(workflows: Workflows, run: Run, backend: Backend) -> None:
    backend.answers["/a"] = refuse
    async with workflows.create("halting") as w:
        a = w.step("a", "shop", "/a")
        w.step("b", "shop", "/b", after=[w.step("c", "shop", "/c", after=[a])])
    ended = await run(w.id)
    assert statuses(ended) == {"a": "failed", "b": "skipped", "c": "skipped"}
    assert ended.steps[0].result == {"code": "http_status", "reason": "HTTP 422: no"}


async def test_what_doesn_t_depend_on_a_failed_step_may_go_on(
    workflows: Workflows, run: Run, backend: Backend
) -> None:
    backend.answers["/a"] = refuse
    async with workflows.create("going on", on_failure="continue-independent") as w:
        a, b = w.step("a", "shop", "/a"), w.step("b", "shop", "/b")
        c, d = w.step("c", "shop", "/c", after=[a]), w.step("d", "shop", "/d", after=[b])
        w.step("e", "shop", "/e", after=[c, d])
        w.step("f", "shop", "/f", after=[d])
    ended = await run(w.id)
    assert (ended.status, ended.failed_step) == ("failed", "a")
    skipped = {"c": "skipped", "e": "skipped"}
    assert statuses(ended) == {"a": "failed", "b": "success", "d": "success", "f": "success", **skipped}


async def test_a_step_is_done_for_each_item_of_a_result(
    workflows: Workflows, run: Run, backend: Backend
) -> None:
    backend.answers |= {"/a": lambda _: {"items": [1, 2, 3]}, "/b": lambda given: given["n"] * 2}
    async with workflows.create("fan-out") as w:
        a = w.step("a", "shop", "/a")
        b = w.step("b", "shop", "/b", {"n": item()}, for_each="/items", after=[a])
        w.step("c", "shop", "/c", {"all": b.result()})
    ended = await run(w.id)
    assert ended.status == "success"
    assert backend.asked[-1][1]["all"] == [2, 4, 6]
    assert sorted(payload["n"] for path, payload in backend.asked if path == "/b") == [1, 2, 3]


@pytest.mark.parametrize(
    ("items", "status"), [([], "success"), ({}, "failed"), (list(range(10_001)), "failed")]
)
async def test_a_list_may_be_empty_and_has_to_be_one(
    workflows: Workflows, run: Run, backend: Backend, items: object, status: str
) -> None:
    backend.answers["/a"] = lambda _: items
    async with workflows.create("fan-out") as w:
        b = w.step("b", "shop", "/b", {"n": item()}, for_each=w.step("a", "shop", "/a").result())
        w.step("c", "shop", "/c", {"all": b.result()})
    assert (await run(w.id)).status == status


@pytest.mark.parametrize("items", [{}, list(range(10_001))])
async def test_an_input_that_is_no_list_is_refused_when_it_is_created(
    workflows: Workflows, items: object
) -> None:
    with pytest.raises(WorkflowInvalid, match="step 'b'"):
        async with workflows.create("fan-out", {"items": items}) as w:
            w.step("b", "shop", "/b", {"n": item()}, for_each={"$from": "input/items"})


@pytest.mark.parametrize("mode", ["halt", "continue-independent"])
async def test_a_failed_item_fails_its_step(
    workflows: Workflows, run: Run, backend: Backend, mode: str
) -> None:
    backend.answers |= {"/b": lambda given: refuse(0) if given["n"] == 2 else None}
    async with workflows.create("fan-out", {"items": [1, 2, 3]}, on_failure=mode) as w:
        b = w.step("b", "shop", "/b", {"n": item()}, for_each={"$from": "input/items"})
        w.step("c", "shop", "/c", {"all": b.result()})
    ended = await run(w.id)
    assert (ended.status, ended.failed_step) == ("failed", "b[1]")
    assert {name: status for name, status in statuses(ended).items() if "[" not in name} == {
        "b": "failed",
        "c": "skipped",
    }


async def test_what_succeeded_is_undone_in_reverse(workflows: Workflows, run: Run, backend: Backend) -> None:
    backend.answers |= {"/a": lambda _: {"id": 1}, "/b": lambda _: {"id": 2}, "/c": refuse}
    async with workflows.create("checkout") as w:
        a = w.step("a", "shop", "/a", undo=("shop", "/undo", {"of": {"$from": "a/id"}}))
        b = w.step("b", "shop", "/b", after=[a], undo=("shop", "/undo", {"of": {"$from": "b/id"}}))
        w.step("c", "shop", "/c", after=[b], undo=("shop", "/undo", {}))
    ended = await run(w.id)
    assert (ended.status, ended.failed_step) == ("undone", "c")
    undone = {"undo:a": "success", "undo:b": "success"}
    assert statuses(ended) == {"a": "undone", "b": "undone", "c": "failed", **undone}
    assert [payload["of"] for path, payload in backend.asked if path == "/undo"] == [2, 1]


async def test_one_that_can_t_be_undone_is_shown_and_the_others_are(
    workflows: Workflows, run: Run, backend: Backend
) -> None:
    backend.answers |= {"/c": refuse, "/undo": lambda given: refuse(0) if given["of"] == 2 else None}
    async with workflows.create("checkout") as w:
        a = w.step("a", "shop", "/a", undo=("shop", "/undo", {"of": 1}))
        b = w.step("b", "shop", "/b", after=[a], undo=("shop", "/undo", {"of": 2}))
        w.step("c", "shop", "/c", after=[b])
    ended = await run(w.id)
    assert ended.status == "failed"
    undone = {"undo:a": "success", "undo:b": "failed"}
    assert statuses(ended) == {"a": "undone", "b": "success", "c": "failed", **undone}


async def test_a_deadline_ends_a_workflow_and_its_jobs(workflows: Workflows, run: Run) -> None:
    async with workflows.create("late", deadline=0.1) as w:
        a = w.step("a", "shop", "/a", priority=1)
        w.step("b", "shop", "/b", after=[a], max_retries=0)
        w.step("d", "shop", "/d", delay=timedelta(hours=1))
    ended = await run(w.id)
    assert (ended.status, statuses(ended)["d"]) == ("failed", "failed")
    assert "deadline_exceeded" in next(s for s in ended.steps if s.name == "d").result["reason"]
