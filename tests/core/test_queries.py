"""A watch says that its outbox was closed: a consumer that ended in silence would look like one at peace."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from sp00ky_core import JobQuery, NewJob, Outbox
from sp00ky_core.errors import StoreClosed
from sp00ky_core.job import Job

SPEC = 'openapi: 3.1.0\ninfo: {title: api, version: "1"}\npaths: {/a: {post: {}}}\n'
CONFIG = "backends:\n  api: {spec: openapi.yml, baseUrl: 'http://127.0.0.1:1', method: {table: job}}\n"


@pytest_asyncio.fixture(params=["memory://", "sqlite:///app.db"])
async def outbox(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Outbox]:
    (tmp_path / "openapi.yml").write_text(SPEC)
    (tmp_path / "sp00ky.yml").write_text(CONFIG)
    async with Outbox.open(tmp_path / "sp00ky.yml", store=request.param) as outbox:
        await outbox.store.migrate()
        yield outbox


async def added(outbox: Outbox) -> Job:
    return (await outbox.run_many("api", [NewJob(path="/a")]))[0]


@pytest.mark.parametrize("by_ids", [False, True])
async def test_a_watch_under_way_says_that_the_outbox_was_closed(outbox: Outbox, by_ids: bool) -> None:
    job = await added(outbox)
    watch = outbox.watch_all(JobQuery(ids=(job.id,)) if by_ids else None)
    assert (await anext(watch)).id == job.id
    await outbox.store.close()
    with pytest.raises(StoreClosed):
        await anext(watch)


async def test_a_watch_of_a_closed_outbox_says_so(outbox: Outbox) -> None:
    job = await added(outbox)
    await outbox.store.close()
    for watch in (outbox.watch_all(), outbox.watch_all(history=0), outbox.watch(job.id)):
        with pytest.raises(StoreClosed):
            await anext(watch)


async def test_a_watch_of_jobs_that_are_gone_ends(outbox: Outbox) -> None:
    job = await added(outbox)
    watch = outbox.watch_all(JobQuery(ids=(job.id,)))
    assert (await anext(watch)).id == job.id
    await outbox.kill(job.id)
    await outbox.clear(job.id)
    assert [each.id async for each in watch] in ([], [job.id])
