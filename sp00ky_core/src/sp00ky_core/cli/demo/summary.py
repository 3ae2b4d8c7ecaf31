"""What the demo says at its end: what was retried and why, and how to go on."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from sp00ky_core.cli.demo.backend import DemoBackend
from sp00ky_core.job import AttemptError, Job, JobStatus
from sp00ky_core.outcome import HTTP_STATUS

__all__ = ["summary"]


def summary(jobs: Sequence[Job], backend: DemoBackend, seconds: float, config: Path) -> Iterator[str]:
    """The lines."""
    succeeded = [job for job in jobs if job.status is JobStatus.SUCCESS]
    failed = [job for job in jobs if job.status is JobStatus.FAILED]
    retried = [job for job in jobs if job.retries]
    yield ""
    yield f"{len(jobs)} jobs in {seconds:.1f} s: {len(succeeded)} success, {len(failed)} failed"
    yield f"{len(retried)} were retried, because of: {_reasons(retried)}"
    yield f"{sum(1 for job in retried if job.status is JobStatus.SUCCESS)} of them succeeded in the end"
    for path in sorted({job.path for job in failed}):
        those = [job for job in failed if job.path == path]
        yield f"failed: {len(those)} x {path} ({_reasons(those)}), max_retries = {those[0].max_retries}"
    yield _payments([job for job in jobs if job.path == "/charge-payment"], backend)
    twice = sum(1 for count in backend.answered.values() if count > 1)
    yield f"jobs that the backend had to do twice: {twice}"
    yield ""
    yield f"The configuration that was used: {config}"
    command = f"sp00ky --config {shlex.quote(str(config))}"
    yield f"Go on from there:  {command} jobs list --status failed"
    yield f"                   {command} jobs stats"


def _reasons(jobs: Sequence[Job]) -> str:
    counts = Counter(_reason(error) for job in jobs for error in job.errors)
    return ", ".join(f"{count} x {reason}" for reason, count in counts.most_common()) or "nothing"


def _reason(error: AttemptError) -> str:
    return f"HTTP {error.code}" if error.name == HTTP_STATUS else error.name


def _payments(jobs: Sequence[Job], backend: DemoBackend) -> str:
    most = max(backend.requests[job.id] for job in jobs)
    return f"/charge-payment must not be repeated: {len(jobs)} jobs, at most {most} request for each"
