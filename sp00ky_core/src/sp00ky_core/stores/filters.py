"""Match jobs against conditions, sort them by age, count a queue: what a store says in its language."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from sp00ky_core.errors import OptionInvalid, shown
from sp00ky_core.job import Job, JobStatus
from sp00ky_core.ports import LONGEST_LEASE, BackendStats, JobFilter, JobQuery

__all__ = ["BEGINNING", "matches", "age_of", "is_overdue", "stats_of", "unknown_entry"]

BEGINNING = datetime.min.replace(tzinfo=UTC)
"""Stands for an instant that a row doesn't have; before every other."""


def matches(job: Job, conditions: JobFilter) -> bool:
    """Whether a job meets every condition of a filter, or of a query (its page aside)."""
    created_at = job.created_at or BEGINNING
    return (
        (not isinstance(conditions, JobQuery) or conditions.ids is None or job.id in conditions.ids)
        and conditions.backend in {None, job.backend}
        and conditions.status in {None, job.status}
        and conditions.path in {None, job.path}
        and conditions.assigned_to in {None, job.assigned_to}
        and conditions.ordering_key in {None, job.ordering_key}
        and conditions.runner_id in {None, job.runner_id}
        and (conditions.since is None or created_at >= conditions.since)
        and (conditions.until is None or created_at < conditions.until)
        and _last_error_matches(job, conditions)
    )


def _last_error_matches(job: Job, conditions: JobFilter) -> bool:
    if conditions.error_name is None and conditions.code is None:
        return True
    if not job.errors:
        return False
    last = job.errors[-1]
    return conditions.error_name in {None, last.name} and conditions.code in {None, last.code}


def age_of(job: Job) -> tuple[datetime, str]:
    """Return the key that sorts jobs by age, the oldest first."""
    return job.created_at or BEGINNING, job.id


def is_overdue(job: Job, now: datetime) -> bool:
    """Whether a ``processing`` job's lease has run out, is missing, or ends later than any lease can."""
    until = job.lease_until
    return until is None or not now < until <= now + timedelta(seconds=LONGEST_LEASE)


def stats_of(jobs: Iterable[Job], now: datetime) -> BackendStats:
    """Count one backend's jobs."""
    counts = dict.fromkeys(JobStatus, 0)
    due_since: list[datetime] = []
    deferred: list[datetime] = []
    stalled = 0
    for job in jobs:
        counts[job.status] += 1
        if job.status is JobStatus.PENDING and (job.run_at is None or job.run_at <= now):
            due_since.append(job.run_at or job.created_at or now)
        if job.status is JobStatus.PENDING and job.deferred_since is not None:
            deferred.append(job.deferred_since)
        if job.status is JobStatus.PROCESSING and is_overdue(job, now):
            stalled += 1
    return BackendStats(
        pending=counts[JobStatus.PENDING],
        processing=counts[JobStatus.PROCESSING],
        success=counts[JobStatus.SUCCESS],
        failed=counts[JobStatus.FAILED],
        due=len(due_since),
        stalled=stalled,
        deferred=len(deferred),
        oldest_deferred_s=_oldest(deferred, now),
        oldest_due_s=_oldest(due_since, now),
    )


def _oldest(instants: list[datetime], now: datetime) -> float | None:
    return max((now - min(instants)).total_seconds(), 0.0) if instants else None


def unknown_entry(entry_id: str) -> OptionInvalid:
    """Return the error for a page of the audit after an entry that is missing."""
    return OptionInvalid(option="after", value=shown(entry_id), expected="the id of an audit entry")
