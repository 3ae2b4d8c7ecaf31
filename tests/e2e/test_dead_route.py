"""A route that doesn't answer, however many jobs it has, holds up no other route of its backend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from tests.e2e.test_shared_table import write_document

from sp00ky_conformance.transport.answering import Answering
from sp00ky_conformance.transport.backend import MisbehavingBackend
from sp00ky_conformance.transport.behaviours import Behaviour
from sp00ky_core import JobStatus, NewJob, Outbox

CONFIG = """\
store: "{store}"
backends:
  api:
    spec: ./openapi.json
    baseUrl: {origin}
    method: {{table: job}}
    timeout: {timeout}
    breaker: {{interval: 0.1}}
"""

PATIENCE = 60.0
DEAD, ALIVE = 300, 100


async def gateway_timeout(to: Answering) -> bool:
    await to.answer("504 Gateway Timeout", b"{}")
    return True


async def silence(to: Answering) -> bool:
    return not await to.gone()


async def answer(to: Answering) -> bool:
    await to.answer("200 OK", b"{}")
    return True


@pytest.fixture(
    params=[(gateway_timeout, 60), pytest.param((silence, 1), marks=pytest.mark.slow)], ids=["504", "silence"]
)
def dead(request: pytest.FixtureRequest) -> tuple[Behaviour, int]:
    """What a dead route does, and for how many seconds an answer is waited for."""
    found: tuple[Behaviour, int] = request.param
    return found


@pytest.fixture
async def backend(dead: tuple[Behaviour, int]) -> AsyncIterator[MisbehavingBackend]:
    async with MisbehavingBackend(choose=lambda path: dead[0] if path == "/dead" else answer) as backend:
        yield backend


@pytest.fixture(params=["postgres", "surreal"])
def store_url(request: pytest.FixtureRequest) -> str:
    if request.param == "surreal":
        return str(request.getfixturevalue("surreal_url"))
    url = request.getfixturevalue("dsn")
    return f"{url}{'&' if '?' in url else '?'}schema=test_{uuid4().hex[:12]}"


@pytest.fixture
async def outbox(
    store_url: str,
    dead: tuple[Behaviour, int],
    backend: MisbehavingBackend,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Outbox]:
    monkeypatch.delenv("SP00KY_STORE", raising=False)
    write_document(tmp_path / "openapi.json", "/dead", "/alive")
    config = CONFIG.format(store=store_url, origin=backend.url, timeout=dead[1])
    (tmp_path / "sp00ky.yml").write_text(config)
    async with Outbox.open(tmp_path / "sp00ky.yml") as outbox:
        await outbox.migrate()
        yield outbox


@pytest.mark.parametrize("max_retries", [3, 0])
async def test_others_are_delivered_and_its_own_jobs_wait(
    outbox: Outbox, backend: MisbehavingBackend, max_retries: int
) -> None:
    long_ago = datetime(2000, 1, 1, tzinfo=UTC)
    dead = NewJob(path="/dead", max_retries=1_000, run_at=long_ago)
    await outbox.run_many("api", [dead] * DEAD)
    alive = await outbox.run_many("api", [NewJob(path="/alive", max_retries=max_retries)] * ALIVE)
    async with outbox.runner(), asyncio.timeout(PATIENCE):
        for job in alive:
            assert (await outbox.wait(job.id)).status is JobStatus.SUCCESS
    requests = sum(request.target == "/dead" for request in backend.requests)
    jobs = await outbox.find(path="/dead", limit=1_000)
    assert {job.status for job in jobs} == {JobStatus.PENDING}
    assert sum(job.retries for job in jobs) <= requests < DEAD
    stats = (await outbox.stats())["api"]
    assert (stats.breaker.state, stats.deferred) == (
        "closed",
        sum(job.deferred_since is not None for job in jobs),
    )
