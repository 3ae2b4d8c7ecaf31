"""What one backend, row, response or plugin does wrong stays with it: bounded, logged, counted."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.chaos.fleet import Fleet
from tests.chaos.postgres import Postgres, postgres

from sp00ky_core import Job, JobStatus, Outbox, RunnerOptions, hookimpl, load_plugins
from sp00ky_core.testing.answering import Answering
from sp00ky_core.testing.backend import MisbehavingBackend
from sp00ky_core.testing.behaviours import ROUTES, Behaviour

PLACES = 3

CONFIG = """\
store: memory://
backends:
  bad:
    spec: ./openapi.json
    baseUrl: {url}
    method: {{type: outbox, table: bad_job}}
    timeout: 1
    concurrency: {places}
    retry: {{base: 0}}
    breaker: false
  good:
    spec: ./openapi.json
    baseUrl: {url}
    method: {{type: outbox, table: job}}
    concurrency: {places}
"""

FIFTY = 50 * 1_048_576


async def _fifty_megabytes(to: Answering) -> bool:
    await to.send(f"HTTP/1.1 200 OK\r\nContent-Length: {FIFTY}\r\n\r\n".encode())
    for _ in range(FIFTY // 65_536):
        await to.send(b"x" * 65_536)
    return True


async def _byte_a_second(to: Answering) -> bool:
    await to.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while not await to.gone(1):
        await to.send(b" ")
    return False


async def _nul(to: Answering) -> bool:
    await to.answer("200 OK", json.dumps({"spooky": "\0", "\0": [1]}).encode())
    return True


async def _nul_and_failure(to: Answering) -> bool:
    await to.answer("500 Internal Server Error", b"\0\0 boo \0", content_type="text/plain")
    return True


BEHAVIOURS: dict[str, Behaviour] = {
    "/json": ROUTES["/json"],
    "/hang": ROUTES["/hang"],
    "/trickled-head": ROUTES["/trickled-head"],
    "/fifty-megabytes": _fifty_megabytes,
    "/byte-a-second": _byte_a_second,
    "/nul": _nul,
    "/nul-and-failure": _nul_and_failure,
}


@pytest.fixture
async def backend() -> AsyncIterator[MisbehavingBackend]:
    async with MisbehavingBackend(choose=BEHAVIOURS.__getitem__) as server:
        yield server


@pytest.fixture
def config(tmp_path: Path, backend: MisbehavingBackend) -> Path:
    operation = {"post": {"responses": {"200": {"description": "done"}}}}
    document = {
        "openapi": "3.1.0",
        "info": {"title": "isolation", "version": "1"},
        "paths": dict.fromkeys(BEHAVIOURS, operation),
    }
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    file = tmp_path / "sp00ky.yml"
    file.write_text(CONFIG.format(url=backend.url, places=PLACES))
    return file


@asynccontextmanager
async def opened(config: Path, plugin: object = None, store: str | None = None) -> AsyncIterator[Outbox]:
    plugins = load_plugins()
    if plugin is not None:
        plugins.register(plugin, name="ghost", distribution="ghosts")
    async with Outbox.open(config, plugins=plugins, store=store) as outbox:
        await outbox.store.migrate()
        yield outbox


async def ended(outbox: Outbox, jobs: list[Job]) -> list[Job]:
    """The jobs once they have ended; the test's own timeout is the bound."""
    while True:
        now = [await outbox.get(job.id) for job in jobs]
        if all(job.is_terminal for job in now):
            return now
        await asyncio.sleep(0.02)


async def enqueued(outbox: Outbox, backend: str, path: str, count: int, **options: Any) -> list[Job]:
    return [await outbox.run(backend, path, {"i": i}, **options) for i in range(count)]


@pytest.mark.parametrize("path", ["/hang", "/trickled-head", "/byte-a-second"])
async def test_a_slow_backend_takes_no_place_of_another(
    config: Path, backend: MisbehavingBackend, path: str
) -> None:
    async with opened(config) as outbox:
        bad = await enqueued(outbox, "bad", path, 4 * PLACES, max_retries=0)
        async with outbox.runner(RunnerOptions(grace=0)):
            await backend.received(PLACES)  # all of its places are taken
            good = await enqueued(outbox, "good", "/json", 100)
            await ended(outbox, good)
            assert {job.status for job in await ended(outbox, good)} == {JobStatus.SUCCESS}
            late = await ended(outbox, bad)  # each of them is bounded by its timeout
    expected = JobStatus.SUCCESS if path == "/byte-a-second" else JobStatus.FAILED  # it was a 2xx
    assert {(job.status, job.result) for job in late} == {(expected, None)}
    names = {error.name for job in late for error in job.errors}
    assert names == (set() if path == "/byte-a-second" else {"timeout"})


class Raising:
    """Raises whatever it is told, also what looks as if its caller had been cancelled."""

    @hookimpl
    async def sp00ky_runner_started(self) -> None:
        raise asyncio.CancelledError

    @hookimpl
    def sp00ky_jobs_claimed(self) -> None:
        raise RuntimeError("boo")

    @hookimpl
    async def sp00ky_job_settled(self) -> None:
        raise RuntimeError("boo")


class Hanging:
    """Doesn't end, not even when it is cancelled, until it is let go."""

    def __init__(self) -> None:
        self.let_go = asyncio.Event()
        self.calls = 0

    @hookimpl
    async def sp00ky_runner_started(self) -> None:
        await self._hang()

    @hookimpl
    async def sp00ky_job_settled(self) -> None:
        await self._hang()

    async def _hang(self) -> None:
        self.calls += 1
        while not self.let_go.is_set():
            try:
                await self.let_go.wait()
            except asyncio.CancelledError:
                continue


async def test_observers_that_raise_cost_no_job(config: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with opened(config, Raising()) as outbox, outbox.runner():
        jobs = await ended(outbox, await enqueued(outbox, "good", "/json", 20))
    assert {(job.status, len(job.errors)) for job in jobs} == {(JobStatus.SUCCESS, 0)}
    told = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]
    assert told.count("plugin ghosts:ghost failed in sp00ky_job_settled") == 20
    assert "plugin ghosts:ghost failed in sp00ky_jobs_claimed" in told


async def test_observers_that_hang_for_good_cost_no_job_and_no_drain(
    config: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hanging = Hanging()
    async with opened(config, hanging) as outbox, asyncio.timeout(30):
        async with outbox.runner():
            jobs = await ended(outbox, await enqueued(outbox, "good", "/json", 20))
        hanging.let_go.set()
    assert {(job.status, len(job.errors)) for job in jobs} == {(JobStatus.SUCCESS, 0)}
    assert hanging.calls == 21
    assert "20 calls of observers don't end" in caplog.text


@pytest.fixture
async def database() -> AsyncIterator[Postgres]:
    async with postgres() as database:
        yield database


async def test_fifty_megabytes_are_neither_kept_nor_held(config: Path, database: Postgres) -> None:
    """In memory, a process of its own: the real runner's."""
    async with (
        opened(config, store=database.dsn) as outbox,
        Fleet(config, database.connect, database.url) as fleet,
    ):
        member = await fleet.start()
        await fleet.ready(member)
        small = await ended(outbox, await enqueued(outbox, "bad", "/json", 20))
        before = high_water(member.child.pid)
        large = await ended(outbox, await enqueued(outbox, "bad", "/fifty-megabytes", 4 * PLACES))
        grown = high_water(member.child.pid) - before
    assert {job.status for job in small + large} == {JobStatus.SUCCESS}
    assert {job.result for job in large} == {None}
    assert grown < FIFTY / 2, f"{grown / 1_048_576:.1f} MiB"


def high_water(pid: int) -> int:
    """The most bytes of memory that a process has had so far."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        pytest.skip("only Linux says how much memory a process has had")
    (line,) = [each for each in status.read_text().splitlines() if each.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


POISON = """
INSERT INTO bad_job (path) VALUES ('@evil.test/x'), ('/json/../../x'), (E'/json\\r\\nX: y');
INSERT INTO bad_job (path, payload)
VALUES ('/json', ('{"a":' || repeat('[', 5000) || repeat(']', 5000) || '}')::json);
INSERT INTO bad_job (path, payload) VALUES ('/json', '{"n": 1e99999}'), ('/json', '{"\\ud800": 1}');
INSERT INTO bad_job (path, payload, timeout) VALUES ('/json', '{}', 1e300);
INSERT INTO bad_job (path, payload, retry_strategy) VALUES ('/json', '{}', 'no such strategy');
"""
"""Rows as a client may write them."""


async def test_poison_rows_and_nul_bytes_stop_nobody(
    config: Path, backend: MisbehavingBackend, database: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(config, store=database.dsn) as outbox:
        await database.execute(POISON)
        nul = [
            await outbox.run("bad", "/nul"),
            await outbox.run("bad", "/nul-and-failure", max_retries=0),
        ]
        async with outbox.runner():
            poison = await ended(outbox, await outbox.find(backend="bad", limit=100))
            good = await ended(outbox, await enqueued(outbox, "good", "/json", 20))
            told, failed = await ended(outbox, nul)
    assert {job.status for job in good} == {JobStatus.SUCCESS}
    assert len(poison) == 10
    for job in poison:
        assert job.status is JobStatus.SUCCESS or job.errors, job
        if job.errors:
            assert job.id in caplog.text
    assert (told.status, told.result) == (JobStatus.SUCCESS, {"spooky": "\0", "\0": [1]})
    assert failed.status is JobStatus.FAILED
    assert "\0" not in failed.errors[0].reason
    assert "boo" in failed.errors[0].reason
    assert {each.target for each in backend.requests} <= set(BEHAVIOURS)
