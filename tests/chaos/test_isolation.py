"""What one backend, row, response or plugin does wrong stays with it: bounded, logged, counted."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import pytest
from tests.chaos.fleet import Fleet
from tests.chaos.postgres import Postgres, postgres

from sp00ky_conformance.transport.answering import Answering, Received
from sp00ky_conformance.transport.backend import MisbehavingBackend
from sp00ky_conformance.transport.behaviours import ROUTES, Behaviour
from sp00ky_core import Job, JobStatus, Outbox, RunnerOptions, hookimpl, load_plugins
from sp00ky_core.outcome import Delivered, Outcome, Undelivered
from sp00ky_core.plugins import calls

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


class Raising:
    """Raises whatever it is told, also what looks as if its caller had been cancelled."""

    @hookimpl
    async def sp00ky_runner_started(self) -> None:
        raise asyncio.CancelledError

    @hookimpl
    def sp00ky_jobs_claimed(self) -> None:
        raise RuntimeError("boo")

    @hookimpl
    def sp00ky_attempt_started(self) -> None:
        raise asyncio.CancelledError

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


class Waiting:
    """Waits for what never comes, but ends when it is cancelled."""

    @hookimpl
    async def sp00ky_job_settled(self) -> None:
        await asyncio.Event().wait()


class HangingLater(Hanging):
    """Lets the runner start."""

    @hookimpl
    async def sp00ky_runner_started(self) -> None:
        return


async def test_observers_that_raise_cost_no_job(config: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with opened(config, Raising()) as outbox, asyncio.timeout(60), outbox.runner():
        jobs = await ended(outbox, await enqueued(outbox, "good", "/json", 20))
    assert {(job.status, len(job.errors)) for job in jobs} == {(JobStatus.SUCCESS, 0)}
    told = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]
    assert told.count("plugin ghosts:ghost failed in sp00ky_attempt_started") == 20
    assert told.count("plugin ghosts:ghost failed in sp00ky_job_settled") == 20
    assert "plugin ghosts:ghost failed in sp00ky_jobs_claimed" in told
    assert "plugin ghosts:ghost failed in sp00ky_runner_started" in told


async def test_observers_that_hang_for_good_cost_no_job_and_no_drain(
    config: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hanging = Hanging()
    try:
        async with opened(config, hanging) as outbox, asyncio.timeout(60):
            async with outbox.runner():
                jobs = await ended(outbox, await enqueued(outbox, "good", "/json", 20))
            hanging.let_go.set()
    finally:
        hanging.let_go.set()  # or the test's own end would wait for it
    assert {(job.status, len(job.errors)) for job in jobs} == {(JobStatus.SUCCESS, 0)}
    assert hanging.calls == 21
    assert "20 calls of observers don't end" in caplog.text


async def test_observers_that_wait_too_long_are_cancelled_and_told(
    config: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(config, Waiting()) as outbox, outbox.runner():
        await ended(outbox, await enqueued(outbox, "good", "/json", 20))
    told = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]
    assert told == ["plugin ghosts:ghost failed in sp00ky_job_settled"] * 20


async def test_observers_at_work_are_bounded_and_waited_for_by_no_job(
    config: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They get for ever, so that whatever waits for one doesn't end."""
    monkeypatch.setattr(calls, "OBSERVER_TIMEOUT", 1_000.0)
    monkeypatch.setattr(calls, "MAX_OBSERVING", 8)
    hanging = HangingLater()
    try:
        async with opened(config, hanging) as outbox, outbox.runner():
            async with asyncio.timeout(60):
                for _ in range(2):  # the second ones are settled after calls for the first
                    await ended(outbox, await enqueued(outbox, "good", "/json", 20))
            hanging.let_go.set()
    finally:
        hanging.let_go.set()
    assert hanging.calls == 8
    assert (
        caplog.text.count("plugin ghosts:ghost is too slow in sp00ky_job_settled: one call is left out") == 32
    )


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


POISON = """
INSERT INTO bad_job (assigned_to, path)
VALUES ('invalid_path', '@evil.test/x'), ('invalid_path', '/json/../../x'),
    ('invalid_path', E'/json\\r\\nX: y'), ('unknown_route', '/no-such-route');
INSERT INTO bad_job (assigned_to, path, payload)
VALUES ('success', '/json', ('{"a":' || repeat('[', 5000) || repeat(']', 5000) || '}')::json),
    ('success', '/json', '{"n": 1e99999}'), ('success', '/json', '{"\\ud800": 1}');
INSERT INTO bad_job (assigned_to, path, timeout) VALUES ('success', '/json', 1e300);
INSERT INTO bad_job (assigned_to, path, retry_strategy)
VALUES ('invalid_row', '/json', 'no such strategy');
"""
"""Rows as a client may write them, each assigned to what should come of it."""


async def test_poison_rows_stop_nobody(
    config: Path, backend: MisbehavingBackend, database: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(config, store=database.dsn) as outbox, asyncio.timeout(60):
        await database.execute(POISON)
        async with outbox.runner():
            poison = await ended(outbox, await outbox.find(backend="bad", limit=100))
            good = await ended(outbox, await enqueued(outbox, "good", "/json", 20))
    assert {job.status for job in good} == {JobStatus.SUCCESS}
    assert len(poison) == 9
    for job in poison:
        if job.assigned_to == "success":
            assert (job.status, job.errors) == (JobStatus.SUCCESS, ()), job
        else:
            assert job.status is JobStatus.FAILED, job
            assert {error.name for error in job.errors} == {job.assigned_to}, job
            assert job.id in caplog.text
    assert [each.target for each in backend.requests] == ["/json"] * (4 + len(good))  # nothing else was sent


RULES = """
ALTER TABLE bad_job
ADD CHECK (assigned_to IS DISTINCT FROM 'not claimed' OR status = 'pending'),
ADD CHECK (assigned_to IS DISTINCT FROM 'no result' OR result IS NULL);
"""
"""A user's own, which refuse what the store writes."""


async def test_rows_that_the_database_refuses_to_write_stop_nobody(
    config: Path, database: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    """All backends' jobs are claimed with one statement, and settled with one."""
    async with opened(config, store=database.dsn) as outbox, asyncio.timeout(60):
        await database.execute(RULES)
        (unclaimed,) = await enqueued(outbox, "bad", "/json", 1, assigned_to="not claimed")
        unkept = await enqueued(outbox, "bad", "/json", PLACES, assigned_to="no result")
        good = await enqueued(outbox, "good", "/json", 20)
        async with outbox.runner():
            good, unkept = await ended(outbox, good), await ended(outbox, unkept)
        unclaimed = await outbox.get(unclaimed.id)
    assert {(job.status, str(job.result)) for job in good} == {(JobStatus.SUCCESS, "{'spooky': True}")}
    assert {(job.status, job.result) for job in unkept} == {(JobStatus.SUCCESS, None)}
    assert unclaimed.status is JobStatus.PENDING
    assert f"job {unclaimed.id} can't be claimed" in caplog.text
    for job in unkept:
        assert f"job {job.id}: settled with a part left out" in caplog.text


class Nul:
    """Says of a delivery that it failed, and why, with a NUL."""

    @hookimpl
    def sp00ky_classify_outcome(self, job: Job, outcome: Outcome) -> Outcome | None:
        is_meant = job.path == "/json" and isinstance(outcome, Delivered)
        return Undelivered(name="ghost", reason="\0 boo \0") if is_meant else None


async def test_nul_bytes_stop_nobody_and_reach_no_row_as_an_error(config: Path, database: Postgres) -> None:
    """JSON can say NUL, and a result is the backend's own; an error's text is for people and terminals."""
    async with opened(config, Nul(), store=database.dsn) as outbox, asyncio.timeout(60):
        jobs = [
            await outbox.run("bad", "/nul"),
            await outbox.run("bad", "/nul-and-failure", max_retries=0),
            await outbox.run("bad", "/json", max_retries=0),
        ]
        async with outbox.runner():
            told, failed, ghost = await ended(outbox, jobs)
    assert (told.status, told.result) == (JobStatus.SUCCESS, {"spooky": "\0", "\0": [1]})
    assert {failed.status, ghost.status} == {JobStatus.FAILED}
    assert failed.errors[0].reason == "HTTP 500 Internal Server Error: boo"
    assert ghost.errors[0].reason == "\ufffd boo \ufffd"
