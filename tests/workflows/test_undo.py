"""Undos with two runners on PostgreSQL: neither gives up what the other one has begun."""

import asyncio
from typing import Any

import pytest
from tests.store_postgres.conftest import schema, sql, url
from tests.workflows.conftest import Backend, Refused, statuses, until

from sp00ky_core import Outbox
from sp00ky_workflows import Workflows
from sp00ky_workflows.service import finish

__all__ = ["schema", "sql", "url"]


@pytest.fixture
def store_url(url: str) -> str:
    return url


def refuse(_payload: object) -> None:
    raise Refused("no")


async def test_an_undo_that_another_runner_begins_meanwhile_isn_t_given_up(
    workflows: Workflows, outbox: Outbox, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, slowed, undoing = finish.without_open_steps, asyncio.Event(), asyncio.Event()
    backend.answers |= {"/b": refuse, "/undo": lambda _: undoing.wait()}
    async with workflows.create("w") as w:
        a = w.step("a", "shop", "/a", undo=("shop", "/undo", {}))
        w.step("b", "shop", "/b", after=[a])

    async def pending() -> bool:
        return statuses(await workflows.get(w.id)).get("undo:a") == "pending"

    async def slow(tx: Any, ids: Any) -> Any:
        left = await read(tx, ids)
        if left and not slowed.is_set():  # this runner stands still while another one goes on
            slowed.set()
            monkeypatch.setattr(finish, "without_open_steps", read)
            async with outbox.runner(transport=backend):
                await until(pending)
        return left

    monkeypatch.setattr(finish, "without_open_steps", slow)
    async with outbox.runner(transport=backend):
        await until(pending)
        undoing.set()
        assert (await workflows.wait(w.id, timeout=60)).status == "undone"
