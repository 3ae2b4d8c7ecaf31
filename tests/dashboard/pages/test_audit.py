import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.dashboard.conftest import Browser
from tests.dashboard.scene import write_files

from sp00ky_core import Outbox


@pytest.fixture
async def outbox(tmp_path: Path) -> AsyncIterator[Outbox]:
    """It isn't migrated, which is an act where there are schedules."""
    async with Outbox.open(write_files(tmp_path, "memory://")) as outbox:
        yield outbox


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
