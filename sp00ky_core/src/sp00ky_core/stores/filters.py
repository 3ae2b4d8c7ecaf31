"""Match jobs against conditions and sort them by age: what a store says in its language."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sp00ky_core.errors import OptionInvalid
from sp00ky_core.hints import shown
from sp00ky_core.job.job import Job
from sp00ky_core.ports import LONGEST_LEASE, JobFilter, JobQuery

__all__ = ["BEGINNING", "age_of", "is_overdue", "matches", "unknown_entry"]

BEGINNING = datetime.min.replace(tzinfo=UTC)
"""Stands for an instant that a row doesn't have; before every other."""


def matches(job: Job, conditions: JobFilter) -> bool:
    """Whether a job meets every condition of a filter, or of a query (its page aside)."""
    created_at = job.created_at or BEGINNING
    return (
        (not isinstance(conditions, JobQuery) or conditions.ids is None or job.id in conditions.ids)
        and conditions.backend in {None, job.backend}
        and conditions.status in {None, job.status}
        and (conditions.paths is None or job.path in conditions.paths)
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


def unknown_entry(entry_id: str) -> OptionInvalid:
    """Return the error for a page of the audit after an entry that is missing."""
    return OptionInvalid(option="after", value=shown(entry_id), expected="the id of an audit entry")
