"""Workflows that can't go on: what holds them up is named, and holds up no other."""

from collections.abc import AsyncIterator, Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.workflows.conftest import BACKEND, OPEN, PATHS, Backend, document, statuses, until

from sp00ky_core import Outbox, load_config, load_plugins
from sp00ky_core.errors import StoreUnavailable
from sp00ky_core.ports import Is
from sp00ky_workflows import Workflows, item
from sp00ky_workflows.service.advance import AT_ONCE, Advance
from sp00ky_workflows.tables import WORKFLOWS


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'jobs.db'}"


@pytest.fixture
async def older(project: Path, tmp_path: Path, store_url: str, outbox: Outbox) -> AsyncIterator[Outbox]:
    """Another deployment on the same database, whose document has no ``/c``."""
    folder = tmp_path / "older"
    folder.mkdir()
    known = {path: schema for path, schema in PATHS.items() if path != "/c"}
    (folder / "openapi.json").write_text(document(known))
    (folder / "sp00ky.yml").write_text(f"backends: {{shop: {BACKEND}}}\n")
    plugins = load_plugins()
    config = load_config(folder / "sp00ky.yml", plugins=plugins)
    async with Outbox.open(config, store=store_url, plugins=plugins) as opened:
        yield opened


async def test_a_fan_out_is_begun_in_parts(workflows: Workflows, outbox: Outbox, backend: Backend) -> None:
    async with workflows.create("wide", {"xs": [*range(3 * AT_ONCE)]}) as w:
        w.step("line", "shop", "/a", {"n": item()}, for_each="input/xs")
    begun = [step for step in (await workflows.get(w.id)).steps if step.job_id]
    assert len(begun) == AT_ONCE - 1  # the step itself is one that the transaction has looked at
    async with outbox.runner(transport=backend):
        ended = await workflows.wait(w.id, timeout=120)
    assert {*statuses(ended).values()} == {"success"}
    assert sorted(payload["n"] for _, payload in backend.asked) == [*range(3 * AT_ONCE)]


async def test_one_that_breaks_its_transaction_is_named_and_holds_up_no_other(
    workflows: Workflows, outbox: Outbox, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [workflows.create(f"w{number}", {"xs": [1]}) for number in range(5)]
    for new in made:
        async with new as w:
            first = w.step("a", "shop", "/a")
            w.step("b", "shop", "/b", {"n": item()}, for_each="input/xs", after=[first])
    poison, go_on, whole = made[2].id, Advance.go_on, [False]

    async def broken(advance: Advance, ends: Any = (), ready: Any = ()) -> None:
        if not whole[0] and any(state.workflow_id == poison for state, _ in ends):
            raise StoreUnavailable(store="sqlite", problem="the transaction took too long")
        await go_on(advance, ends, ready)

    monkeypatch.setattr(Advance, "go_on", broken)  # no database breaks one transaction whenever a test asks

    async def others_have_ended() -> bool:
        return [one.name for one in await workflows.list(status="running")] == ["w2"]

    async def is_named() -> bool:
        (left,) = await workflows.list(status="running")
        return left.held is not None and "took too long" in left.held

    async with outbox.runner(transport=backend):
        await until(others_have_ended)
        await until(is_named)
        whole[0] = True
        ended = await workflows.wait(poison, timeout=120)
    assert (ended.status, ended.held, ended.held_since) == ("success", None, None)


async def test_a_runner_leaves_steps_that_it_doesn_t_know_to_others(
    workflows: Workflows, outbox: Outbox, older: Outbox, backend: Backend
) -> None:
    made = []
    for number in range(20):
        async with workflows.create(f"w{number}") as w:
            a = w.step("a", "shop", "/a", undo=("shop", "/undo", {}))
            w.step("c", "shop", "/c", after=[a])
        made.append(w.id)

    async def all_wait() -> bool:
        return all(one.held for one in await workflows.list(status="running"))

    async with older.runner(transport=backend):
        await until(all_wait)
        assert {one.status for one in await workflows.list()} == {"running"}
        assert "'/c'" in str((await workflows.get(made[0])).held)
        async with outbox.runner(transport=backend):
            ended = [await workflows.wait(one, timeout=60) for one in made]
    assert {one.status for one in ended} == {"success"}
    assert {one.held for one in ended} == {None}
    assert "/undo" not in backend.paths


async def test_what_no_runner_knows_is_counted_before_a_deploy_and_named_after_ten_minutes(
    workflows: Workflows, outbox: Outbox, older: Outbox, backend: Backend
) -> None:
    async with workflows.create("w") as w:
        w.step("c", "shop", "/c", after=[w.step("a", "shop", "/a")])

    async def problems() -> Collection[str]:
        return [found.problem for found in await older.check() if "workflow" in found.subject]

    assert any("1 workflow in flight has a step '/c'" in problem for problem in await problems())
    assert not any("held up" in problem for problem in await problems())

    async def is_held() -> bool:
        return (await workflows.get(w.id)).held is not None

    async with older.runner(transport=backend):
        await until(is_held)
    await _since(older, w.id, timedelta(minutes=11))
    assert "sp00ky_workflows_held 1.0" in await older.metrics()
    assert any("held up" in problem for problem in await problems())


async def test_giveupafter_ends_what_no_runner_knows(
    workflows: Workflows, outbox: Outbox, older: Outbox, backend: Backend
) -> None:
    async with workflows.create("w") as w:
        w.step("c", "shop", "/c", after=[w.step("a", "shop", "/a")])

    async def is_held() -> bool:
        return (await workflows.get(w.id)).held is not None

    async with older.runner(transport=backend):
        await until(is_held)
        await _since(older, w.id, timedelta(hours=25))
        ended = await workflows.wait(w.id, timeout=60)
    assert (ended.status, ended.failed_step) == ("failed", "c")


async def test_a_required_argument_that_is_new_fails_nothing_in_flight(
    workflows: Workflows, project: Path, store_url: str, backend: Backend
) -> None:
    async with workflows.create("w") as w:
        w.step("c", "shop", "/c", {"n": 1}, after=[w.step("a", "shop", "/a")])
    newer = {**PATHS, "/c": {**OPEN, "required": ["weight"]}}
    (project.parent / "openapi.json").write_text(document(newer))
    plugins = load_plugins()
    config = load_config(project, plugins=plugins)

    async with Outbox.open(config, store=store_url, plugins=plugins) as deployed:

        async def is_held() -> bool:
            return (await workflows.get(w.id)).held is not None

        async with deployed.runner(transport=backend):
            await until(is_held)
    found = await workflows.get(w.id)
    assert found.status == "running"
    assert "weight" in str(found.held)


async def _since(outbox: Outbox, workflow_id: str, ago: timedelta) -> None:
    """Let a workflow be held up for longer than a test takes."""
    context: Any = outbox.extension(Workflows)._context
    new = {"held_since": datetime.now(UTC) - ago}
    await context.transact(lambda tx: tx.update(WORKFLOWS, [Is("id", "=", workflow_id)], new))
