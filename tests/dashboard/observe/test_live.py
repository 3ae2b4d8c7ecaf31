import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest
from tests.dashboard.conftest import Browser

from sp00ky_core import Outbox
from sp00ky_dashboard.observe import live
from sp00ky_dashboard.observe.live import Live

PATIENCE = 60.0


@asynccontextmanager
async def stream(browser: Browser, query: str = "") -> AsyncIterator[AsyncIterator[str]]:
    async with browser.client.stream("GET", f"/events{query}") as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.aiter_lines()
        assert await anext(lines) == ": "
        yield lines


async def changed(lines: AsyncIterator[str]) -> None:
    async with asyncio.timeout(PATIENCE):
        while await anext(lines) != "event: changed":
            pass


async def test_a_change_of_the_queues_is_reported(browser: Browser, outbox: Outbox) -> None:
    async with stream(browser) as lines:
        await (
            outbox.stats()
        )  # the first look may come before or after the next line: then another one follows
        reported = asyncio.create_task(changed(lines))
        while not reported.done():
            await outbox.run("api", "/spookify")
            await asyncio.wait([reported], timeout=0.5)
        await reported


async def test_a_job_s_page_hears_of_that_job(browser: Browser, outbox: Outbox) -> None:
    job = await outbox.run("api", "/spookify")
    async with stream(browser, f"?job={job.id}") as lines:
        reported = asyncio.create_task(changed(lines))
        while not reported.done():
            await outbox.reschedule(job.id, priority=1)
            await outbox.reschedule(job.id, priority=2)
            await asyncio.wait([reported], timeout=0.5)
        await reported


async def test_one_look_serves_all(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SHORTEST_SECONDS", 0.01)
    looks = 0

    async def look() -> int:
        nonlocal looks
        looks += 1
        return looks

    feed = Live(outbox, look)
    streams = [feed.stream() for _ in range(20)]
    assert [await anext(events) for events in streams] == [live.COMMENT] * 20
    assert await asyncio.gather(*(anext(events) for events in streams)) == [live.CHANGED] * 20
    assert looks <= 5
    for events in streams:
        await events.aclose()
    assert feed._streams == 0
    assert feed._feeding is not None
    await feed._feeding  # nothing is looked at any more


async def test_a_stream_is_cancelled_however_often(outbox: Outbox) -> None:
    async def look() -> int:
        return 0

    job = await outbox.run("api", "/spookify")
    stream = Live(outbox, look).stream(job.id)
    await anext(stream)
    waiting = asyncio.ensure_future(anext(stream))
    for _ in range(20):  # until it waits for the job
        await asyncio.sleep(0)
    while not waiting.done():
        waiting.cancel()
        await asyncio.sleep(0)
    assert waiting.cancelled()


async def test_a_stream_ends_after_a_while_and_when_it_is_closed(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look() -> int:
        return 0

    job = await outbox.run("api", "/spookify")
    monkeypatch.setattr(live, "STREAM_SECONDS", 0.05)
    for job_id in (None, job.id):
        async with aclosing(Live(outbox, look).stream(job_id)) as short:
            assert [event async for event in short] == [live.COMMENT]
    monkeypatch.setattr(live, "STREAM_SECONDS", 100 * PATIENCE)
    for job_id in (None, job.id):
        feed = Live(outbox, look)
        async with aclosing(feed.stream(job_id)) as long:
            await anext(long)
            waiting = asyncio.create_task(anext(long, None))
            await asyncio.sleep(0)
            feed.close()
            assert await asyncio.wait_for(waiting, PATIENCE) is None
        assert feed.is_full
