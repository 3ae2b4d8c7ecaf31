"""Workflows in the dashboard: listed, drawn, killed and retried."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.dashboard.conftest import Browser, browser, open_browser, serve
from tests.dashboard.scene import opened

from sp00ky_core import NewJob, Outbox
from sp00ky_core.ports import Is
from sp00ky_workflows import Workflows
from sp00ky_workflows.pages import drawn
from sp00ky_workflows.service.finish import hold
from sp00ky_workflows.tables import STEPS

__all__ = ["browser", "open_browser", "serve"]


@pytest.fixture
async def outbox(tmp_path: Path) -> AsyncIterator[Outbox]:
    async with opened(tmp_path) as outbox:
        yield outbox


async def test_a_workflow_is_drawn_and_acted_on(browser: Browser, outbox: Outbox) -> None:
    workflows = outbox.extension(Workflows)
    async with workflows.create("<diamond>") as w:
        a = w.step("first", "api", "/spookify", {"id": "1"})
        w.step("second", "api", "/spookify", {"id": "2"}, after=[a])
    async with workflows.batch("import-7") as batch:
        await batch.run_many("api", [NewJob(path="/spookify", payload={"id": "1"})])
    listed = await browser.see("/workflows")
    assert "&lt;diamond&gt;" in listed
    assert "import-7" in listed
    page = await browser.see(f"/workflows/{w.id}")
    assert page.count("<rect") == 2
    assert page.count("<line") == 1
    job_id = (await workflows.get(w.id)).steps[0].job_id
    assert f"/jobs/{job_id}".replace(":", "%3A") in page or f"/jobs/{job_id}" in page
    assert "is killed." in await browser.act("kill-workflow", target=w.id)
    assert "goes on." in await browser.act("retry-workflow", target=w.id, **{"from": "first"})
    assert "It runs again as" in await browser.act("rerun-workflow", target=w.id)
    assert "there is no workflow" in await browser.see("/workflows/none", 404)


async def test_what_holds_a_workflow_up_is_shown(browser: Browser, outbox: Outbox) -> None:
    workflows = outbox.extension(Workflows)
    async with workflows.create("slow") as w:
        w.step("a", "api", "/spookify", {"id": "1"}, after=[w.sleep("pause", days=3)])
    context: Any = workflows._context
    await context.transact(partial(hold, key=w.id, why="step a: no route <x>"))
    due = datetime(2100, 1, 1, tzinfo=UTC)
    await context.transact(lambda tx: tx.update(STEPS, [Is("name", "=", "pause")], {"due_at": due}))
    assert "held up" in await browser.see("/workflows")
    page = await browser.see(f"/workflows/{w.id}")
    assert "no route &lt;x&gt;" in page
    assert "until 2100-01-01" in page


async def test_each_step_stands_right_of_what_it_needs(outbox: Outbox) -> None:
    workflows = outbox.extension(Workflows)
    async with workflows.create("wide") as w:
        a, b = (w.step(name, "api", "/spookify", {"id": name}) for name in "ab")
        c = w.step("c", "api", "/spookify", after=[a])
        w.step("d", "api", "/spookify", after=[b, c])
    places = {node.step.name: (node.x, node.y) for node in drawn((await workflows.get(w.id)).steps)}
    assert places == {"a": (0, 0), "b": (0, 44), "c": (190, 0), "d": (380, 0)}
