import asyncio
from contextlib import aclosing

import pytest

from sp00ky_core import Outbox
from sp00ky_dashboard.pages import event_stream
from sp00ky_dashboard.pages.event_stream import Live

PATIENCE = 60.0


async def nothing_new() -> int:
    return 0


async def test_one_look_serves_all(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "SHORTEST_SECONDS", 0.01)
    looks = 0

    async def look() -> int:
        nonlocal looks
        looks += 1
        return looks

    feed = Live(outbox, look)
    streams = [feed.stream() for _ in range(20)]
    assert [await anext(events) for events in streams] == [event_stream.COMMENT] * 20
    assert await asyncio.gather(*(anext(events) for events in streams)) == [event_stream.CHANGED] * 20
    assert looks <= 5
    for events in streams:
        await events.aclose()
    assert feed._streams == 0
    assert feed._feeding is not None
    await feed._feeding  # nothing is looked at any more


async def test_a_stream_is_cancelled_however_often(outbox: Outbox) -> None:
    job = await outbox.run("api", "/spookify")
    stream = Live(outbox, nothing_new).stream(job.id)
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
    job = await outbox.run("api", "/spookify")
    monkeypatch.setattr(event_stream, "STREAM_SECONDS", 0.05)
    for job_id in (None, job.id):
        async with aclosing(Live(outbox, nothing_new).stream(job_id)) as short:
            assert [event async for event in short] == [event_stream.COMMENT]
    monkeypatch.setattr(event_stream, "STREAM_SECONDS", 100 * PATIENCE)
    for job_id in (None, job.id):
        feed = Live(outbox, nothing_new)
        async with aclosing(feed.stream(job_id)) as long:
            await anext(long)
            waiting = asyncio.create_task(anext(long, None))
            await asyncio.sleep(0)
            feed.close()
            assert await asyncio.wait_for(waiting, PATIENCE) is None
        assert feed.is_full
