"""Run the demo: a folder, a backend, 200 jobs, a runner that is killed, another one, and what came of it."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from shutil import get_terminal_size

import attrs
import click
from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.text import Text

from sp00ky_core.cli.demo import runner
from sp00ky_core.cli.demo.backend import DemoBackend
from sp00ky_core.cli.demo.runner import STORE, jobs_of
from sp00ky_core.cli.job_format import cause
from sp00ky_core.cli.options import run_async
from sp00ky_core.cli.output import is_terminal
from sp00ky_core.cli.screen import count, grid, stacked
from sp00ky_core.cli.table import COLOURS
from sp00ky_core.errors import AdapterMissing, Sp00kyError
from sp00ky_core.job.job import Job, JobStatus, NewJob
from sp00ky_core.job.outcome import THROTTLED
from sp00ky_core.outbox.outbox import Outbox

PAYMENT = "/charge-payment"
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
    """Deliver the demo's jobs, showing how it goes; return the lines of the summary."""
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


BAR, WIDTH = 14, 78
"""Columns."""

Show = Callable[[Sequence[Job], str], None]
"""What is called with all jobs, and what is going on, whenever they may have changed."""


@contextmanager
def screen(expected: Mapping[str, int]) -> Iterator[Show]:
    """Yield what shows the jobs; ``expected`` of each path."""
    if not is_terminal(sys.stdout):
        yield _plain_lines()
        return
    began = time.monotonic()
    with Live(refresh_per_second=8) as live:

        def show(jobs: Sequence[Job], scene: str) -> None:
            picture = _picture(jobs, expected, f"{time.monotonic() - began:4.1f} s  {scene}")
            live.update(picture, refresh=True)  # at once: what follows may be an import, which stops threads

        yield show


def _plain_lines() -> Show:
    last: list[str] = ["", ""]

    def show(jobs: Sequence[Job], scene: str) -> None:
        counts = Counter(job.status for job in jobs)
        lines = [", ".join(f"{counts[status]} {status.value}" for status in JobStatus), scene]
        for before, line in zip(last, lines, strict=True):
            if line != before:
                click.echo(line)
        last[:] = lines

    return show


def _picture(jobs: Sequence[Job], expected: Mapping[str, int], scene: str) -> Group:
    rows = [_row([job for job in jobs if job.path == path], path, total) for path, total in expected.items()]
    columns = ("route", *(status.value for status in JobStatus), "retried", "")
    table = grid(columns, rows, get_terminal_size().columns)
    table.columns[-1].justify = "left"
    done = sum(1 for job in jobs if job.is_terminal)
    bar = ProgressBar(total=sum(expected.values()), completed=done, width=WIDTH)
    return Group(stacked(Text("sp00ky demo", style="bold"), table, Text(scene)), bar)


def _row(jobs: Sequence[Job], path: str, total: int) -> tuple[object, ...]:
    counts = Counter(job.status for job in jobs)
    numbers = (count(counts[status], COLOURS[status.value]) for status in JobStatus)
    retried = sum(1 for job in jobs if job.retries)
    return (path, *numbers, retried, _bar(counts, total))


def _bar(counts: Counter[JobStatus], total: int) -> Text:
    """Draw the jobs of a route, each part in its status's colour."""
    bar, drawn, seen = Text(), 0, 0
    for status in (JobStatus.SUCCESS, JobStatus.FAILED, JobStatus.PROCESSING, JobStatus.PENDING):
        seen += counts[status]
        reach = -(-BAR * seen // total)
        bar.append("█" * (reach - drawn), style=COLOURS[status.value])
        drawn = reach
    return bar


@attrs.frozen(kw_only=True)
class Killed:
    """Describes the runner that was killed.

    Attributes:
        pid: Its process.
        in_flight: The ids of the jobs that it had claimed.
    """

    pid: int
    in_flight: Sequence[str]

    def recovered(self, jobs: Sequence[Job]) -> int:
        """Count those of its jobs that were delivered by another one."""
        claimed = frozenset(self.in_flight)
        return sum(1 for job in jobs if job.id in claimed and job.status is JobStatus.SUCCESS)


def summary(
    jobs: Sequence[Job], backend: DemoBackend, seconds: float, config: Path, killed: Killed
) -> Iterator[str]:
    """Yield the summary's lines, coloured."""
    yield ""
    yield click.style(f"{len(jobs)} jobs in {seconds:.1f} s, none lost", bold=True)
    yield from _counts(jobs)
    claimed, recovered = len(killed.in_flight), killed.recovered(jobs)
    yield f"{_name('killed')}runner {killed.pid}, with {claimed} jobs in flight"
    yield f"{_name('recovered', 'green')}{recovered}, delivered by the next runner"
    yield from _failures([job for job in jobs if job.status is JobStatus.FAILED])
    twice = sum(1 for count in backend.answered.values() if count > 1)
    again = "that the killed runner had sent; their Idempotency-Key says so"
    yield f"{_name('sent twice')}{twice}, {again}"
    yield _payments([job for job in jobs if job.path == PAYMENT], backend)
    yield ""
    yield from _how_to_go_on(config)


def _counts(jobs: Sequence[Job]) -> Iterator[str]:
    retried = [job for job in jobs if job.retries]
    delivered = sum(1 for job in retried if job.status is JobStatus.SUCCESS)
    yield f"{_name('delivered', 'green')}{sum(1 for job in jobs if job.status is JobStatus.SUCCESS)}"
    yield f"{_name('retried', 'yellow')}{len(retried)}, of which {delivered} were delivered in the end"
    yield f"  because of {_reasons(retried)}"
    throttled = sum(1 for job in jobs if any(error.name == THROTTLED for error in job.errors))
    yield f"{_name('throttled')}{throttled}, which waited and used up no retry"


def _name(name: str, colour: str | None = None) -> str:
    return click.style(f"{name + ':':13}", fg=colour)


def _failures(failed: Sequence[Job]) -> Iterator[str]:
    yield f"{_name('failed', 'red')}{len(failed)}"
    for path in sorted({job.path for job in failed}):
        those = [job for job in failed if job.path == path]
        retries = f"after {those[0].max_retries} retries" if those[0].max_retries else "never retried"
        yield f"  {len(those)} x {path}, {retries}: {_reasons(those)}"


def _reasons(jobs: Sequence[Job]) -> str:
    counts = Counter(cause(error) for job in jobs for error in job.errors)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} x {reason}" for reason, count in ordered) or "nothing"


def _payments(payments: Sequence[Job], backend: DemoBackend) -> str:
    most = max(backend.requests[job.id] for job in payments)
    return f"{PAYMENT} must not be repeated: {len(payments)} jobs, at most {most} request for each"


def _how_to_go_on(config: Path) -> Iterator[str]:
    program = "sp00ky" if shutil.which("sp00ky") else sys.argv[0]  # as .venv/bin/sp00ky was called
    command = f"{shlex.quote(program)} --config {shlex.quote(str(config))}"
    if os.environ.get("SP00KY_STORE"):  # it would override the file's
        command = f"SP00KY_STORE= {command}"
    yield f"The sp00ky.yml that was used: {config}"
    yield "Go on from there:"
    yield f"  {command} jobs list --status failed"
    yield f"  {command} jobs stats"
