"""What nobody heard of is found by a search, whatever else is there."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.workflows.conftest import Backend, Refused, Run, until

from sp00ky_core import Outbox
from sp00ky_core.errors import RowRefused
from sp00ky_core.ports import ExtensionTransaction, Is
from sp00ky_workflows import Workflows, item
from sp00ky_workflows.service.advance import Advance
from sp00ky_workflows.service.outcomes import Outcomes, outcomes_of
from sp00ky_workflows.service.sweep import Missed, Sweep
from sp00ky_workflows.tables import STEPS, WORKFLOWS


async def test_a_step_that_failed_without_a_job_stops_no_search(workflows: Workflows, run: Run) -> None:
    async with workflows.create("failing") as w:
        w.step("b", "shop", "/b", {"id": w.step("a", "shop", "/a").result("/id")})
    assert (await run(w.id)).failed_step == "b"
    async with workflows.create("found by a search", {"items": [1]}) as w:
        w.step("a", "shop", "/a", {"n": item()}, for_each={"$from": "input/items"})
    assert (await run(w.id)).status == "success"


async def test_each_workflow_is_found_however_many_are_of_one_instant(
    outbox: Outbox, workflows: Workflows, backend: Backend
) -> None:
    for _ in range(101):
        async with workflows.create("settled, and not ended") as w:
            w.step("a", "shop", "/a")

    async def work(tx: ExtensionTransaction) -> None:
        await tx.update(STEPS, [Is("status", "=", "pending")], {"status": "success"})
        await tx.update(WORKFLOWS, [Is("status", "=", "running")], {"created_at": datetime.now(UTC)})

    await workflows._context.transact(work)

    async def have_ended() -> bool:
        return not await workflows.list(status="running")

    async with outbox.runner(transport=backend):
        await until(have_ended)


async def test_a_step_that_can_t_be_written_stops_no_other(
    outbox: Outbox, workflows: Workflows, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle, refused = Advance.settle, set[str]()

    async def settled(advance: Advance, outcomes: Outcomes) -> int:
        if refused & outcomes.keys():
            raise RowRefused(store="memory", problem="a trigger refuses it")
        return await settle(advance, outcomes)

    monkeypatch.setattr(Advance, "settle", settled)  # no store refuses a step that it has taken before
    made = [workflows.create(f"w{number}") for number in range(5)]
    for new in made:
        async with new as w:
            w.step("b", "shop", "/b", after=[w.step("a", "shop", "/a")])
    refused |= {str(step.job_id) for step in (await workflows.get(made[2].id)).steps if step.name == "a"}

    async def others_have_ended() -> bool:
        return [one.name for one in await workflows.list(status="running")] == ["w2"]

    async with outbox.runner(transport=backend):
        await until(others_have_ended)
        refused.clear()
        assert (await workflows.wait(made[2].id, timeout=60)).status == "success"


async def test_what_has_failed_keeps_no_runner_busy(
    outbox: Outbox, workflows: Workflows, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    searches, search = list[object](), Sweep.search

    async def searched(sweep: Sweep, tx: ExtensionTransaction) -> Missed:
        searches.append(missed := await search(sweep, tx))
        return missed

    monkeypatch.setattr(Sweep, "search", searched)  # to count them

    def refuse(_: object) -> None:
        raise Refused

    backend.answers["/a"] = refuse
    async with workflows.create("fails") as w:
        w.step("a", "shop", "/a")
    async with outbox.runner(transport=backend):
        assert (await workflows.wait(w.id, timeout=60)).status == "failed"
        before = len(searches)
        await asyncio.sleep(1.5)  # nothing is to happen
        assert len(searches) - before <= 3


async def test_text_that_a_job_answered_is_read_as_json(
    outbox: Outbox, workflows: Workflows, run: Run, backend: Backend
) -> None:
    backend.answers["/a"] = lambda _: "ok"
    async with workflows.create("text") as w:
        w.step("a", "shop", "/a")
    (step,) = (await run(w.id)).steps
    context: Any = workflows._context
    found = await outcomes_of(context, {str(step.job_id): None})  # as a runner does that hasn't heard of it
    assert found == {step.job_id: ("success", '"ok"')}
