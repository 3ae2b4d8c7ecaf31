import re

from tests.dashboard.conftest import Browser

from sp00ky_core import Outbox


async def test_acts_are_listed_a_page_at_a_time(browser: Browser, outbox: Outbox) -> None:
    for n in range(60):
        await outbox.pause("api", actor=f"operator-{n}", reason="<b>")
    first = await browser.see("/audit")
    following = re.search(r'href="(/audit\?after=[^"]*)"', first)
    assert following
    second = await browser.see(following[1])
    assert "operator-59" in first
    assert "operator-0<" in second
    assert "<b>" not in first + second
