"""A job: one backend call, stored as a row."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import attrs

from sp00ky_core.errors import OptionInvalid, PayloadNotJson, shown
from sp00ky_core.jsontext import JsonText, decode, encode
from sp00ky_core.retry import check_max_retries

__all__ = ["JobStatus", "TERMINAL", "AttemptError", "Job", "NewJob"]


class JobStatus(StrEnum):
    """Where a job stands; the names are those of the row."""

    PENDING = "pending"
    PROCESSING = "processing"
    SUCCESS = "success"
    FAILED = "failed"


TERMINAL = frozenset({JobStatus.SUCCESS, JobStatus.FAILED})


@attrs.frozen(kw_only=True)
class AttemptError:
    """One entry of a job's ``errors``: what went wrong, when, and in whose hands."""

    at: datetime | None = None  # the database's clock sets it when the entry is written
    attempt: int
    code: int  # the HTTP status, or 0 where there was none
    name: str
    reason: str  # at most 2 KiB, without secrets
    runner_id: str | None = None  # none where an operator did it


@attrs.frozen(kw_only=True)
class Job:
    """A job as its row has it, whoever wrote the row.

    Rows are written by clients in other languages too, so nothing here is checked; ``defect`` says what
    makes a row undeliverable.
    """

    id: str  # <table>:<key>
    backend: str
    path: str
    payload_json: bytes  # as it came; may be no JSON at all, unless it is a JsonObject
    status: JobStatus
    retries: int = 0
    max_retries: int = 3
    retry_strategy: str = "linear"
    timeout: float | None = None  # seconds
    assigned_to: str | None = None
    errors: tuple[AttemptError, ...] = ()  # a claim may leave them out
    result_json: bytes | None = None
    dedup_key: str | None = None
    traceparent: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    run_at: datetime | None = None  # none: due at once
    lease_until: datetime | None = None
    lease_epoch: int = 0
    runner_id: str | None = None
    defect: str | None = None  # why the row can't be delivered, found by the store's mapping

    @property
    def payload(self) -> Any:
        """The payload, parsed; where the row holds no JSON, its text."""
        return _parsed(self.payload_json)

    @property
    def result(self) -> Any:
        """What the backend answered, parsed; None where it was no JSON or too long."""
        return None if self.result_json is None else _parsed(self.result_json)

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended."""
        return self.status in TERMINAL


def _parsed(text: bytes) -> Any:
    try:
        return decode(text)
    except ValueError:
        return text.decode(errors="replace")


Check = Callable[["NewJob", str, Any], None]
"""Raises ``OptionInvalid`` for an option's value."""


def _expect(option: str, value: object, expected: str, *, met: bool) -> None:
    if not met:
        raise OptionInvalid(option=option, value=shown(value), expected=expected)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_timeout(_job: NewJob, _option: str, value: Any) -> None:
    met = _is_number(value) and 0 < value <= MAX_TIMEOUT
    _expect("timeout", value, f"seconds, over 0 and at most {MAX_TIMEOUT}", met=met)


def _check_delay(_job: NewJob, _option: str, value: Any) -> None:
    met = isinstance(value, timedelta) and timedelta(0) <= value <= MAX_DELAY
    _expect("delay", value, f"a timedelta from 0 to {MAX_DELAY.days} days", met=met)


def _check_run_at(job: NewJob, _option: str, value: Any) -> None:
    met = isinstance(value, datetime) and value.utcoffset() is not None
    _expect("run_at", value, "a datetime with a time zone", met=met)
    calendar = f"an instant from {EARLIEST_RUN_AT.date()} to {LATEST_RUN_AT.date()}"
    _expect("run_at", value, calendar, met=EARLIEST_RUN_AT <= value <= LATEST_RUN_AT)
    _expect("run_at", value, "either run_at or delay, not both", met=job.delay is None)


def _text_of(limit: int, pattern: str | None = None, expected: str = "") -> Check:
    def check(_job: NewJob, option: str, value: object) -> None:
        met = isinstance(value, str) and 0 < len(value) <= limit and is_plain_text(value)
        if met and pattern and isinstance(value, str):
            met = re.fullmatch(pattern, value) is not None
        _expect(option, value, expected or f"a text of 1 to {limit} characters without NUL", met=met)

    return check


def is_plain_text(value: str) -> bool:
    """Whether every database can hold the text: valid Unicode without NUL."""
    if value.isascii():
        return "\0" not in value
    return "\0" not in value and not any("\ud800" <= char <= "\udfff" for char in value)


MAX_TIMEOUT = 86_400  # seconds; DESIGN.md section 9
MAX_DELAY = timedelta(days=3_650)
EARLIEST_RUN_AT, LATEST_RUN_AT = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
"""In every time zone they are within the calendar of every client and database."""


def _json_object(payload: object) -> bytes:
    if not isinstance(payload, dict | JsonText | Mapping):
        raise PayloadNotJson(problem=f"it is {type(payload).__name__}")
    try:
        text = encode(payload if isinstance(payload, dict | JsonText) else dict(payload))
    except UnicodeEncodeError as error:
        raise PayloadNotJson(problem="it has a lone surrogate, which is no Unicode text") from error
    except (TypeError, ValueError) as error:
        raise PayloadNotJson(problem=str(error)) from error
    return text


@attrs.frozen(kw_only=True)
class NewJob:
    """A job to be enqueued, checked and encoded when it is made.

    Raises:
        OptionInvalid: an option out of its range.
        PayloadNotJson: a payload that JSON can't hold, or that is no object.
    """

    path: str
    payload: Mapping[str, Any] = attrs.field(factory=dict, eq=False, repr=False)
    assigned_to: str | None = None
    max_retries: int = 3
    retry_strategy: str = "linear"
    timeout: float | None = None  # seconds
    delay: timedelta | None = None
    run_at: datetime | None = None
    dedup_key: str | None = None
    traceparent: str | None = None
    backend: str = ""  # the outbox fills it in
    payload_json: bytes = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        for option, default, check in _CHECKS:
            value = getattr(self, option)
            if value is not default:
                check(self, option, value)
        object.__setattr__(self, "payload_json", _json_object(self.payload))

    def for_backend(self, backend: str) -> NewJob:
        """The same job for a backend, without encoding the payload again."""
        if self.backend == backend:
            return self
        clone = object.__new__(NewJob)
        for name in _FIELDS:  # copy.copy takes three times as long, and run_many does this for each job
            object.__setattr__(clone, name, getattr(self, name))
        object.__setattr__(clone, "backend", backend)
        return clone


_REQUIRED = object()  # the default of what has none

_CHECKS: Sequence[tuple[str, object, Check]] = (
    ("path", _REQUIRED, _text_of(2_048)),
    ("assigned_to", None, _text_of(1_024)),
    ("max_retries", 3, check_max_retries),
    ("retry_strategy", "linear", _text_of(255)),
    ("timeout", None, _check_timeout),
    ("delay", None, _check_delay),
    ("run_at", None, _check_run_at),
    ("dedup_key", None, _text_of(255)),
    (
        "traceparent",
        None,
        # https://www.w3.org/TR/trace-context/#traceparent-header
        _text_of(55, r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", "a W3C traceparent"),
    ),
)
"""What a new job's options must be, where they aren't left at their default: a validator for each field
would be called for the defaults too, which nearly all of a thousand jobs have."""

_FIELDS = tuple(field.name for field in attrs.fields(NewJob))
