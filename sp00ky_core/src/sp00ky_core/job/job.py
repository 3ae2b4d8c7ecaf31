"""Hold a job: one backend call, stored as a row; and write it as JSON, as ``--json`` has it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

import attrs

from sp00ky_core.encoding.json_bytes import Payload, decode, encode, encode_payload, plain_copy
from sp00ky_core.job.options import JobOptions, check_options, is_plain_text
from sp00ky_core.job.outcome import HTTP, Undelivered, status_text
from sp00ky_core.job.retry import StrategyName

__all__ = ["TERMINAL", "AttemptError", "Job", "JobOptions", "JobStatus", "NewJob", "StatusName"]
__all__ += ["attempt_times", "facts_of", "instant_to_json", "is_plain_text", "job_to_json", "named"]
__all__ += ["value_to_json"]
__all__ += ["UNSAID"]


class JobStatus(StrEnum):
    """The status of a job; the names are those of the row."""

    PENDING = "pending"
    PROCESSING = "processing"
    SUCCESS = "success"
    FAILED = "failed"

    __hash__ = str.__hash__  # Enum's is written in Python, and each decision looks a status up


StatusName = Literal["pending", "processing", "success", "failed"]
"""A status by its name, which is taken wherever a ``JobStatus`` is."""

TERMINAL = frozenset({JobStatus.SUCCESS, JobStatus.FAILED})
"""Statuses of jobs that have ended."""


@attrs.frozen(kw_only=True)
class AttemptError:
    """One entry of a job's ``errors``: what went wrong, when, and in whose hands.

    Attributes:
        at: The database's clock sets it when the entry is written.
        attempt: The attempt's number, 1 for the first.
        code: The HTTP status, or what another scheme answers with; 0 where there was none.
        name: The outcome's name, as in ``sp00ky_core.job.outcome``.
        reason: At most 2 KiB, without secrets.
        runner_id: None where an operator did it.
        since: `at` of the first of several in a row that this entry stands for.
        count: How many those are.
        scheme: Whose code it is: the transport's.
        trace: The end of a traceback, at most 4 KiB, without secrets; empty: there is none.
        claimed_at: When its job was claimed, by the database's clock; None: it wasn't, or isn't known.
    """

    at: datetime | None = None
    attempt: int
    code: int
    name: str
    reason: str
    runner_id: str | None = None
    since: datetime | None = None
    count: int = 1
    scheme: str = HTTP
    trace: str = ""
    claimed_at: datetime | None = None

    @property
    def summary(self) -> str:
        """Its code, ``HTTP 503`` or ``AMQP 312``, or its name where there is none."""
        return status_text(self.scheme, self.code) or self.name

    def __str__(self) -> str:
        """Say what went wrong, with its text: ``HTTP 503: try later``."""
        is_said = not self.reason or self.reason.startswith(self.summary)
        return (self.reason or self.summary) if is_said else f"{self.summary}: {self.reason}"


@attrs.frozen(kw_only=True, slots=False)  # faster to make, which claims and run_many do for each row
class Job:
    """A job as its row has it, whoever wrote the row.

    Rows are written by clients in other languages too, so nothing here is checked; ``defect`` says what
    makes a row undeliverable.

    Attributes:
        id: <table>:<key>.
        backend: The backend's name.
        path: The route.
        payload_json: As it came; may be no JSON at all, unless it is a JsonObject.
        status: The status.
        retries: Retries made so far.
        max_retries: Attempts allowed after the first.
        retry_strategy: The name of how its retries are spaced.
        timeout: Seconds.
        assigned_to: The record that it belongs to.
        errors: A claim may leave them out, and a list all but the last of many.
        result_json: The backend's answer, as JSON.
        dedup_key: At most one job with this key is pending or processing.
        priority: 0 to 3; higher ones are claimed first.
        ordering_key: Jobs with this key are delivered one at a time, in the order of ``ordering_at``.
        ordering_at: Its place among them, by the database's clock when it was enqueued.
        expires_at: It is never sent after that.
        traceparent: W3C trace context, sent along.
        created_at: When it was enqueued, by the database's clock.
        updated_at: When its status was last written, by the database's clock.
        run_at: None: due at once.
        deferred_since: When it was first given back with a delay, of those in a row.
        lease_until: When its runner's lease ends, by the database's clock.
        lease_epoch: Raised by each claim: fences off writes of earlier ones.
        runner_id: The runner that has claimed it.
        request_id: What the backend called its last answer, where its ``requestId`` names the header.
        redacted_at: When its payload, result and errors were redacted.
        copied_from: The id of the job that it is a copy of.
        claimed_max_retries: What ``max_retries`` was when it was last claimed.
        claimed_at: When the last claim that has ended was made, by the database's clock.
        defect: Why the row can't be delivered, found by the store's mapping.
        omitted: The columns that a list left out, or shortened, because they are long; ``get`` has them.
    """

    id: str
    backend: str
    path: str
    payload_json: bytes
    status: JobStatus
    retries: int = 0
    max_retries: int = 3
    retry_strategy: str = "linear"
    timeout: float | None = None
    assigned_to: str | None = None
    errors: tuple[AttemptError, ...] = ()
    result_json: bytes | None = None
    dedup_key: str | None = None
    priority: int = 0
    ordering_key: str | None = None
    ordering_at: datetime | None = None
    expires_at: datetime | None = None
    traceparent: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    run_at: datetime | None = None
    deferred_since: datetime | None = None
    lease_until: datetime | None = None
    lease_epoch: int = 0
    runner_id: str | None = None
    request_id: str | None = None
    redacted_at: datetime | None = None
    copied_from: str | None = None
    claimed_max_retries: int | None = None
    claimed_at: datetime | None = None
    defect: str | None = None
    omitted: tuple[str, ...] = ()

    @property
    def payload(self) -> Any:
        """The payload, parsed; where the row holds no JSON, its text; None where it is ``omitted``."""
        return _parsed(self.payload_json)

    @property
    def result(self) -> Any:
        """The backend's answer, parsed; None where it was no JSON or too long."""
        return None if self.result_json is None else _parsed(self.result_json)

    @property
    def trace(self) -> str | None:
        """The id of the trace that the job belongs to; None: of none, or its ``traceparent`` isn't one."""
        parts = (self.traceparent or "").split("-")
        return parts[1] if len(parts) == 4 and len(parts[1]) == 32 else None  # noqa: PLR2004  # as W3C has it

    @property
    def retries_allowed(self) -> int:
        """``max_retries``, or what the last claim found: who raises it later has no more requests made."""
        claimed = self.claimed_max_retries
        return max(self.max_retries if claimed is None else min(self.max_retries, claimed), 0)

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended."""
        return self.status in TERMINAL


def named(job: Job) -> str:
    """Name a job in a line about an attempt of it, with its trace, by which others' logs are found."""
    return f"job {job.id} (trace {job.trace})" if job.trace else f"job {job.id}"


def facts_of(job: Job) -> dict[str, Any]:
    """Return what each line about an attempt of a job says apart."""
    return {"job_id": job.id, "trace_id": job.trace, "runner_id": job.runner_id}


def attempt_times(job: Job) -> list[tuple[timedelta | None, timedelta | None]]:
    """Return how long each attempt waited and took: each entry of ``errors``, then the one that succeeded.

    A wait ends with the claim. It begins when the attempt before has ended, or the job was enqueued; of the
    last attempt when the job was due, which its row still says. What an attempt took is from its claim to
    the write of its outcome. None: it isn't known.
    """
    ends = [(entry.claimed_at, entry.at, entry.count == 1) for entry in job.errors]
    if job.status is JobStatus.SUCCESS:
        ends.append((job.claimed_at, job.updated_at, True))
    times, before = list[tuple[timedelta | None, timedelta | None]](), job.created_at
    for number, (claimed_at, ended_at, is_alone) in enumerate(ends, start=1):
        if number == len(ends) and job.is_terminal and job.run_at is not None:
            before = max(before or job.run_at, job.run_at)
        waited = _between(before, claimed_at) if is_alone else None
        times.append((waited, _between(claimed_at, ended_at)))
        before = ended_at or before
    return times


def _between(earlier: datetime | None, later: datetime | None) -> timedelta | None:
    return None if earlier is None or later is None else max(later - earlier, timedelta())


def _parsed(text: bytes) -> Any:
    try:
        return decode(text)
    except ValueError:
        return text.decode(errors="replace")


@attrs.frozen(kw_only=True, slots=False)  # for_backend copies its __dict__
class NewJob:
    """A job to be enqueued, checked and encoded when it is made.

    Where ``max_retries`` or ``retry_strategy`` is None, the outbox takes the backend's; a store that is given
    such a job without an outbox takes 3 and ``linear``.

    Attributes:
        path: An operation of the backend's OpenAPI document: its path, its method and path, or its id.
        payload: A JSON object: a mapping, an attrs class, a dataclass or a Pydantic model.
        assigned_to: The record that the job belongs to.
        timeout: Seconds.
        delay: From now to when it is due.
        run_at: When it is due; either this or ``delay``.
        dedup_key: At most one job with this key is pending or processing.
        priority: 0 to 3; higher ones are claimed first.
        ordering_key: Jobs with this key are delivered one at a time, in the order in which they are enqueued.
        expires_at: It is never sent after that.
        traceparent: W3C trace context, sent along.
        backend: The outbox fills it in.
        payload_json: The payload, encoded.
        plain: What reading ``payload_json`` gives, where that is known without; to be left as it is.

    Raises:
        OptionInvalid: an option out of its range.
        PayloadNotJson: a payload that JSON can't hold, or that is no object.
    """

    path: str
    payload: Payload = attrs.field(factory=dict, eq=False, repr=False)
    assigned_to: str | None = None
    _max_retries: int | None = attrs.field(default=None, alias="max_retries")
    _retry_strategy: StrategyName | None = attrs.field(default=None, alias="retry_strategy")
    timeout: float | None = None
    delay: timedelta | None = None
    run_at: datetime | None = None
    dedup_key: str | None = None
    priority: int = 0
    ordering_key: str | None = None
    expires_at: datetime | None = None
    traceparent: str | None = None
    backend: str = ""
    payload_json: bytes = attrs.field(init=False, repr=False)
    plain: Mapping[str, object] | None = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        check_options(self)
        plain = plain_copy(self.payload)  # a copy: later changes are no part of the job
        values = self.__dict__
        values["plain"] = plain
        values["payload_json"] = encode_payload(self.payload if plain is None else plain)

    @property
    def max_retries(self) -> int:
        """Attempts after the first."""
        return 3 if self._max_retries is None else self._max_retries

    @property
    def retry_strategy(self) -> str:
        """The name of how its retries are spaced."""
        return "linear" if self._retry_strategy is None else self._retry_strategy

    def for_backend(
        self,
        backend: str,
        *,
        path: str | None = None,
        max_retries: int | None = None,
        retry_strategy: str | None = None,
        timeout: float | None = None,
    ) -> NewJob:
        """Return it for a backend, with that's defaults and name of the operation, not encoded again."""
        values = self.__dict__.copy()
        values["backend"] = backend
        if path is not None:
            values["path"] = path
        if values["_max_retries"] is None:
            values["_max_retries"] = max_retries
        if values["_retry_strategy"] is None:
            values["_retry_strategy"] = retry_strategy
        if values["timeout"] is None:
            values["timeout"] = timeout
        return _with_values(values)

    def with_traceparent(self, traceparent: str) -> NewJob:
        """Return it with a trace context, without encoding the payload again."""
        return _with_values({**self.__dict__, "traceparent": traceparent})


def _with_values(values: dict[str, Any]) -> NewJob:
    """Make a copy; copy.copy takes ten times as long, and run_many does this for each job."""
    clone = object.__new__(NewJob)
    object.__setattr__(clone, "__dict__", values)
    return clone


STATED_IF_SET = ("request_id", "redacted_at", "copied_from")
"""Keys of a job as JSON that only jobs have which have a value."""

_UNSTATED = frozenset({*STATED_IF_SET, "ordering_at", "expires_at", "deferred_since", "claimed_max_retries"})
_UNSTATED |= {"claimed_at", "defect", "omitted"}

JOB_KEYS = tuple(
    field.name.removesuffix("_json") for field in attrs.fields(Job) if field.name not in _UNSTATED
)
"""The keys of a job as JSON, in their order."""

UNSAID: Mapping[str, Any] = {"since": None, "count": 1, "scheme": HTTP, "trace": "", "claimed_at": None}
"""What an entry of ``errors`` doesn't say, as that it stands for one only, and that its code is HTTP's."""

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def job_to_json(job: Job, keys: Sequence[str] = JOB_KEYS) -> dict[str, Any]:
    """Turn a job into JSON values: every one of the keys, absent ones null, payload and result parsed.

    An entry of ``errors`` that stands for several has ``since`` and ``count`` too, one of another
    scheme than HTTP's its ``scheme``, one with a traceback its ``trace``, one of a claim its
    ``claimed_at``. Those of
    ``STATED_IF_SET`` follow where they are set. Where a list has left columns out because they are long,
    ``omitted`` names them, and null stands for a payload or a result.

    Never raises for what a client wrote into the row: where the payload holds no JSON, its text stands, and
    what UTF-8 can't hold is replaced by U+FFFD.
    """
    fields = {key: value_to_json(getattr(job, key)) for key in keys if key not in {"payload", "result"}}
    fields["payload"] = _json_value(job.payload_json)
    fields["result"] = None if job.result_json is None else _json_value(job.result_json)
    omitted = {"omitted": list(job.omitted)} if job.omitted else {}
    stated = {key: value_to_json(value) for key in STATED_IF_SET if (value := getattr(job, key)) is not None}
    return {key: fields[key] for key in keys} | stated | omitted


def instant_to_json(instant: datetime) -> str:
    """RFC 3339 in UTC with ``Z``; microseconds where there are any; one without a zone is taken as UTC."""
    if instant.utcoffset() is None:
        instant = instant.replace(tzinfo=UTC)
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def _json_value(text: bytes) -> Any:
    try:
        value = decode(text)
    except ValueError:
        return text.decode(errors="replace")
    try:
        encode(value)
    except UnicodeEncodeError:
        return decode(_LONE_SURROGATE.sub("\ufffd", json.dumps(value, ensure_ascii=False)))
    except ValueError:  # 1e999, which is JSON and reads as infinity
        return text.decode(errors="replace")
    return value


def value_to_json(value: Any) -> Any:
    """Turn a value of a record into a JSON value; what UTF-8 can't encode in it is replaced."""
    if isinstance(value, str):
        return _LONE_SURROGATE.sub("\ufffd", str(value))
    if isinstance(value, datetime):
        return instant_to_json(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, tuple):
        return [value_to_json(item) for item in value]
    if isinstance(value, AttemptError):
        entry = attrs.asdict(value, recurse=False)
        return {key: value_to_json(entry[key]) for key in entry if entry[key] != UNSAID.get(key, ...)}
    return value


def said(failure: Undelivered | AttemptError) -> str:
    """Return what may be logged of a failure: the code, but not the backend's words."""
    return f"{failure.name}: {status_text(failure.scheme, failure.code) or failure.reason}"
