import re

from tests.dashboard.conftest import Browser

from sp00ky_core import NewJob, Outbox
from sp00ky_core.job.outcome import ERROR_NAMES
from sp00ky_dashboard.operate.selection import NAMES


def rows(page: str) -> list[str]:
    return re.findall(r'<tr id="row-([^"]+)"', page)


async def test_all_pages_hold_every_job_once_the_newest_first(browser: Browser, outbox: Outbox) -> None:
    jobs = await outbox.run_many("api", [NewJob(path="/spookify") for _ in range(120)])
    seen, path = [], "/jobs"
    while path:
        page = await browser.see(path)
        seen += rows(page)
        following = re.search(r'href="(/jobs\?[^"]*after=[^"]*)" rel="next"', page)
        path = following[1].replace("&amp;", "&") if following else ""
    newest_first = await outbox.find(limit=200)
    assert seen == [stored.id for stored in newest_first]
    assert set(seen) == {job.id for job in jobs}


async def test_each_error_of_the_core_is_suggested(browser: Browser) -> None:
    for path in ("/jobs", "/groups", "/errors"):
        suggested = re.search(r'<datalist id="error-names">(.*)</datalist>', await browser.see(path))
        assert suggested
        assert re.findall(r'value="(.*?)"', suggested[1]) == sorted(ERROR_NAMES)


async def test_each_filter_has_a_field_and_rare_ones_that_are_given_are_unfolded(browser: Browser) -> None:
    page = await browser.see("/jobs")
    fields = set(re.findall(r'<(?:select|input) id="[^"]+" name="([^"]+)"', page))
    assert fields == set(NAMES) - {"status"}  # these are tabs
    assert '<details class="more">' in page
    unfolded = await browser.see("/jobs?claimed_until=10m")
    assert '<details class="more" open>' in unfolded
    assert 'name="claimed_until" value="10m"' in unfolded
