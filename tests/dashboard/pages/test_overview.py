from datetime import UTC, datetime

from tests.dashboard.conftest import Browser, Open
from tests.dashboard.scene import rollups
from tests.dashboard.settling import ended

from sp00ky_core import NewJob, Outbox
from sp00ky_core.job.outcome import Delivered


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
        assert "<dt>p95</dt>" in page
        assert "<dt>Failed for good</dt>" in page


async def test_all_jobs_are_counted_however_many(browser: Browser, outbox: Outbox) -> None:
    await ended(outbox, 6, Delivered())
    await outbox.run_many("api", [NewJob(path="/spookify") for _ in range(12_345)])
    page = await browser.see("/")
    assert page.count("12,345") == 2, "due, and waiting"
    assert "<strong>0.4</strong> jobs a second" in page, "in 15 s"
    assert "12,345" in await browser.see("/jobs")
