"""Write new jobs as the arguments of the INSERTs, and as the jobs that the rows then are."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sp00ky_core.encoding.json_bytes import decode
from sp00ky_core.errors import PayloadNotJson
from sp00ky_core.job import Job, JobStatus, NewJob
from sp00ky_core.ports import JobTable
from sp00ky_core.stores.rows import instant_of

__all__ = [
    "as_utc",
    "is_plain",
    "many_arguments",
    "one_arguments",
    "plain_arguments",
    "refuse_beyond_float",
    "stored",
]

MICROSECOND = timedelta(microseconds=1)

MAYBE_BEYOND_FLOAT = re.compile(rb"\d{300}|[eE]\+?\d{3}")
"""Text that may hold a number beyond float: looked for first, because parsing costs more than the rest."""


def refuse_beyond_float(payload: bytes) -> None:
    """Raise ``PayloadNotJson`` where a number is beyond what most readers of JSON can hold."""
    if not MAYBE_BEYOND_FLOAT.search(payload):
        return
    try:
        beyond = _is_beyond(decode(payload))
    except ValueError as error:
        raise PayloadNotJson(problem=str(error)) from error
    if beyond:
        raise PayloadNotJson(problem="a number is beyond float, which is all that many readers have")


def _is_beyond(value: Any) -> bool:
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, dict):
            left.extend(each.values())
        elif isinstance(each, list):
            left.extend(each)
        elif isinstance(each, int | float) and _is_infinite(each):
            return True
    return False


def _is_infinite(number: float) -> bool:
    try:
        return math.isinf(number)
    except OverflowError:  # an int beyond every float
        return True


def is_plain(new_job: NewJob) -> bool:
    """Tell whether nothing but path and payload differs from a new job's defaults."""
    return (
        new_job.max_retries == 3  # noqa: PLR2004  # its default, as the statements have it
        and new_job.retry_strategy == "linear"
        and new_job.timeout is None
        and new_job.assigned_to is None
        and new_job.dedup_key is None
        and new_job.traceparent is None
        and new_job.run_at is None
        and new_job.delay is None
        and new_job.priority == 0
        and new_job.ordering_key is None
        and new_job.expires_at is None
    )


def one_arguments(key: str, new_job: NewJob, *, plain: bool) -> tuple[Any, ...]:
    """Return the arguments of ``add_one_plain.sql``, or of ``add_one.sql``."""
    first = (key, new_job.path, new_job.payload_json.decode())
    if plain:
        return first
    return (
        *first,
        new_job.max_retries,
        new_job.retry_strategy,
        _seconds(new_job),
        new_job.assigned_to,
        new_job.traceparent,
        new_job.run_at,
        _microseconds(new_job),
        new_job.priority,
        new_job.ordering_key,
        new_job.expires_at,
    )


def plain_arguments(pairs: Sequence[tuple[str, NewJob]]) -> tuple[Any, ...]:
    """Return the arguments of ``add_plain.sql``; the keys are in order."""
    return (
        [key for key, _ in pairs],
        [new_job.path for _, new_job in pairs],
        [new_job.payload_json.decode() for _, new_job in pairs],
        pairs[0][0],
        pairs[-1][0],
    )


def many_arguments(pairs: Sequence[tuple[str, NewJob]]) -> tuple[list[Any], ...]:
    """Return the arguments of ``add_many.sql``."""
    jobs = [new_job for _, new_job in pairs]
    return (
        [key for key, _ in pairs],
        [each.path for each in jobs],
        [each.payload_json.decode() for each in jobs],
        [each.max_retries for each in jobs],
        [each.retry_strategy for each in jobs],
        [_seconds(each) for each in jobs],
        [each.assigned_to for each in jobs],
        [each.traceparent for each in jobs],
        [each.dedup_key for each in jobs],
        [each.run_at for each in jobs],
        [_microseconds(each) for each in jobs],
        [each.priority for each in jobs],
        [each.ordering_key for each in jobs],
        [each.expires_at for each in jobs],
    )


def _seconds(new_job: NewJob) -> float | None:
    """Return no int: psycopg takes no list of both."""
    return None if new_job.timeout is None else float(new_job.timeout)


def _microseconds(new_job: NewJob) -> float:
    return 0.0 if new_job.delay is None else float(new_job.delay // MICROSECOND)


def stored(new_job: NewJob, table: JobTable, key: str, instants: Iterable[datetime | None]) -> Job:
    """Return the pending job that a new one has become.

    Its instants are created_at, updated_at, run_at, and, where it isn't a plain one, ordering_at.
    """
    created_at, updated_at, run_at, *others = instants
    return Job(
        id=f"{table.table}:{key}",
        backend=table.backend,
        path=new_job.path,
        payload_json=new_job.payload_json,
        status=JobStatus.PENDING,
        max_retries=new_job.max_retries,
        retry_strategy=new_job.retry_strategy,
        timeout=_seconds(new_job),
        assigned_to=new_job.assigned_to,
        dedup_key=new_job.dedup_key,
        priority=new_job.priority,
        ordering_key=new_job.ordering_key,
        ordering_at=others[0] if others else None,
        expires_at=as_utc(new_job.expires_at),
        traceparent=new_job.traceparent,
        created_at=created_at,
        updated_at=updated_at,
        run_at=run_at,
    )


def as_utc(instant: object) -> datetime | None:
    """Read an instant: a caller's connection may give it in another zone, or by its own codec as text.

    What a codec makes something else of is None: the row is there all the same.
    """
    return instant if isinstance(instant, datetime) and instant.tzinfo is UTC else instant_of(instant)
