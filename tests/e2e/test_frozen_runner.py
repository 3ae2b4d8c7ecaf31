"""A runner's process is stopped and goes on: its timeouts are its own fault, and no breaker's business."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from tests.postgres import start_server

from sp00ky_conformance.transport.answering import Answering
from sp00ky_conformance.transport.backend import MisbehavingBackend
from sp00ky_core import JobStatus, Outbox, load_plugins

SP00KY = Path(sys.executable).with_name("sp00ky")
CONFIG = """\
store: "{store}"
backends:
  api:
    spec: ./openapi.json
    baseUrl: {url}
    method: {{type: outbox, table: job}}
    timeout: 4
    breaker: {{failures: 3, interval: 600}}
"""
FROZEN = 6.0
"""Seconds: longer than the timeout, and than others wait for a beat."""
JOBS = 5


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    if given := os.environ.get("SP00KY_TEST_POSTGRES"):
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="sp00ky-pg", ignore_cleanup_errors=True) as folder:
        server = start_server(Path(folder))
        yield server.get_uri()
        server.stop()


@asynccontextmanager
async def project(folder: Path, store: str, url: str) -> AsyncIterator[Outbox]:
    operation = {
        "post": {
            "requestBody": {"content": {"application/json": {}}},
            "responses": {"200": {"description": "ok"}},
        }
    }
    info = {"title": "api", "version": "1"}
    (folder / "openapi.json").write_text(
        json.dumps({"openapi": "3.1.0", "info": info, "paths": {"/work": operation}})
    )
    file = folder / "sp00ky.yml"
    store = f"{store}{'&' if '?' in store else '?'}schema=test_{uuid4().hex[:12]}"
    file.write_text(CONFIG.format(store=store, url=url))
    async with Outbox.open(file, plugins=load_plugins()) as outbox:
        await outbox.store.migrate()
        yield outbox


async def silent_for(outbox: Outbox) -> float:
    """Seconds since the other runner has beaten, by the database's clock."""
    beats = await outbox.store.beat("observer")
    (runner,) = (beat for runner_id, beat in beats.items() if runner_id != "observer")
    return (beats["observer"].at - runner.at).total_seconds()


async def test_a_runner_that_was_stopped_opens_no_breaker(postgres: str, tmp_path: Path) -> None:
    going = asyncio.Event()

    async def work(to: Answering) -> bool:
        await going.wait()
        await to.answer("200 OK", b"{}")
        return True

    async with (
        MisbehavingBackend(choose=lambda _target: work) as backend,
        project(tmp_path, postgres, backend.url) as outbox,
    ):
        jobs = [await outbox.run("api", "/work", {}) for _ in range(JOBS)]
        runner = await asyncio.create_subprocess_exec(
            str(SP00KY), "run", cwd=tmp_path, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            await backend.received(JOBS)
            runner.send_signal(signal.SIGSTOP)
            while await silent_for(outbox) < FROZEN:  # noqa: ASYNC110  # a frozen process tells nothing
                await asyncio.sleep(0.1)
            runner.send_signal(signal.SIGCONT)
            while not all([(await outbox.get(job.id)).errors for job in jobs]):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            assert (await outbox.stats())["api"].breaker.state == "closed"
            going.set()
            async for job in outbox.watch(jobs[-1].id):
                last = job
        finally:
            runner.send_signal(signal.SIGCONT)
            runner.terminate()
            await runner.wait()
        assert last.status is JobStatus.SUCCESS
        assert (await outbox.stats())["api"].breaker.state == "closed"
        assert [entry.name for entry in last.errors] == ["timeout"]
