"""Run the demo: a folder, a backend, 200 jobs, a runner that is killed, another one, and what came of it."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from pathlib import Path

from sp00ky_core.cli.context import run_async
from sp00ky_core.cli.demo import runner
from sp00ky_core.cli.demo.backend import DemoBackend
from sp00ky_core.cli.demo.runner import STORE
from sp00ky_core.cli.demo.screen import Show, screen
from sp00ky_core.cli.demo.snapshot import jobs_of
from sp00ky_core.cli.demo.summary import PAYMENT, Killed, summary
from sp00ky_core.errors import AdapterMissing, Sp00kyError
from sp00ky_core.job import Job, JobStatus, NewJob
from sp00ky_core.outbox import Outbox

JOBS = {"/spookify": 120, "/chat": 20, PAYMENT: 60}

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

LONGEST_LINE = 2**20
"""Bytes of a report: 200 jobs have 30,000."""

SLOW, MANY = "/chat", 4
"""The runner is killed while it waits for so many answers of a slow route..."""

LATE = 110
"""...or once so many of its 140 jobs have ended, and it has any in hand."""


def delivered() -> Iterator[str]:
    """Do it, showing how it goes; the lines of the summary."""
    folder = Path(tempfile.mkdtemp(prefix="sp00ky-demo-"))
    with DemoBackend.started() as backend:
        config = _write_config(folder, backend)
        started = time.monotonic()
        try:
            jobs, killed = run_async(_deliver(config))
        except AdapterMissing:
            shutil.rmtree(folder)  # nothing has happened in it
            raise
        seconds = time.monotonic() - started
    return summary(jobs, backend, seconds, config, killed)


def _write_config(folder: Path, backend: DemoBackend) -> Path:
    document = files("sp00ky_core").joinpath("cli", "demo", "openapi.yml").read_text(encoding="utf-8")
    (folder / "openapi.yml").write_text(document, encoding="utf-8")
    config = folder / "sp00ky.yml"
    config.write_text(CONFIG.format(store=STORE, url=backend.url), encoding="utf-8")
    return config


async def _deliver(config: Path) -> tuple[Sequence[Job], Killed]:
    Outbox.open(config, store=STORE).transport_factories()  # is a transport installed?
    try:
        with screen(JOBS) as show:
            async with asyncio.timeout(LONGEST):
                return await _scenes(config, show)
    except TimeoutError as error:
        raise Sp00kyError(
            f"the demo's jobs haven't ended in {LONGEST} s: is this machine that busy?"
        ) from error


async def _scenes(config: Path, show: Show) -> tuple[Sequence[Job], Killed]:
    """Enqueue, run, kill the runner, enqueue without one, and run again until all has ended."""
    show([], "200 jobs: some are enqueued now")
    jobs = await _enqueue(config, ("/spookify", SLOW))
    show(jobs, "a runner starts")
    async with _runner(config) as process:
        jobs = await _until_killed(process, show)
    in_flight = [job.id for job in jobs if job.status is JobStatus.PROCESSING]
    killed = Killed(pid=process.pid, in_flight=in_flight)
    show(jobs, f"kill -9 {process.pid}: that runner is gone, with {len(in_flight)} jobs in flight")
    await asyncio.sleep(1.0)  # for the reader
    jobs = [*jobs, *await _enqueue(config, (PAYMENT,))]
    show(jobs, f"{JOBS[PAYMENT]} jobs are enqueued while there is no runner, and another one starts")
    async with _runner(config) as process:
        async for jobs in _reports(process):
            show(jobs, f"runner {process.pid} delivers; {_recovery(jobs, killed)}")
    return jobs, killed


async def _until_killed(process: Process, show: Show) -> Sequence[Job]:
    """Return the jobs as they were last reported when the runner was killed."""
    jobs: Sequence[Job] = []
    async for jobs in _reports(process):
        show(jobs, f"runner {process.pid} delivers")
        busy = [job.path for job in jobs if job.status is JobStatus.PROCESSING]
        ended = sum(1 for job in jobs if job.is_terminal)
        if busy.count(SLOW) >= MANY or (ended >= LATE and busy):
            with suppress(ProcessLookupError):  # what was read may be older than its end
                process.kill()
            break
    return jobs


def _recovery(jobs: Sequence[Job], killed: Killed) -> str:
    recovered = killed.recovered(jobs)
    return f"{recovered} of {len(killed.in_flight)} jobs of the killed one are recovered"


async def _enqueue(config: Path, paths: Sequence[str]) -> Sequence[Job]:
    async with Outbox.open(config, store=STORE) as outbox:
        await outbox.store.migrate()
        jobs: list[Job] = []
        for path in paths:
            retries = 0 if path == PAYMENT else 3
            new_jobs = [NewJob(path=path, payload={"n": n}, max_retries=retries) for n in range(JOBS[path])]
            jobs += await outbox.run_many("demo", new_jobs)
    return jobs


@asynccontextmanager
async def _runner(config: Path) -> AsyncIterator[Process]:
    """Run the demo's jobs in a process that ends with the context; an interrupt is for the demo alone."""
    command = (sys.executable, "-P", "-m", runner.__name__, str(config))
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
        yield (jobs := jobs_of(line))
    if await process.wait() or not jobs or not all(job.is_terminal for job in jobs):
        raise Sp00kyError(f"the demo's runner ended with {process.returncode}; see: sp00ky demo --debug")
