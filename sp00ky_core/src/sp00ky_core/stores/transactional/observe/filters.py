"""Translate conditions on jobs into conditions on rows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from sp00ky_core.job.job import JobStatus
from sp00ky_core.ports import JobFilter, JobQuery, JobTable
from sp00ky_core.stores.ids import table_of
from sp00ky_core.stores.transactional.connection.session import Either, Is, Where
from sp00ky_core.stores.transactional.rows import key_of
from sp00ky_core.stores.transactional.schema.definition import NOT_ENDED

__all__ = ["filters"]

PENDING = Is("status", "=", JobStatus.PENDING)
PROCESSING = Is("status", "=", JobStatus.PROCESSING)
ORDERED = (NOT_ENDED, Is("ordering_key", "!=", None))
UNORDERED = (PENDING, Is("ordering_key", "=", None))
NEWEST_FIRST, OLDEST_FIRST = ("-created_at", "-id"), ("created_at", "id")

CONDITIONS: Mapping[str, tuple[str, str]] = {
    "paths": ("path", "in"),
    "assigned_to": ("assigned_to", "="),
    "ordering_key": ("ordering_key", "="),
    "runner_id": ("runner_id", "="),
    "status": ("status", "="),
    "error_name": ("last_error_name", "="),
    "code": ("last_error_code", "="),
    "since": ("created_at", ">="),
    "until": ("created_at", "<"),
}
"""What each field of a ``JobFilter`` asks of which column."""


def filters(conditions: JobFilter, table: JobTable) -> list[Where] | None:
    """Return the conditions on a table's rows; None: no row of it can meet them."""
    if conditions.backend not in {None, table.backend}:
        return None
    where: list[Where] = []
    for field, (column, operator) in CONDITIONS.items():
        value = getattr(conditions, field)
        if value is not None:
            where.append(Is(column, operator, value))  # type: ignore[arg-type]  # an Operator, by the table above
    if isinstance(conditions, JobQuery) and conditions.ids is not None:
        keys = [key_of(each) for each in conditions.ids if table_of(each) == table.table]
        return [*where, Is("id", "in", keys)] if keys else None
    return where


def due(now: datetime) -> tuple[Is, Is]:
    """Return the conditions that a pending row is due: it says nothing, or it says a time that has come."""
    return Is("run_at", "=", None), Is("run_at", "<=", now)


def overdue(table: JobTable, now: datetime) -> Where:
    """Return the condition that a lease has run out, is missing, or is none that a claim can have written."""
    longest = now + timedelta(seconds=table.longest_lease)
    return Either(
        (
            Is("lease_until", "=", None),
            Is("lease_until", "<=", now),
            Is("lease_until", ">", longest),
            Is("lease_epoch", "=", None),
            Is("lease_epoch", "<=", 0),
        )
    )


def leased(table: JobTable, now: datetime) -> list[Where]:
    """Return the conditions of rows that aren't processing, and whose request may still be under way.

    They were lost or killed; a lease that no claim can have written says nothing.
    """
    longest = now + timedelta(seconds=table.longest_lease)
    return [
        Is("status", "!=", JobStatus.PROCESSING),
        Is("lease_until", ">", now),
        Is("lease_until", "<=", longest),
        Is("lease_epoch", ">", 0),
    ]
