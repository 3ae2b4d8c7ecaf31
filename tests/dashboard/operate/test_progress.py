from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from tests.dashboard.conftest import Browser

from sp00ky_core import BulkResult, Outbox
from sp00ky_dashboard.operate import act


async def test_a_long_operation_shows_how_far_it_is(
    browser: Browser, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    await outbox.run("api", "/spookify")
    going_on = asyncio.Event()

    async def slow_steps(*_: Any, **__: Any) -> AsyncGenerator[BulkResult, None]:
        yield BulkResult(matched=4_000, done=1_000)
        await going_on.wait()
        yield BulkResult(matched=4_000, done=4_000)

    monkeypatch.setattr(act, "PATIENCE", 0.01)
    monkeypatch.setattr(Outbox, "steps", slow_steps)
    page = await browser.act("kill", all="1")
    assert "1,000 of 4,000 killed." in page
    (path,) = re.findall(r'hx-get="(/progress/[^"]+)"', page)
    going_on.set()
    await asyncio.sleep(0)
    assert "4,000 jobs killed." in await browser.see(path)
    assert "doesn&#39;t know that operation" in await browser.see("/progress/nope", status=404)
