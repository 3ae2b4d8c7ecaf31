"""Turn rows into jobs and new jobs into rows; what can't be delivered gets its ``defect``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from types import NoneType
from typing import Any

from surrealdb import RecordID

from sp00ky_core.errors import OptionInvalid
from sp00ky_core.hints import shown
from sp00ky_core.job.job import Job, NewJob
from sp00ky_core.ports import JobTable
from sp00ky_core.stores.rows import job_of
from sp00ky_store_surreal.ids import id_text, id_value
from sp00ky_store_surreal.surql.loader import MARK

_UNITS = {"ns": 1e-9, "µs": 1e-6, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_UNITS |= {"w": 7 * 86_400.0, "y": 365 * 86_400.0}
_PART = re.compile(r"(\d+)(ns|µs|us|ms|[smhdwy])")

_PLAIN = frozenset({int, float, bool, list, dict, datetime, NoneType})
"""What is taken as it comes: most of a row."""


def job_from(row: Mapping[str, Any], table: JobTable) -> Job:
    """Read a row that a statement returned; no value makes it raise."""
    plain = {key: value if type(value) in _PLAIN else _plain(value) for key, value in row.items()}
    return job_of(
        plain,
        backend=table.backend,
        strategies=table.strategies,
        timeout_counts=table.timeout_overridable,
    )


def row_from(new_job: NewJob, key: RecordID, *, whole_seconds: bool = False) -> dict[str, Any]:
    """Build what is inserted; ``run_at`` by a delay is set by the database's clock afterwards.

    ``whole_seconds``: the table's ``timeout`` takes nothing else.
    """
    row: dict[str, Any] = {
        "id": key,
        "path": new_job.path,
        "payload": new_job.payload_json.decode(),
        "status": "pending",
        "retries": 0,
        "max_retries": new_job.max_retries,
        "retry_strategy": new_job.retry_strategy,
    }
    optional = {
        # Rounded up: an attempt cut short would be worse than one that may take longer.
        "timeout": math.ceil(new_job.timeout) if new_job.timeout and whole_seconds else new_job.timeout,
        "assigned_to": None if new_job.assigned_to is None else parent_of(new_job.assigned_to),
        "dedup_key": new_job.dedup_key,
        "dedup_live": new_job.dedup_key,
        "priority": new_job.priority or None,  # as in rows of clients, who may write none
        "ordering_key": new_job.ordering_key,
        "expires_at": new_job.expires_at,
        "traceparent": new_job.traceparent,
        "run_at": new_job.run_at,
    }
    return row | {name: value for name, value in optional.items() if value is not None}


def parent_of(text: str) -> RecordID:
    """Read ``assigned_to`` as a record. Raises ``OptionInvalid``."""
    value = id_value(text)
    if not isinstance(value, RecordID) or value.id == "":
        raise OptionInvalid(
            option="assigned_to", value=repr(text)[:80], expected="a record's id, as in thread:abc"
        )
    return value


def duration_text(seconds: float) -> str:
    """Write seconds for ``<duration>``; the SDK's own type can't be bound."""
    return f"{max(round(seconds * 1e9), 0)}ns"


def seconds_of(text: object) -> float:
    """Read a duration's text (``1m2s3ms``) as seconds; what is none, or negative, is 0."""
    return sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(str(text)))


def count_of(found: Any) -> int:
    """Read the count of a row or none; embedded 3.2 gives an only row of an IF without the list."""
    row = found[0] if isinstance(found, list) and found else found
    return int(row["count"]) if row else 0


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):  # no column has it: shown as what it is, never taken for text
        return shown(value)
    if isinstance(value, str):
        return value.replace(MARK, "\0") if MARK in value else value
    return id_text(value) if isinstance(value, RecordID) else value
