import re

from tests.core.two_backends import FAILURE
from tests.dashboard.conftest import Browser
from tests.dashboard.settling import ended

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
    assert set(seen) == {each.id for each in jobs}


async def test_filters_are_those_of_the_command_line(browser: Browser, outbox: Outbox) -> None:
    (failed,) = await ended(outbox, 1, FAILURE, path="/charge", assigned_to="thread:a")
    await outbox.run("api", "/spookify", ordering_key="k")
    for query, expected in (
        ("status=failed", [failed]),
        ("backend=api&path=/charge", [failed]),
        ("error_name=http_status&code=500", [failed]),
        ("assigned_to=thread:a&since=1h", [failed]),
        ("ordering_key=k&status=failed", []),
        ("until=1h", []),
        ("until=2020-01-01T00:00Z", []),
        ("runner_id=nobody", []),
    ):
        assert rows(await browser.see(f"/jobs?{query}")) == expected, query
