from __future__ import annotations

from tests.dashboard.conftest import Browser
from tests.dashboard.scene import acts

from sp00ky_core import Outbox
from sp00ky_core.ports import RunnerInfo


async def test_each_runner_says_what_it_has_in_flight(browser: Browser, outbox: Outbox) -> None:
    await outbox.store.beat("r1", RunnerInfo(version="9.9", in_flight={"api": 3}, slots={"api": 50}))
    page = await browser.see("/runners")
    for each in ("r1", "9.9", "running", "3", "of 50", "Drain"):
        assert each in page


async def test_without_any_it_says_what_to_do(browser: Browser) -> None:
    assert "No runner is alive" in await browser.see("/runners")


async def test_one_is_asked_to_drain(browser: Browser, outbox: Outbox) -> None:
    await outbox.store.beat("r1", RunnerInfo())
    assert "r1 is asked to drain." in await browser.act("drain", target="r1")
    (entry,) = await acts(outbox)
    assert (entry.action, entry.actor, entry.reason) == ("drain", "ada", "why not")
    gone = await browser.post("/act", {"action": "drain", "target": "nope", "confirmed": "1"})
    assert gone.status_code == 409
    assert "This runner is gone" in gone.text
