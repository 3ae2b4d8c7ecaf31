from __future__ import annotations

import re

from tests.core.two_backends import FAILURE
from tests.dashboard.conftest import Browser
from tests.dashboard.pages.test_jobs import rows
from tests.dashboard.settling import ended

from sp00ky_core import Outbox


async def test_groups_lead_to_their_jobs(browser: Browser, outbox: Outbox) -> None:
    ids = await ended(outbox, 3, FAILURE)
    page = await browser.see("/errors")
    assert "http_status 500" in page
    (href,) = re.findall(r'<a href="(/jobs\?[^"]*)">3</a>', page)
    assert set(rows(await browser.see(href.replace("&amp;", "&")))) == set(ids)


async def test_without_errors_it_says_so(browser: Browser) -> None:
    for query in ("", "?since=1h", "?since=", "?since=nonsense"):
        assert "No job has failed" in await browser.see(f"/errors{query}")
