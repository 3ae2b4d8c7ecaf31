import html
import re
from typing import Any

import pytest
from tests.core.two_backends import FAILURE
from tests.dashboard.conftest import Browser
from tests.dashboard.settling import ended

from sp00ky_core import Outbox
from sp00ky_core.job.outcome import Delivered
from sp00ky_dashboard.observe.cache import StillReading


async def test_jobs_are_counted_by_route_and_by_whom_they_are_for(browser: Browser, outbox: Outbox) -> None:
    await ended(outbox, 2, Delivered(), assigned_to="user:7")
    await outbox.run("api", "/report", assigned_to="user:8")
    page = await browser.see("/groups")
    assert '<a href="/jobs?backend=api&amp;path=%2Fspookify&amp;status=success">2</a>' in page
    page = await browser.see("/groups?by=assigned&path=/spookify")
    assert '<a href="/jobs?path=%2Fspookify&amp;backend=api&amp;assigned_to=user%3A7">user:7</a>' in page
    assert "user:8" not in page
    assert page.count(" ms</td>") + page.count(" s</td>") == 3, "how long they took"
    assert 'success <span class="tab-count">2</span>' in await browser.see("/jobs?assigned_to=user:7")


async def test_errors_are_grouped_filtered_and_retried_as_they_are_shown(
    browser: Browser, outbox: Outbox
) -> None:
    await ended(outbox, 2, FAILURE, assigned_to="user:7")
    await ended(outbox, 1, FAILURE)
    page = await browser.see("/errors?by=assigned&since=1h")
    assert "Retry http_status of user:7" in page
    assert page.count('value="retry"') == 1, "nobody's jobs can't be chosen by a filter"
    assert 'name="failed_since"' in page
    assert "user:7" not in await browser.see("/errors?by=assigned&failed_until=1h&since=all")
    assert "No job that failed" in await browser.see("/errors?failed_since=1m&path=/report")


@pytest.mark.parametrize("other", [" ", " user:7"])
async def test_a_group_of_a_text_that_a_filter_would_cut_is_not_retried(
    browser: Browser, outbox: Outbox, other: str
) -> None:
    await ended(outbox, 1, FAILURE, assigned_to="user:7")
    await ended(outbox, 1, FAILURE, assigned_to=other)
    page = await browser.see("/errors?by=assigned")
    assert page.count('value="retry"') == 1, "it would be everybody's jobs, or another one's"
    assert page.count('name="assigned_to" value="user:7"') == 1


@pytest.mark.parametrize(
    ("path", "asked", "at_once", "then"),
    [
        ("/errors", "errors", 'role="search"', "http_status 500"),
        ("/groups", "groups", 'role="search"', "/spookify</a>"),
        ("/jobs?assigned_to=user:7", "groups", '"tab-count">…<', '"tab-count">2<'),
        ("/jobs?assigned_to=user:7", "find", '"tab-count">2<', 'id="row-job:'),
    ],
)
async def test_what_takes_long_is_asked_for_by_a_page_that_comes_at_once(
    browser: Browser,
    outbox: Outbox,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    asked: str,
    at_once: str,
    then: str,
) -> None:
    await ended(outbox, 2, FAILURE, assigned_to="user:7")

    async def ask(*_arguments: Any, **_options: Any) -> Any:
        raise StillReading  # as where it takes longer than a page waits

    with monkeypatch.context() as patched:
        patched.setattr(outbox.store, asked, ask)
        page = await browser.see(path)
    assert at_once in page
    assert then not in page
    (again,) = re.findall(r'hx-get="([^"]*)" hx-trigger="load"', page)
    page = await browser.see(html.unescape(again))
    assert then in page
    assert 'hx-trigger="load"' not in page


@pytest.mark.parametrize("query", ["since=soon", "failed_since=soon", "backend=nope", "status=success"])
async def test_what_can_not_be_is_one_line_beside_the_filters(browser: Browser, query: str) -> None:
    page = await browser.see(f"/errors?{query}", status=400)
    assert 'role="alert"' in page
    assert 'role="search"' in page
