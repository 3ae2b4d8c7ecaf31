"""Match jobs against conditions and sort them by age: what a store says in its language."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sp00ky_core.error_texts import shown
from sp00ky_core.errors import OptionInvalid
from sp00ky_core.job.job import Job
from sp00ky_core.ports import LONGEST_LEASE, JobFilter, JobQuery

__all__ = ["BEGINNING", "age_of", "is_overdue", "matches", "unknown_entry"]

BEGINNING = datetime.min.replace(tzinfo=UTC)
"""Stands for an instant that a row doesn't have; before every other."""


COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda value, values: value in values,
    "not in": lambda value, values: value not in values,
}
"""The comparison that each operator of a condition means."""


def matches(job: Job, conditions: JobFilter) -> bool:
    """Whether a job meets every condition of a filter, or of a query (its page aside)."""
    if isinstance(conditions, JobQuery) and conditions.ids is not None and job.id not in conditions.ids:
        return False
    return conditions.backend in {None, job.backend} and all(
        _is_met(_value_of(job, column), comparison, asked)
        for column, comparison, asked in conditions.comparisons()
    )


def _is_met(value: object, comparison: str, asked: object) -> bool:
    """Compare as databases do: what is missing meets nothing."""
    return value is not None and COMPARED[comparison](value, asked)


def _value_of(job: Job, column: str) -> object:
    field = column.removeprefix("last_error_")
    if field != column:
        return getattr(job.errors[-1], field) if job.errors else None
    return getattr(job, column)


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
