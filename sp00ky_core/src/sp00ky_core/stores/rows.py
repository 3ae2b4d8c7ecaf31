"""Read rows that anyone may have written: raw columns -> Job, and what makes a row undeliverable.

The same in every store: a store's mapping reads its database's types, and this file judges what it read.
Nothing here raises for a value, whatever it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any, TypeGuard

import attrs

from sp00ky_core.encoding.json_bytes import JsonObject, decode, encode
from sp00ky_core.error_texts import shown
from sp00ky_core.job.job import AttemptError, Job, JobStatus, NewJob
from sp00ky_core.job.options import HIGHEST_PRIORITY, is_plain_text
from sp00ky_core.job.outcome import HTTP
from sp00ky_core.job.retry import MAX_RETRIES, STRATEGIES
from sp00ky_core.ports import LONGEST_TEXT, JobTable

__all__ = ["UNREAD", "claimed_of", "defect_of", "entries_of", "instant_of", "job_of", "new_row"]
__all__ += ["payload_text", "priority_of"]
__all__ += ["with_last_error"]

MAX_COUNT = 2**63 - 1
"""The integers that a 64-bit column holds."""

MAX_EPOCH = 2**62
"""An epoch that can still be raised in a 64-bit column."""

TEXTS = ("id", "path", "assigned_to", "dedup_key", "ordering_key", "traceparent", "retry_strategy")
"""Columns whose text every database, and a request, must be able to hold."""

_JSON_KINDS: Mapping[type, str] = {
    str: "a text",
    list: "a list",
    tuple: "a list",
    int: "a number",
    float: "a number",
    bool: "a boolean",
    type(None): "null",
}

UNREAD = "(too long: it was not read)"
"""Stands in a row for a text that was too long to be read. A client that writes it means no other."""


def defect_of(
    row: Mapping[str, Any],
    *,
    strategies: Collection[str] = STRATEGIES,
    payload_is_object: bool = False,
    timeout_counts: bool = True,
) -> str | None:
    """Say why a row can't be delivered, in one line; None: it can be.

    Args:
        row: by column name; a column that is missing or None takes its default, where it has one.
        strategies: the names that this process knows.
        payload_is_object: the database guarantees that the payload is a JSON object: it isn't parsed.
        timeout_counts: the backend lets a job have its own; elsewhere it has no effect.
    """
    payload = row.get("payload")
    return (
        _text_defect(row)
        or _count_defect("retries", row.get("retries"))
        or _count_defect("max_retries", row.get("max_retries"))
        or _strategy_defect(row.get("retry_strategy"), strategies)
        or (_timeout_defect(row.get("timeout")) if timeout_counts else None)
        or (None if payload_is_object and payload is not None else _payload_defect(payload))
    )


def claimed_of(job: Job, table: JobTable) -> Job:
    """Return a claimed job; one whose payload wasn't read is defective."""
    if job.defect is not None or "payload" not in job.omitted:
        return job
    return attrs.evolve(job, defect=f"payload is over maxPayloadBytes ({table.max_payload_bytes})")


def with_last_error(errors: object, name: object, code: object) -> object:
    """Return a row's ``errors``; where they weren't read, their last entry, of which this is known."""
    if errors != UNREAD:
        return errors
    return [UNREAD, {"attempt": 0, "name": name, "code": code, "reason": UNREAD}]


def job_of(
    row: Mapping[str, Any],
    *,
    backend: str,
    strategies: Collection[str] = STRATEGIES,
    payload_is_object: bool = False,
    timeout_counts: bool = True,
) -> Job:
    """Return the job of a row: what it holds where that makes sense, the column's default elsewhere.

    Args:
        row: by column name, with ``id`` as ``<table>:<key>``; instants as datetimes; ``UNREAD`` for what is
            too long, of ``errors`` as an entry before those that were read.
        backend: whose table the row is in.
        strategies: see ``defect_of``.
        payload_is_object: see ``defect_of``.
        timeout_counts: see ``defect_of``.
    """
    status = _status_of(row.get("status"))
    defect = defect_of(
        row, strategies=strategies, payload_is_object=payload_is_object, timeout_counts=timeout_counts
    )
    if status is None:
        defect = f"status is {shown(row.get('status'))}: no status of a job"
    omitted = tuple(column for column in ("payload", "result", "errors") if _is_unread(row.get(column)))
    result = None if "result" in omitted else row.get("result")
    payload = b"null" if "payload" in omitted else payload_text(row.get("payload"))
    return Job(
        id=str(row["id"]),
        backend=backend,
        payload_json=JsonObject(payload) if defect is None and "payload" not in omitted else payload,
        status=status or JobStatus.FAILED,
        result_json=None if result is None else payload_text(result),
        defect=defect,
        omitted=omitted,
        **{column: read(row.get(column)) for column, read in _READ.items()},
    )


def new_row(new_job: NewJob, job_id: str, now: datetime) -> Job:
    """Return the pending job that a new one becomes when the database's clock says ``now``."""
    run_at = now if new_job.delay is None else now + new_job.delay
    return Job(
        id=job_id,
        backend=new_job.backend,
        path=new_job.path,
        payload_json=new_job.payload_json,
        status=JobStatus.PENDING,
        max_retries=new_job.max_retries,
        retry_strategy=new_job.retry_strategy,
        timeout=new_job.timeout,
        assigned_to=new_job.assigned_to,
        dedup_key=new_job.dedup_key,
        priority=new_job.priority,
        ordering_key=new_job.ordering_key,
        ordering_at=None if new_job.ordering_key is None else now,
        expires_at=instant_of(new_job.expires_at),
        traceparent=new_job.traceparent,
        created_at=now,
        updated_at=now,
        run_at=run_at if new_job.run_at is None else instant_of(new_job.run_at),
    )


def priority_of(value: object) -> int:
    """Read a priority; 0 where the row has none that is one."""
    return value if _is_count(value) and 0 <= value <= HIGHEST_PRIORITY else 0


def payload_text(value: object) -> bytes:
    """Return a payload or result column as JSON text: text as it came, anything else encoded."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode(errors="surrogatepass")
    try:
        return encode(value)
    except (TypeError, ValueError):
        return shown(value).encode()


def entries_of(value: object) -> tuple[AttemptError, ...]:
    """Read an ``errors`` column: the entries that are entries; a client may have written anything."""
    if isinstance(value, str | bytes):
        try:
            value = decode(value)
        except ValueError:
            return ()
    if not isinstance(value, list | tuple):
        return ()
    return tuple(
        entry if isinstance(entry, AttemptError) else _entry_of(entry)
        for entry in value
        if isinstance(entry, Mapping | AttemptError)
    )


def instant_of(value: object) -> datetime | None:
    """Read an instant in UTC; one without a zone is taken as UTC; text is RFC 3339; None: it is none."""
    if isinstance(value, datetime) and value.tzinfo is UTC:  # as nearly always
        return value
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    try:
        return value.replace(tzinfo=UTC) if value.utcoffset() is None else value.astimezone(UTC)
    except OverflowError:  # year 1 or 9999, with an offset that leads out of the calendar
        return value.replace(tzinfo=UTC)


def _text_defect(row: Mapping[str, Any]) -> str | None:
    path = row.get("path")
    if not path:
        return "path is missing"
    for column in TEXTS:
        value = row.get(column)
        if column == "path" and not isinstance(value, str):
            return f"path is {shown(value)}: no text"
        if value == UNREAD or (isinstance(value, str) and len(value) > LONGEST_TEXT):
            return f"{column} is over {LONGEST_TEXT:,} bytes"
        if isinstance(value, str) and not is_plain_text(value):
            return f"{column} holds {'NUL' if chr(0) in value else 'a lone surrogate'}"
    return None


def _count_defect(column: str, value: object) -> str | None:
    if value is None or (_is_count(value) and 0 <= value <= MAX_RETRIES):
        return None
    return f"{column} is {shown(value)}: expected an integer from 0 to {MAX_RETRIES}"


def _strategy_defect(value: object, strategies: Collection[str]) -> str | None:
    if value is None or (isinstance(value, str) and value in strategies):
        return None
    return f"retry_strategy is {shown(value)}: known are {', '.join(sorted(strategies))}"


def _timeout_defect(value: object) -> str | None:
    if value is None or _timeout_of(value) is not None:
        return None
    return f"timeout is {shown(value)}: expected seconds, more than 0"


def _is_unread(value: object) -> bool:
    """Whether a text, or what came before the entries of a list, wasn't read."""
    if isinstance(value, list | tuple):
        return bool(value) and value[0] == UNREAD
    return isinstance(value, str) and (value == UNREAD or value.startswith(f'["{UNREAD}"'))


def _payload_defect(value: object) -> str | None:
    if value == UNREAD or isinstance(value, JsonObject):  # only a claim's has to be there
        return None
    if value is None:
        return "payload is missing"
    written = value
    try:
        if isinstance(value, str | bytes):
            value = decode(payload_text(value).decode())  # as UTF-8, which it will be sent as
        else:
            encode(value)
    except UnicodeError:
        return "payload isn't JSON: it can't be written in UTF-8"
    except (TypeError, ValueError) as error:  # says where, and quotes nothing
        return f"payload isn't JSON: {error}"
    if isinstance(value, Mapping):
        return None
    return f"payload is {_kind_and_size(written, value)}: not a JSON object"


def _kind_and_size(written: object, value: object) -> str:
    """Say what a payload is without a word of what it holds: a defect is logged, and kept in the row."""
    kind = _JSON_KINDS.get(type(value), type(value).__name__)
    return f"{kind} ({len(payload_text(written)):,} bytes)"


def _entry_of(value: Mapping[str, Any]) -> AttemptError:
    return AttemptError(
        at=instant_of(value.get("at")),
        attempt=_count_of(value.get("attempt"), 0),
        code=_count_of(value.get("code"), 0),
        name=_text_of(value.get("name")) or "",
        reason=_text_of(value.get("reason")) or "",
        runner_id=_text_of(value.get("runner_id")),
        since=instant_of(value.get("since")),
        count=max(_count_of(value.get("count"), 1), 1),
        scheme=_text_of(value.get("scheme")) or HTTP,
        trace=_text_of(value.get("trace")) or "",
        claimed_at=instant_of(value.get("claimed_at")),
    )


def _status_of(value: object) -> JobStatus | None:
    try:
        return JobStatus.PENDING if value is None else JobStatus(value)  # type: ignore[arg-type]  # or ValueError
    except ValueError:
        return None


def _text_of(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else shown(value)


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _count_of(value: object, default: int) -> int:
    return min(max(value, -MAX_COUNT), MAX_COUNT) if _is_count(value) else default


def _epoch_of(value: object) -> int:
    epoch = _count_of(value, 0)
    return epoch if 0 <= epoch <= MAX_EPOCH else 0


def _timeout_of(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return None
    return seconds if math.isfinite(seconds) and seconds > 0 else None


_READ: Mapping[str, Callable[[Any], Any]] = {
    "path": lambda value: _text_of(value) or "",
    "retries": lambda value: _count_of(value, 0),
    "max_retries": lambda value: _count_of(value, 3),
    "retry_strategy": lambda value: _text_of(value) or "linear",
    "timeout": _timeout_of,
    "errors": entries_of,
    "priority": priority_of,
    "claimed_max_retries": lambda value: None if value is None else _count_of(value, 0),
    "lease_epoch": _epoch_of,
    **dict.fromkeys(("assigned_to", "dedup_key", "ordering_key", "traceparent", "runner_id"), _text_of),
    **dict.fromkeys(("request_id", "copied_from"), _text_of),
    **dict.fromkeys(("created_at", "updated_at", "run_at", "ordering_at", "expires_at"), instant_of),
    **dict.fromkeys(("deferred_since", "lease_until", "redacted_at", "claimed_at"), instant_of),
}
"""The reader of each column whose value says all that has to be known."""
