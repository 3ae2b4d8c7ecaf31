"""What a backend answers over HTTP, and what it means to all of its jobs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sp00ky_conformance.transport.answering import Answering
from sp00ky_conformance.transport.backend import MisbehavingBackend
from sp00ky_conformance.transport.behaviours import Behaviour
from sp00ky_core import JobStatus, Outbox, RunnerOptions, load_plugins

CONFIG = """\
backends:
  api:
    spec: ./openapi.json
    baseUrl: {url}
    method: {{type: outbox, table: job}}
    concurrency: 1
    retry: {{base: 0}}
    breaker: {{failures: 3, interval: 0.2}}
  other:
    spec: ./openapi.json
    baseUrl: {url}
    method: {{type: outbox, table: other_job}}
"""


def _answers(status: str, headers: str = "") -> Behaviour:
    async def answer(to: Answering) -> bool:
        await to.answer(status, b"{}", headers=headers)
        return True

    return answer


BEHAVIOURS: dict[str, Behaviour] = {
    "/fine": _answers("200 OK"),
    "/broken": _answers("500 Internal Server Error"),
    "/busy": _answers("429 Too Many Requests", "Retry-After: 600\r\n"),
    "/away": _answers("503 Service Unavailable", "Retry-After: 600\r\n"),
}


@pytest.fixture
async def backend() -> AsyncIterator[MisbehavingBackend]:
    async with MisbehavingBackend(choose=BEHAVIOURS.__getitem__) as server:
        yield server


@pytest.fixture(params=["memory://", "mem://"])
async def outbox(
    request: pytest.FixtureRequest, tmp_path: Path, backend: MisbehavingBackend
) -> AsyncIterator[Outbox]:
    operation = {
        "post": {
            "requestBody": {"content": {"application/json": {}}},
            "responses": {"200": {"description": "done"}},
        }
    }
    document = {
        "openapi": "3.1.0",
        "info": {"title": "pauses", "version": "1"},
        "paths": dict.fromkeys(BEHAVIOURS, operation),
    }
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    file = tmp_path / "sp00ky.yml"
    file.write_text(CONFIG.format(url=backend.url))
    async with Outbox.open(file, plugins=load_plugins(), store=request.param) as outbox:
        await outbox.store.migrate()
        yield outbox


async def ended(outbox: Outbox, job_id: str) -> JobStatus:
    async for job in outbox.watch(job_id):
        status = job.status
    return status


@pytest.mark.parametrize("path", ["/busy", "/away"])
async def test_retry_after_pauses_the_whole_backend(
    outbox: Outbox, backend: MisbehavingBackend, path: str
) -> None:
    first = await outbox.run("api", path, {}, max_retries=3)
    async with outbox.runner(RunnerOptions(grace=1)):
        await backend.received(1)
        while (await outbox.store.stats())["api"].breaker.paused_for_s < 500:  # noqa: ASYNC110  # nothing tells
            await asyncio.sleep(0.01)
        waiting = await outbox.run("api", "/fine", {})
        beside = await outbox.run("other", "/fine", {})
        assert await ended(outbox, beside.id) is JobStatus.SUCCESS
        assert (await outbox.get(waiting.id)).status is JobStatus.PENDING
    assert [each.target for each in backend.requests] == [path, "/fine"]
    after = await outbox.get(first.id)
    assert (after.status, after.retries) == (JobStatus.PENDING, 0)
    assert [each.name for each in after.errors] == ["throttled"]


async def test_a_backend_that_answers_500_to_one_kind_of_job_takes_the_others(outbox: Outbox) -> None:
    broken = [await outbox.run("api", "/broken", {}, max_retries=2) for _ in range(4)]
    fine = [await outbox.run("api", "/fine", {}) for _ in range(4)]
    async with outbox.runner(RunnerOptions(grace=1)):
        assert {await ended(outbox, job.id) for job in fine} == {JobStatus.SUCCESS}
        assert {await ended(outbox, job.id) for job in broken} == {JobStatus.FAILED}
    assert (await outbox.store.stats())["api"].breaker.state == "closed"
