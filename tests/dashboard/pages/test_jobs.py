import re

from tests.dashboard.conftest import Browser

from sp00ky_core import NewJob, Outbox


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
    assert seen == [each.id for each in newest_first]
    assert set(seen) == {job.id for job in jobs}
