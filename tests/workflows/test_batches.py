"""Batches: counted, called back once, added to until they are closed."""

import asyncio

import pytest
from tests.workflows.conftest import Backend, Refused, until

from sp00ky_core import NewJob, Outbox
from sp00ky_workflows import BatchClosed, UnknownBatch, WorkflowInvalid, Workflows


def jobs(count: int) -> list[NewJob]:
    return [NewJob(path="/a", payload={"n": n}) for n in range(count)]


async def ended(outbox: Outbox, workflows: Workflows, backend: Backend, name: str) -> tuple[int, int, int]:
    async def is_called_back() -> bool:
        return not (await outbox.stats())["shop"].due

    async with outbox.runner(transport=backend):
        found = [state async for state in workflows.batches.watch(name)][-1]
        await until(is_called_back)
    return found.size, found.succeeded, found.failed


async def test_a_batch_calls_back_once_with_its_counts(
    outbox: Outbox, workflows: Workflows, backend: Backend
) -> None:
    callback = ("shop", "/done", {"of": {"$from": "batch/name"}})
    async with workflows.batch("import-7", on_done=callback) as batch:
        await batch.run_many("shop", jobs(3))
        await batch.run_many("shop", jobs(2))
        assert ((await batch.get()).size, (await batch.get()).closed) == (5, False)
    assert await ended(outbox, workflows, backend, "import-7") == (5, 5, 0)
    facts = {"name": "import-7", "size": 5, "succeeded": 5, "failed": 0}
    assert backend.asked[5:] == [("/done", {"of": "import-7", "batch": facts})]


async def test_failures_have_a_callback_of_their_own(
    outbox: Outbox, workflows: Workflows, backend: Backend
) -> None:
    def odd(payload: dict[str, int]) -> None:
        if payload["n"] % 2:
            raise Refused("odd")

    backend.answers["/a"] = odd
    callbacks = {"on_done": ("shop", "/done", {}), "on_failed": ("shop", "/undo", {})}
    async with workflows.batch("import-8", **callbacks) as batch:
        await batch.run_many("shop", jobs(4))
    assert await ended(outbox, workflows, backend, "import-8") == (4, 2, 2)
    assert [path for path in backend.paths if path != "/a"] == ["/undo"]


async def test_one_that_is_closed_late_or_empty_calls_back_too(
    outbox: Outbox, workflows: Workflows, backend: Backend
) -> None:
    batch = await workflows.batch("late", on_done=("shop", "/done", {})).open()
    await batch.run_many("shop", jobs(2))

    async def are_done() -> bool:
        return (await batch.get()).succeeded == 2

    async with outbox.runner(transport=backend):
        await until(are_done)
    assert "/done" not in backend.paths
    assert (await batch.close()).ended
    assert (await batch.close()).ended
    async with workflows.batch("empty", on_done=("shop", "/done", {})):
        pass
    assert await ended(outbox, workflows, backend, "empty") == (0, 0, 0)
    assert backend.paths.count("/done") == 2
    assert [found.name for found in await workflows.batches.list()] == ["empty", "late"]


async def test_several_may_add_until_it_is_closed(workflows: Workflows) -> None:
    one = await workflows.batch("shared").open()
    other = await workflows.batch("shared").open()
    await asyncio.gather(*(batch.run_many("shop", jobs(10)) for batch in (one, other)))
    assert (await one.get()).size == 20
    await other.close()
    with pytest.raises(BatchClosed, match="'shared' is closed"):
        await one.run_many("shop", jobs(1))
    with pytest.raises(BatchClosed):
        await workflows.batch("shared").open()
    with pytest.raises(UnknownBatch):
        await workflows.batches.get("none")
    with pytest.raises(WorkflowInvalid, match="/nowhere"):
        workflows.batch("bad", on_done=("shop", "/nowhere", {}))


async def test_what_raises_leaves_it_open(workflows: Workflows) -> None:
    async def fails() -> None:
        async with workflows.batch("open") as batch:
            await batch.run_many("shop", jobs(1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fails()
    assert not (await workflows.batches.get("open")).closed
