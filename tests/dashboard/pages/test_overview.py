from __future__ import annotations

from datetime import UTC, datetime

from tests.dashboard.conftest import Browser, Open
from tests.dashboard.scene import rollups

from sp00ky_core import Outbox


async def test_each_backend_and_the_fleet_are_shown(browser: Browser, outbox: Outbox) -> None:
    await outbox.run("api", "/spookify")
    page = await browser.see("/")
    assert 'id="card-api"' in page
    assert 'id="card-billing"' in page
    assert "20 requests each 1.0 s, bursts of 20" in page
    assert "40 in flight in the whole fleet" in page
    assert "No runner is alive" in page


async def test_charts_are_of_the_last_hour_or_day(open_browser: Open, outbox: Outbox) -> None:
    await outbox.store.write_rollups(rollups(datetime.now(UTC), 60))
    browser = await open_browser()
    for query, title in (("", "last hour"), ("?range=day", "last day"), ("?range=nonsense", "last hour")):
        page = await browser.see(f"/{query}")
        assert f"Attempts, {title}" in page
        assert "data-chart=" in page
        assert "95 % within" in page


async def test_a_pause_says_by_whom_and_why(browser: Browser, outbox: Outbox) -> None:
    await outbox.pause("api", actor="grace", reason="<b>the bank</b>")
    page = await browser.see("/")
    assert "by grace" in page
    assert "&lt;b&gt;the bank&lt;/b&gt;" in page
    assert ">Resume<" in page


async def test_a_read_only_one_has_no_buttons(open_browser: Open) -> None:
    browser = await open_browser(read_only=True)
    for path in ("/", "/jobs", "/runners", "/schedules", "/audit", "/errors"):
        page = await browser.see(path)
        assert 'action="/act"' not in page
        assert "read-only" in page
