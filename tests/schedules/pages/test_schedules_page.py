from tests.dashboard.conftest import Browser
from tests.dashboard.scene import acts

from sp00ky_core import Outbox


async def test_schedules_with_their_next_fires(browser: Browser) -> None:
    page = await browser.see("/schedules")
    for text in (
        "nightly-report",
        "30 2 * * *",
        "Europe/Berlin",
        "every 5 min",
        "none yet",
        "Nothing has fired",
    ):
        assert text in page
    assert page.count("<time") >= 6


async def test_one_is_fired_paused_and_resumed(browser: Browser, outbox: Outbox) -> None:
    assert "heartbeat has fired: 1 job." in await browser.act("trigger", target="heartbeat")
    page = await browser.see("/schedules?name=heartbeat")
    assert "Runs of heartbeat" in page
    assert "hand" in page
    assert "paused until it is resumed" in await browser.act("pause-schedule", target="heartbeat")
    refused = await browser.post("/act", {"action": "trigger", "target": "heartbeat", "confirmed": "1"})
    assert (refused.status_code, "makes no jobs" in refused.text) == (400, True)
    assert "is resumed" in await browser.act("resume-schedule", target="heartbeat")
    assert "no key in quarantine" in await browser.act("release-schedule", target="heartbeat")
    assert {act.actor for act in await acts(outbox)} == {"ada"}
