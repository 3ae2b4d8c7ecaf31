"""A job, and a queue in numbers, for people to read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime

import click

from sp00ky_core.cli.terminal.output import plain, show_json
from sp00ky_core.encoding.job_json import instant_to_json, job_to_json
from sp00ky_core.job import Job, JobStatus
from sp00ky_core.metrics.rates import Rates
from sp00ky_core.ports import OUTCOMES, BackendStats, Pause

JOB_COLUMNS = (
    *("id", "backend", "path", "status", "retries"),
    *("assigned_to", "updated (UTC)", "due (UTC)", "error"),
)
CLAIM_COLUMNS = ("id", "backend", "path", "retries", "runner", "host", "since (UTC)", "deadline (UTC)")
LONGEST_REASON = 60
"""Characters of it in a list's row."""

STATS_COLUMNS = (
    *("backend", "pending", "due", "processing", "success", "failed"),
    *("stalled", "deferred", "oldest due", "breaker", "paused"),
)

RATES_COLUMNS = (
    *("backend", "attempts", "per second", *OUTCOMES),
    *("p50", "p95", "p99", "not delivered, by code"),
)


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
    """One change of a job, in one line."""
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
        code = f" {error.code}" if error.code else ""
        line = f"{moment(error.at)} attempt {error.attempt}: {error.name}{code}: {error.reason}"
        yield f"  {plain(line)}"


def show_job(job: Job, *, json_wanted: bool, whole: bool = True) -> None:
    """Print a job as JSON, or a field a line; where the ``whole`` isn't wanted, its id."""
    if json_wanted:
        show_json(job_to_json(job))
        return
    for line in job_lines(job) if whole else [job.id]:
        click.echo(line)


def stats_row(backend: str, stats: BackendStats) -> tuple[object, ...]:
    """Format a backend under ``STATS_COLUMNS``."""
    oldest = "" if stats.oldest_due_s is None else f"{stats.oldest_due_s:.1f} s"
    wait = stats.breaker.paused_for_s
    breaker = f"{stats.breaker.state}, paused for {wait:.1f} s" if wait else stats.breaker.state
    ended = (stats.success, stats.failed)
    counts = (stats.pending, stats.due, stats.processing, *ended, stats.stalled, stats.deferred)
    return (backend, *counts, oldest, breaker, pause_text(stats.paused))


def rates_row(rates: Rates) -> tuple[object, ...]:
    """Format a backend's attempts under ``RATES_COLUMNS``."""
    counts = (rates.outcomes[each] for each in OUTCOMES)
    durations = (_seconds(each) for each in (rates.p50_s, rates.p95_s, rates.p99_s))
    codes = ", ".join(f"{code or 'no answer'}: {count}" for code, count in rates.codes.items())
    return (rates.backend, rates.attempts, f"{rates.per_second:.2f}", *counts, *durations, codes)


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds * 1_000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def pause_text(pause: Pause | None) -> str:
    """Format an operator's pause: until when, by whom, and why."""
    if pause is None:
        return ""
    text = "until it is resumed" if pause.until is None else f"until {moment(pause.until)}"
    text += f", by {pause.actor}" if pause.actor else ""
    return f"{text}: {pause.reason}" if pause.reason else text


def moment(at: datetime | None) -> str:
    """Format an instant, to the second."""
    return at.strftime("%m-%d %H:%M:%S") if at else ""


def last_error(job: Job) -> str:
    """Format what went wrong last, of a job that wasn't delivered."""
    if not job.errors or job.status is JobStatus.SUCCESS:
        return ""
    last = job.errors[-1]
    reason = last.reason if len(last.reason) <= LONGEST_REASON else f"{last.reason[:LONGEST_REASON]}..."
    return f"{last.code or last.name}: {reason}"
