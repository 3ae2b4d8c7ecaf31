"""Sum up the demo at its end: what was retried and why, and how to go on."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs
import click

from sp00ky_core.cli.demo.backend import DemoBackend
from sp00ky_core.job import AttemptError, Job, JobStatus
from sp00ky_core.outcome import THROTTLED

PAYMENT = "/charge-payment"


@attrs.frozen(kw_only=True)
class Killed:
    """The runner that was killed.

    Attributes:
        pid: Its process.
        in_flight: The ids of the jobs that it had claimed.
    """

    pid: int
    in_flight: Sequence[str]

    def recovered(self, jobs: Sequence[Job]) -> int:
        """Count those of its jobs that were delivered by another one."""
        held = frozenset(self.in_flight)
        return sum(1 for job in jobs if job.id in held and job.status is JobStatus.SUCCESS)


def summary(
    jobs: Sequence[Job], backend: DemoBackend, seconds: float, config: Path, killed: Killed
) -> Iterator[str]:
    """Yield the lines, coloured."""
    yield ""
    yield click.style(f"{len(jobs)} jobs in {seconds:.1f} s, none lost", bold=True)
    yield from _counts(jobs)
    held, recovered = len(killed.in_flight), killed.recovered(jobs)
    yield f"{_name('killed')}runner {killed.pid}, with {held} jobs in flight"
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
    counts = Counter(_reason(error) for job in jobs for error in job.errors)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} x {reason}" for reason, count in ordered) or "nothing"


def _reason(error: AttemptError) -> str:
    return f"HTTP {error.code}" if error.code else error.name


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
