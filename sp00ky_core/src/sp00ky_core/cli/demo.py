"""``sp00ky demo``: the whole thing in ten seconds, with no services and no arguments.

A folder, a backend, 200 jobs, a runner that is killed, another one, and what came of it. As a program
(``python -m``, the configuration) this module is such a runner, in a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import pickle
import shlex
import shutil
import sys
import tempfile
import threading
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import attrs
import click

from sp00ky_core.cli.command import Settings, command, run_async
from sp00ky_core.cli.logs import set_level
from sp00ky_core.cli.project import template_text
from sp00ky_core.cli.signals import stop_order, unless_stopped
from sp00ky_core.errors import AdapterMissing, Sp00kyError
from sp00ky_core.job.job import Job, JobStatus, NewJob
from sp00ky_core.job.outcome import THROTTLED
from sp00ky_core.outbox.outbox import Outbox
from sp00ky_core.runner import RunnerOptions

__all__ = ["demo"]

PAYMENT = "/charge-payment"
JOBS = {"/spookify": 120, "/chat": 20, PAYMENT: 60}

STORE = "surrealkv://./sp00ky.db"
"""In the configuration's folder; SP00KY_STORE doesn't count: the demo touches no real jobs."""

CONFIG = """\
store: {store}
backends:
  demo:
    spec: ./openapi.yml
    baseUrl: {url} # the demo's own backend, which ends with the demo
    method: {{type: outbox, table: job}}
    concurrency: 8
    retry: {{base: 0.3, jitter: 0.1}}
    breaker: false
"""

LONGEST = 300
"""Seconds after which something must be wrong; it takes about 10."""

SLOW, MANY = "/chat", 4
"""The runner is killed while it waits for ``MANY`` answers of the route ``SLOW``, or when ``LATE`` is
reached."""

LATE = 110
"""The runner is killed at the latest once so many of its 140 jobs have ended and it has another one in
hand."""


class DemoBackend(ThreadingHTTPServer):
    """A small real backend that fails the way backends do, the same way each time.

    Attributes:
        requests: How many there were, by their Idempotency-Key; and
        answered: how many were answered with a 2xx.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url: str = f"http://127.0.0.1:{self.server_port}"
        self.requests: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self._lock = threading.Lock()

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[DemoBackend]:
        """Serve on a free port of this machine, until the context is left."""
        with cls() as backend:
            thread = threading.Thread(target=backend.serve_forever, args=(0.05,), daemon=True)
            thread.start()
            try:
                yield backend
            finally:
                backend.shutdown()
                thread.join()

    def handle_error(self, *_: object) -> None:
        """Say nothing: a client that goes away, as at an interrupt, is no news."""

    def note(self, job_id: str, *, answered: bool) -> None:
        """Count a request, answered with a 2xx or not."""
        with self._lock:
            self.requests[job_id] += 1
            self.answered[job_id] += answered


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: DemoBackend

    def do_POST(self) -> None:
        payload, key = self.rfile.read(int(self.headers["Content-Length"])), self.headers["Idempotency-Key"]
        n = json.loads(payload)["n"]
        status = _status(self.path, n, 1 + self.server.requests[key])
        if self.path == SLOW:
            time.sleep(0.2 + n % 7 / 10)
        self.server.note(key, answered=status == _OK)
        if status == _RESET:
            self.close_connection = True
            return
        body = json.dumps({"boo": True} if status == _OK else {"error": "the demo says no"}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status == _BUSY:
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: the screen is the demo's."""


_OK, _BUSY, _BROKEN, _RESET = 200, 429, 500, 0
_THROTTLED = (2, 62)  # few jobs: each pauses the whole backend


def _status(path: str, n: int, number: int) -> int:
    """Choose what the n-th job of a route gets for its first, second, ... request: the same in each demo."""
    if path == PAYMENT:
        return _BROKEN if n % 17 == 0 else _OK
    if path == SLOW:
        return _OK
    if n % 40 == 0:
        return _BROKEN  # for ever
    if number > 1 + n % 2:
        return _OK
    if n in _THROTTLED:
        return _BUSY
    return {1: _BROKEN, 3: _RESET}.get(n % 10, _OK)


@command(short_help="Deliver 200 jobs to a backend that fails now and then.")
def demo(settings: Settings) -> None:
    """Deliver 200 jobs to a backend that fails now and then; needs no services and no arguments.

    Everything is in a temporary folder, which stays.
    """
    if settings.config or settings.store:
        raise click.UsageError("the demo brings its own configuration and store")
    set_level("error")  # what is retried is in the summary
    folder = Path(tempfile.mkdtemp(prefix="sp00ky-demo-"))
    with DemoBackend.started() as backend:
        delivery = _Delivery(_write_config(folder, backend.url))
        try:
            run_async(delivery.run())
        except AdapterMissing:
            shutil.rmtree(folder)  # nothing has happened in it
            raise
    for line in (*delivery.summary(backend.requests, backend.answered), *_how_to_go_on(delivery.config)):
        click.echo(line)


def _write_config(folder: Path, url: str) -> Path:
    (folder / "openapi.yml").write_text(template_text("demo.yml"), encoding="utf-8")
    config = folder / "sp00ky.yml"
    config.write_text(CONFIG.format(store=STORE, url=url), encoding="utf-8")
    return config


def _how_to_go_on(config: Path) -> Iterator[str]:
    program = "sp00ky" if shutil.which("sp00ky") else sys.argv[0]  # as .venv/bin/sp00ky was called
    command = f"{shlex.quote(program)} --config {shlex.quote(str(config))}"
    if os.environ.get("SP00KY_STORE"):  # it would override the file's
        command = f"SP00KY_STORE= {command}"
    yield f"The sp00ky.yml that was used: {config}"
    yield "Go on from there:"
    yield f"  {command} jobs list --status failed"
    yield f"  {command} jobs stats"


Show = Callable[[Sequence[Job], str], None]
"""Shows all jobs, and what is going on; it is called whenever they may have changed."""


@attrs.define
class _Delivery:
    """Delivers the demo's jobs, and knows what came of them.

    Attributes:
        config: The configuration's file.
        jobs: All, as they were last seen.
        seconds: How long it took.
        killed: The process of the runner that was killed...
        in_flight: ...and the ids of the jobs that it had claimed.
    """

    config: Path
    jobs: Sequence[Job] = ()
    seconds: float = 0.0
    killed: int = 0
    in_flight: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Deliver the jobs, showing how it goes."""
        Outbox.open(self.config, store=STORE).transport_factories()  # is a transport installed?
        began = time.monotonic()
        try:
            async with asyncio.timeout(LONGEST):
                await self._scenes(_printer())
        except TimeoutError as error:
            raise Sp00kyError(
                f"the demo's jobs haven't ended in {LONGEST} s: is this machine that busy?"
            ) from error
        self.seconds = time.monotonic() - began

    async def _scenes(self, show: Show) -> None:
        """Enqueue, run, kill the runner, enqueue without one, and run again until all has ended."""
        show([], "200 jobs: some are enqueued now")
        await self._enqueue("/spookify", SLOW)
        show(self.jobs, "a runner starts")
        async with _runner(self.config) as process:
            await self._follow_until_killed(process, show)
        self.in_flight = frozenset(job.id for job in self.jobs if job.status is JobStatus.PROCESSING)
        show(
            self.jobs,
            f"kill -9 {self.killed}: that runner is gone, with {len(self.in_flight)} jobs in flight",
        )
        await asyncio.sleep(1.0)  # for the reader
        await self._enqueue(PAYMENT)
        show(self.jobs, f"{JOBS[PAYMENT]} jobs are enqueued while there is no runner, and another one starts")
        async with _runner(self.config) as process:
            async for self.jobs in _reports(process):
                recovered = (
                    f"{self._recovered()} of {len(self.in_flight)} jobs of the killed one are recovered"
                )
                show(self.jobs, f"runner {process.pid} delivers; {recovered}")

    async def _follow_until_killed(self, process: Process, show: Show) -> None:
        async for self.jobs in _reports(process):
            show(self.jobs, f"runner {process.pid} delivers")
            busy = [job.path for job in self.jobs if job.status is JobStatus.PROCESSING]
            ended = sum(1 for job in self.jobs if job.is_terminal)
            if busy.count(SLOW) >= MANY or (ended >= LATE and busy):
                with suppress(ProcessLookupError):  # what was read may be older than its end
                    process.kill()
                break
        self.killed = process.pid

    async def _enqueue(self, *paths: str) -> None:
        async with Outbox.open(self.config, store=STORE) as outbox:
            await outbox.store.migrate()
            for path in paths:
                retries = 0 if path == PAYMENT else 3
                jobs = [NewJob(path=path, payload={"n": n}, max_retries=retries) for n in range(JOBS[path])]
                self.jobs = [*self.jobs, *await outbox.run_many("demo", jobs)]

    def _recovered(self) -> int:
        """Count the jobs of the killed runner that were delivered by another one."""
        return sum(1 for job in self._with_status(JobStatus.SUCCESS) if job.id in self.in_flight)

    def _with_status(self, status: JobStatus) -> Sequence[Job]:
        return [job for job in self.jobs if job.status is status]

    def summary(self, requests: Counter[str], answered: Counter[str]) -> Iterator[str]:
        """Yield the summary's lines, coloured; the requests, and the answered ones, are by job."""
        yield ""
        yield click.style(f"{len(self.jobs)} jobs in {self.seconds:.1f} s, none lost", bold=True)
        retried = [job for job in self.jobs if job.retries]
        delivered = sum(1 for job in retried if job.status is JobStatus.SUCCESS)
        yield f"{_name('delivered', 'green')}{len(self._with_status(JobStatus.SUCCESS))}"
        yield f"{_name('retried', 'yellow')}{len(retried)}, of which {delivered} were delivered in the end"
        yield f"  because of {_reasons(retried)}"
        throttled = sum(1 for job in self.jobs if any(error.name == THROTTLED for error in job.errors))
        yield f"{_name('throttled')}{throttled}, which waited and used up no retry"
        yield f"{_name('killed')}runner {self.killed}, with {len(self.in_flight)} jobs in flight"
        yield f"{_name('recovered', 'green')}{self._recovered()}, delivered by the next runner"
        yield from _failures(self._with_status(JobStatus.FAILED))
        twice = sum(1 for count in answered.values() if count > 1)
        again = "that the killed runner had sent; their Idempotency-Key says so"
        yield f"{_name('sent twice')}{twice}, {again}"
        payments = [job for job in self.jobs if job.path == PAYMENT]
        most = max(requests[job.id] for job in payments)
        yield f"{PAYMENT} must not be repeated: {len(payments)} jobs, at most {most} request for each"
        yield ""


def _name(name: str, colour: str | None = None) -> str:
    return click.style(f"{name + ':':13}", fg=colour)


def _failures(failed: Sequence[Job]) -> Iterator[str]:
    yield f"{_name('failed', 'red')}{len(failed)}"
    for path in sorted({job.path for job in failed}):
        jobs = [job for job in failed if job.path == path]
        retries = f"after {jobs[0].max_retries} retries" if jobs[0].max_retries else "never retried"
        yield f"  {len(jobs)} x {path}, {retries}: {_reasons(jobs)}"


def _reasons(jobs: Sequence[Job]) -> str:
    counts = Counter(error.summary for job in jobs for error in job.errors)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} x {reason}" for reason, count in ordered) or "nothing"


def _printer() -> Show:
    """Return what prints how many jobs have which status, and the scene, where they have changed."""
    last: list[str] = ["", ""]

    def show_lines(jobs: Sequence[Job], scene: str) -> None:
        counts = Counter(job.status for job in jobs)
        lines = [", ".join(f"{counts[status]} {status.value}" for status in JobStatus), scene]
        for before, line in zip(last, lines, strict=True):
            if line != before:
                click.echo(line)
        last[:] = lines

    return show_lines


LONGEST_LINE = 2**20
"""Bytes that a report may have; one of 200 jobs has 30,000."""


@asynccontextmanager
async def _runner(config: Path) -> AsyncIterator[Process]:
    """Run the demo's jobs in a process that ends with the context; an interrupt is for the demo alone."""
    command = (sys.executable, "-P", "-m", __name__, str(config))
    process = await asyncio.create_subprocess_exec(
        *command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, limit=LONGEST_LINE, start_new_session=True
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _reports(process: Process) -> AsyncIterator[Sequence[Job]]:
    assert process.stdout is not None  # noqa: S101  # it was asked for
    jobs: Sequence[Job] = []
    while line := await process.stdout.readline():
        jobs = pickle.loads(b64decode(line))  # noqa: S301  # the demo's own process wrote it
        yield jobs
    if await process.wait() or not jobs or not all(job.is_terminal for job in jobs):
        raise Sp00kyError(f"the demo's runner ended with {process.returncode}; see: sp00ky demo --debug")


QUICK = RunnerOptions(beat_interval=0.25, dead_after=1.0, reclaim_after=1.0, grace=1.0)
"""A demo is short: what is lost is reclaimed after a second or two, elsewhere after some ten."""

LOOK = 0.2
"""Seconds between two looks at the jobs."""

MOST_JOBS = 1_000
"""More jobs than the demo has."""


async def _run(config: str) -> None:
    with stop_order() as stopped:  # the demo ends, or dies
        async with Outbox.open(config, store=STORE) as outbox, outbox.runner(QUICK):
            await unless_stopped(stopped, _report(outbox))


async def _report(outbox: Outbox) -> None:
    """Print the jobs again and again, each time as a line, until each has ended."""
    while True:
        jobs = await outbox.find(limit=MOST_JOBS)
        sys.stdout.buffer.write(b64encode(pickle.dumps(jobs)) + b"\n")
        sys.stdout.buffer.flush()
        if all(job.is_terminal for job in jobs):
            return
        await asyncio.sleep(LOOK)


if __name__ == "__main__":
    logging.disable(logging.ERROR)  # what is retried is in the summary
    run_async(_run(sys.argv[1]))
