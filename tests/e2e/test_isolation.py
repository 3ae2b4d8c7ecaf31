"""What one backend, row, response or plugin does wrong stays with it: bounded, logged, counted."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pytest
from chaos.fleet import Fleet
from chaos.postgres import Postgres, postgres

from sp00ky_conformance.transport.answering import Answering, Received
from sp00ky_conformance.transport.backend import MisbehavingBackend
from sp00ky_conformance.transport.behaviours import ROUTES, Behaviour
from sp00ky_core import Job, JobStatus, Outbox, RunnerOptions, load_plugins

PLACES = 3

CONFIG = """\
store: memory://
backends:
  bad:
    spec: ./openapi.json
    baseUrl: {url}
    method: {{type: outbox, table: bad_job}}
    timeout: 60
    timeoutOverridable: true
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

LONGEST_REASON = 2_048
"""Bytes of an error's text that a row keeps."""

SENT: WeakKeyDictionary[Received, int] = WeakKeyDictionary()
"""Bytes of a long response that its client has let the backend send."""


def _fifty_megabytes(status: str) -> Behaviour:
    async def send(to: Answering) -> bool:
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {FIFTY + 2}\r\n\r\n"
        await to.send(head.encode() + b'"')
        for sent in range(0, FIFTY, 65_536):
            SENT[to.request] = sent
            await to.send(b"x" * 65_536)
        await to.send(b'"')
        return True

    return send


async def _fifty_megabytes_packed(to: Answering) -> bool:
    await to.answer("200 OK", _packed(), headers="Content-Encoding: gzip\r\n")
    return True


@cache
def _packed() -> bytes:
    return gzip.compress(b'"' + b"x" * FIFTY + b'"')


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
    "/long-json": ROUTES["/long-json"],
    "/fifty-megabytes": _fifty_megabytes("200 OK"),
    "/fifty-megabytes-and-failure": _fifty_megabytes("500 Internal Server Error"),
    "/fifty-megabytes-packed": _fifty_megabytes_packed,
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
    operation = {
        "post": {
            "requestBody": {"content": {"application/json": {}}},
            "responses": {"200": {"description": "done"}},
        }
    }
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


SLOW = ["/hang", "/trickled-head", "/byte-a-second"]


@pytest.mark.parametrize("path", SLOW)
async def test_a_slow_backend_takes_no_place_of_another(
    config: Path, backend: MisbehavingBackend, path: str
) -> None:
    """No timeout gives its places back meanwhile: what ends, ends beside attempts that don't."""
    async with opened(config) as outbox:
        bad = await enqueued(outbox, "bad", path, 4 * PLACES)
        async with outbox.runner(RunnerOptions(grace=0)):
            await backend.received(PLACES)  # all of its places are taken
            async with asyncio.timeout(60):
                good = await ended(outbox, await enqueued(outbox, "good", "/json", 100))
            assert {job.status for job in good} == {JobStatus.SUCCESS}
            assert not any([(await outbox.get(job.id)).is_terminal for job in bad])
            assert [each.target for each in backend.requests].count(path) == PLACES  # and it got no more


@pytest.mark.parametrize("path", SLOW)
async def test_an_attempt_ends_with_its_timeout_however_much_keeps_coming(config: Path, path: str) -> None:
    """A byte a second never lets a timeout of two seconds between two reads pass."""
    async with opened(config) as outbox, outbox.runner(RunnerOptions(grace=0)):
        (job,) = await ended(outbox, await enqueued(outbox, "bad", path, 1, max_retries=0, timeout=2))
    if path == "/byte-a-second":  # its head had come: it was a 2xx
        assert (job.status, job.result, job.errors) == (JobStatus.SUCCESS, None, ())
    else:
        assert job.status is JobStatus.FAILED
        # Not by the runner, which only cuts off a transport that doesn't keep to it, and seconds later.
        assert [(error.name, error.reason) for error in job.errors] == [("timeout", "no answer in time")]


@pytest.fixture
async def database() -> AsyncIterator[Postgres]:
    async with postgres() as database:
        yield database


async def test_fifty_megabytes_are_neither_read_nor_kept_nor_held(
    config: Path, backend: MisbehavingBackend, database: Postgres
) -> None:
    """In memory, a process of its own: the real runner's. They are JSON: short ones would be kept."""
    async with (
        opened(config, store=database.dsn) as outbox,
        Fleet(config, database.connect, database.url) as fleet,
    ):
        member = await fleet.start()
        await fleet.ready(member)
        small = await ended(outbox, await enqueued(outbox, "bad", "/json", 20))
        long = await ended(outbox, await enqueued(outbox, "bad", "/long-json", 1))
        before = high_water(member.child.pid)
        large = await ended(outbox, await enqueued(outbox, "bad", "/fifty-megabytes", 4 * PLACES))
        large += await ended(outbox, await enqueued(outbox, "bad", "/fifty-megabytes-packed", PLACES))
        failure = "/fifty-megabytes-and-failure"
        failed = await ended(outbox, await enqueued(outbox, "bad", failure, PLACES, max_retries=0))
        grown = high_water(member.child.pid) - before
    assert {job.status for job in small + long + large} == {JobStatus.SUCCESS}
    assert {job.result for job in long + large} == {None}
    assert {job.status for job in failed} == {JobStatus.FAILED}
    assert max(len(job.errors[0].reason.encode()) for job in failed) <= LONGEST_REASON
    assert grown < FIFTY / 2, f"{grown / 1_048_576:.1f} MiB"
    sent = [SENT[each] for each in backend.requests if each in SENT]
    assert len(sent) == 5 * PLACES
    assert max(sent) < FIFTY / 2  # what the two ends' sockets hold is sent too


def high_water(pid: int) -> int:
    """The most bytes of memory that a process has had so far."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        pytest.skip("only Linux says how much memory a process has had")
    (line,) = [each for each in status.read_text().splitlines() if each.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024
