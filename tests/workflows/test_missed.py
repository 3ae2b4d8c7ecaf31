"""What nobody heard of is found by a search, whatever else is there."""

from datetime import UTC, datetime

from tests.workflows.conftest import Backend, Run, until

from sp00ky_core import Outbox
from sp00ky_core.ports import ExtensionTransaction, Is
from sp00ky_workflows import Workflows, item
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
