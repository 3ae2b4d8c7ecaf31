"""Format jobs for people to read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import click

from sp00ky_core.cli.output import moment, plain, show_json
from sp00ky_core.job.job import AttemptError, Job, JobStatus, instant_to_json, job_to_json
from sp00ky_core.job.outcome import HTTP
from sp00ky_core.ports import ErrorGroup

JOB_COLUMNS = (
    *("id", "backend", "path", "status", "retries"),
    *("assigned_to", "updated (UTC)", "due (UTC)", "error"),
)
CLAIM_COLUMNS = ("id", "backend", "path", "retries", "runner", "host", "since (UTC)", "deadline (UTC)")
LONGEST_REASON = 60
"""Characters of it in a list's row."""


def job_row(job: Job) -> tuple[object, ...]:
    """Format a job under ``JOB_COLUMNS``."""
    retries = f"{job.retries}/{job.max_retries}"
    due = moment(job.run_at) if job.status is JobStatus.PENDING else ""
    what = (job.id, job.backend, job.path, job.status.value, retries)
    return (*what, job.assigned_to, moment(job.updated_at), due, last_error(job))


def claim_row(job: Job, hosts: Mapping[str, str]) -> tuple[object, ...]:
    """Format a job that is processing under ``CLAIM_COLUMNS``; ``hosts`` are by runners' ids."""
    runner = job.runner_id or ""
    claim = (runner, hosts.get(runner), moment(job.updated_at), moment(job.lease_until))
    return (job.id, job.backend, job.path, f"{job.retries}/{job.max_retries}", *claim)


def change_line(job: Job) -> str:
    """Format a change of a job, in one line."""
    line = f"{moment(job.updated_at)}  {job.id}  {job.backend} {job.path}  {job.status.value}"
    if job.retries:
        line += f"  retry {job.retries} of {job.max_retries}"
    return plain(f"{line}  {last_error(job)}".rstrip())


def job_lines(job: Job) -> Iterator[str]:
    """Format a job, a field a line."""
    for name, value in job_to_json(job).items():
        if name != "errors" and value is not None:
            shown = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
            yield f"{name}: {plain(shown)}"
    if job.expires_at is not None:
        yield f"expires_at: {instant_to_json(job.expires_at)}"
    for error in job.errors:
        code = "" if not error.code else f" {error.code}" if error.scheme == HTTP else f" {error}"
        line = f"{moment(error.at)} attempt {error.attempt}: {error.name}{code}: {error.reason}"
        yield f"  {plain(line)}"


def show_job(job: Job, *, json_wanted: bool, whole: bool = True) -> None:
    """Print a job as JSON, or a field a line; where the ``whole`` isn't wanted, its id."""
    if json_wanted:
        show_json(job_to_json(job))
        return
    for line in job_lines(job) if whole else [job.id]:
        click.echo(line)


def cause(error: AttemptError | ErrorGroup) -> str:
    """Name what went wrong: by a status if there was an answer."""
    return str(error)


def last_error(job: Job) -> str:
    """Format what went wrong last, of a job that wasn't delivered."""
    if not job.errors or job.status is JobStatus.SUCCESS:
        return ""
    last = job.errors[-1]
    reason = last.reason if len(last.reason) <= LONGEST_REASON else f"{last.reason[:LONGEST_REASON]}..."
    return f"{last.code or last.name}: {reason}"
