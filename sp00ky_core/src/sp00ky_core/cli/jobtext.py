"""A job, and a queue in numbers, for people to read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime

from sp00ky_core.cli.output import plain
from sp00ky_core.codec import job_to_json
from sp00ky_core.job import Job, JobStatus
from sp00ky_core.ports import BackendStats

__all__ = ["JOB_COLUMNS", "job_row", "change_line", "job_lines", "STATS_COLUMNS", "stats_row"]

JOB_COLUMNS = (
    "id",
    "backend",
    "path",
    "status",
    "retries",
    "assigned_to",
    "updated (UTC)",
    "due (UTC)",
    "error",
)
LONGEST_REASON = 60
"""Characters of it in a list's row."""

STATS_COLUMNS = (
    "backend",
    "pending",
    "due",
    "processing",
    "success",
    "failed",
    "stalled",
    "oldest due",
    "breaker",
)


def job_row(job: Job) -> tuple[object, ...]:
    """A job under ``JOB_COLUMNS``."""
    retries = f"{job.retries}/{job.max_retries}"
    return (
        job.id,
        job.backend,
        job.path,
        job.status.value,
        retries,
        job.assigned_to,
        _moment(job.updated_at),
        _moment(job.run_at) if job.status is JobStatus.PENDING else "",
        _last_error(job),
    )


def change_line(job: Job) -> str:
    """One change of a job, in one line."""
    line = f"{_moment(job.updated_at)}  {job.id}  {job.backend} {job.path}  {job.status.value}"
    if job.retries:
        line += f"  retry {job.retries} of {job.max_retries}"
    return plain(f"{line}  {_last_error(job)}".rstrip())


def job_lines(job: Job) -> Iterator[str]:
    """A job, a field a line."""
    for name, value in job_to_json(job).items():
        if name != "errors" and value is not None:
            shown = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
            yield f"{name}: {plain(shown)}"
    for error in job.errors:
        code = f" {error.code}" if error.code else ""
        line = f"{_moment(error.at)} attempt {error.attempt}: {error.name}{code}: {error.reason}"
        yield f"  {plain(line)}"


def stats_row(backend: str, stats: BackendStats) -> tuple[object, ...]:
    """A backend under ``STATS_COLUMNS``."""
    oldest = "" if stats.oldest_due_s is None else f"{stats.oldest_due_s:.1f} s"
    pause = stats.breaker.paused_for_s
    breaker = f"{stats.breaker.state}, paused for {pause:.1f} s" if pause else stats.breaker.state
    counts = (stats.pending, stats.due, stats.processing, stats.success, stats.failed, stats.stalled)
    return (backend, *counts, oldest, breaker)


def _moment(at: datetime | None) -> str:
    return at.strftime("%m-%d %H:%M:%S") if at else ""


def _last_error(job: Job) -> str:
    if not job.errors or job.status is JobStatus.SUCCESS:
        return ""
    last = job.errors[-1]
    reason = last.reason if len(last.reason) <= LONGEST_REASON else f"{last.reason[:LONGEST_REASON]}..."
    return f"{last.code or last.name}: {reason}"
