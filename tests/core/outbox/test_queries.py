"""A watch says that its outbox was closed: a consumer that ended in silence would look like one at peace."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from sp00ky_core import JobFilter, JobQuery, NewJob, Outbox
from sp00ky_core.errors import OptionInvalid, StoreClosed, UnknownBackend
from sp00ky_core.job.job import Job
from sp00ky_core.ports import Rollup

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


async def test_a_watch_of_jobs_that_are_gone_ends(outbox: Outbox) -> None:
    job = await added(outbox)
    watch = outbox.watch_all(JobQuery(ids=(job.id,)))
    assert (await anext(watch)).id == job.id
    await outbox.kill(job.id)
    await outbox.clear(job.id)
    assert [seen.id async for seen in watch] in ([], [job.id])


async def test_a_wait_that_is_over_says_so(outbox: Outbox) -> None:
    job = await added(outbox)
    with pytest.raises(TimeoutError, match=f"{job.id} hasn't ended in 0 seconds; is a runner at work"):
        await outbox.wait(job.id, timeout=0)


async def test_rates_outlive_jobs_and_every_backend_has_some(outbox: Outbox) -> None:
    now = datetime.now(UTC)
    row = Rollup(minute=now, runner_id="r", backend="api", path="/a", outcome="failed", code=500, count=3)
    await outbox.store.write_rollups([row])
    (whole,) = await outbox.rates(since=now - timedelta(hours=1))
    assert (whole.backend, whole.attempts, whole.codes) == ("api", 3, {500: 3})
    steps = await outbox.rates(since=now - timedelta(hours=1), step=timedelta(minutes=10))
    assert len(steps) in {6, 7}
    assert sum(step.attempts for step in steps) == 3
    (route,) = await outbox.rates(since=now - timedelta(hours=1), backend="api", routes=True)
    assert (route.path, route.outcomes["failed"]) == ("/a", 3)


async def test_a_code_that_no_answer_has_is_refused_wherever_jobs_are_filtered(outbox: Outbox) -> None:
    conditions: Any = JobFilter(backend="api", code=999)
    calls = (
        lambda: outbox.find(code=999),
        lambda: anext(outbox.watch_all(JobQuery(code=999))),
        lambda: anext(outbox.pages(conditions)),
        lambda: outbox.errors(filter=conditions),
        lambda: outbox.kill(filter=conditions),
        lambda: outbox.copy(filter=conditions),
        lambda: outbox.erase(filter=conditions),
    )
    for call in calls:
        with pytest.raises(OptionInvalid, match="code is 999; expected an HTTP status, or 0"):
            await call()
    assert await outbox.audit() == []
    assert await outbox.find(code=0) == []


async def test_rates_of_what_there_is_not_are_refused(outbox: Outbox) -> None:
    since = datetime.now(UTC) - timedelta(hours=1)
    with pytest.raises(UnknownBackend):
        await outbox.rates(since=since, backend="apo")
    with pytest.raises(OptionInvalid):
        await outbox.rates(since=since.replace(tzinfo=None))
