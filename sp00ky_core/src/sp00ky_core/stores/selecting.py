"""Which jobs a query means, their order, and a queue in numbers: what a store says in its language."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from sp00ky_core.job import Job, JobStatus
from sp00ky_core.ports import BackendStats, JobQuery

__all__ = ["BEGINNING", "matches", "age_of", "stats_of"]

BEGINNING = datetime.min.replace(tzinfo=UTC)
"""Stands for an instant that a row doesn't have; before every other."""


def matches(job: Job, query: JobQuery) -> bool:
    """Whether a job meets every condition of a query (its page aside)."""
    return (
        (query.ids is None or job.id in query.ids)
        and query.backend in {None, job.backend}
        and query.status in {None, job.status}
        and query.path in {None, job.path}
        and query.assigned_to in {None, job.assigned_to}
    )


def age_of(job: Job) -> tuple[datetime, str]:
    """Sorts jobs by age, the oldest first."""
    return job.created_at or BEGINNING, job.id


def stats_of(jobs: Iterable[Job], now: datetime) -> BackendStats:
    """The numbers of one backend's jobs."""
    counts = dict.fromkeys(JobStatus, 0)
    due_since: list[datetime] = []
    stalled = 0
    for job in jobs:
        counts[job.status] += 1
        if job.status is JobStatus.PENDING and (job.run_at is None or job.run_at <= now):
            due_since.append(job.run_at or job.created_at or now)
        if job.status is JobStatus.PROCESSING and (job.lease_until is None or job.lease_until <= now):
            stalled += 1
    return BackendStats(
        pending=counts[JobStatus.PENDING],
        processing=counts[JobStatus.PROCESSING],
        success=counts[JobStatus.SUCCESS],
        failed=counts[JobStatus.FAILED],
        due=len(due_since),
        stalled=stalled,
        oldest_due_s=max((now - min(due_since)).total_seconds(), 0.0) if due_since else None,
    )
