"""Workflows that are made once: the caller gives the id."""

import asyncio
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
from tests.workflows.conftest import Backend, Run

from sp00ky_core import Outbox, load_config, load_plugins
from sp00ky_workflows import WorkflowInvalid, Workflows


async def checkout(workflows: Workflows, **options: Any) -> bool:
    """Make the workflow of order 7; tell whether it was there."""
    async with workflows.create("checkout", **options) as w:
        w.step("b", "shop", "/b", after=[w.step("a", "shop", "/a")])
    return w.existed


async def test_an_id_given_twice_is_one_workflow(workflows: Workflows, run: Run, backend: Backend) -> None:
    assert not await checkout(workflows, id="order-7")
    assert await checkout(workflows, id="order-7")
    assert (await run("order-7")).status == "success"
    assert await checkout(workflows, id="order-7")
    assert not await checkout(workflows, id="order-8")
    assert (await run("order-8")).status == "success"
    assert backend.paths == ["/a", "/b"] * 2


async def test_many_at_once_make_one(workflows: Workflows, run: Run, backend: Backend) -> None:
    there = await asyncio.gather(*(checkout(workflows, id="order-7") for _ in range(8)))
    assert sorted(there) == [False, *[True] * 7]
    assert (await run("order-7")).status == "success"
    assert backend.paths == ["/a", "/b"]


async def test_a_list_goes_on_after_any_id(workflows: Workflows) -> None:
    ids = ["z", "a", "m", "b"]
    for one in ids:
        await checkout(workflows, id=one)
    first = await workflows.list(limit=2)
    rest = await workflows.list(after=first[-1].id)
    assert [*first, *rest] == await workflows.list()
    assert {one.id for one in (*first, *rest)} == {*ids}


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "ü", 7])
def test_an_id_that_is_none_is_refused(workflows: Workflows, given: Any) -> None:
    with pytest.raises(WorkflowInvalid, match="is no id: it has letters"):
        workflows.create("checkout", id=given)


async def test_an_id_is_once_in_the_callers_transaction(
    project: Path, tmp_path: Path, backend: Backend
) -> None:
    plugins = load_plugins()
    config = load_config(project, plugins=plugins)
    path = tmp_path / "app.db"
    async with Outbox.open(config, store=f"sqlite:///{path}", plugins=plugins) as outbox:
        await outbox.migrate()
        workflows = outbox.extension(Workflows)
        async with aiosqlite.connect(path, isolation_level=None) as connection:
            for end, there in (("ROLLBACK", False), ("COMMIT", False), ("COMMIT", True)):
                await connection.execute("BEGIN IMMEDIATE")
                assert await checkout(workflows, id="order-7", connection=connection) is there
                await connection.execute(end)
        async with outbox.runner(transport=backend):
            assert (await workflows.wait("order-7", timeout=60)).status == "success"
    assert backend.paths == ["/a", "/b"]


async def test_an_id_is_refused_with_a_blocking_connection(outbox: Outbox, workflows: Workflows) -> None:
    new = workflows.create("checkout", id="order-7")
    new.step("a", "shop", "/a")
    with pytest.raises(WorkflowInvalid, match="goes with no blocking connection"), new:
        pass
