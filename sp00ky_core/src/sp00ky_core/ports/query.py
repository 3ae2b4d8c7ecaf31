"""Select jobs by conditions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Literal

import attrs

from sp00ky_core.errors import OptionInvalid
from sp00ky_core.job.job import TERMINAL, JobStatus, StatusName
from sp00ky_core.job.options import check_option, expect, is_plain_text, is_whole, one_of
from sp00ky_core.job.outcome import LONGEST_REQUEST_ID, kept_request_id

__all__ = ["ALL_JOBS", "GROUPED", "LONGEST_ERRORS", "LONGEST_LISTED", "LONGEST_TEXT", "MAX_LIMIT"]
__all__ += ["GroupBy", "JobFilter", "JobQuery", "check_limit"]


def _check_text(_query: object, field: attrs.Attribute[str | None], value: object) -> None:
    met = value is None or (isinstance(value, str) and is_plain_text(value))
    expect(field.name, value, "a text without NUL", met=met)


def _check_texts(query: object, field: attrs.Attribute[str | None], value: object) -> None:
    for text in value if isinstance(value, tuple) else (value,):
        _check_text(query, field, text)


def _check_instant(_filter: object, field: attrs.Attribute[datetime | None], value: object) -> None:
    check_option(field.name, value, like="expires_at")


def _check_code(_filter: object, _field: attrs.Attribute[int | None], value: object) -> None:
    met = value is None or is_whole(value, 0, MAX_CODE)
    expect("code", value, f"a whole number, 0 to {MAX_CODE}", met=met)


def _trace_of(trace: object) -> object:
    """Cut the trace's id out of a whole ``traceparent``, as logs and headers may have it."""
    match = _TRACEPARENT.fullmatch(trace) if isinstance(trace, str) else None
    return match[1] if match else trace


def _check_trace(_filter: object, _field: attrs.Attribute[str | None], value: object) -> None:
    met = value is None or (isinstance(value, str) and _TRACE.fullmatch(value) is not None)
    expect("trace", value, "a trace's id: 32 hexadecimal digits, lower case", met=met)


def _check_request_id(_filter: object, _field: attrs.Attribute[str | None], value: object) -> None:
    met = value is None or (isinstance(value, str) and kept_request_id(value) == value)
    expected = f"1 to {LONGEST_REQUEST_ID} printable characters, as rows have it: no other can match"
    expect("request_id", value, expected, met=met)


def _check_limit(_query: object, _field: attrs.Attribute[int], value: object) -> None:
    check_limit("limit", value)


def check_limit(option: str, value: object) -> None:
    """Refuse what is no number of jobs. Raises ``OptionInvalid``."""
    expect(option, value, f"a whole number, 0 to {MAX_LIMIT}", met=is_whole(value, 0, MAX_LIMIT))


def _status(status: JobStatus | StatusName | None) -> JobStatus | None:
    return one_of(JobStatus, "status", status)


_TRACE = re.compile("[0-9a-f]{32}")
_TRACEPARENT = re.compile("[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")

Operator = Literal["=", "<", ">=", "in"]

COMPARISONS: Mapping[str, tuple[str, Operator]] = {
    "paths": ("path", "in"),
    "assigned_to": ("assigned_to", "="),
    "dedup_key": ("dedup_key", "="),
    "ordering_key": ("ordering_key", "="),
    "runner_id": ("runner_id", "="),
    "error_name": ("last_error_name", "="),
    "code": ("last_error_code", "="),
    "request_id": ("request_id", "="),
    "since": ("created_at", ">="),
    "until": ("created_at", "<"),
    **dict.fromkeys(("failed_since", "claimed_since", "ended_since"), ("updated_at", ">=")),
    **dict.fromkeys(("failed_until", "claimed_until", "ended_until"), ("updated_at", "<")),
}
"""The column that each field of a ``JobFilter`` is compared with, and how, in every store.

``last_error_*`` are of the last entry in ``errors``.
"""

GroupBy = Literal["route", "assigned"]
"""What jobs are grouped by."""

GROUPED: Mapping[GroupBy, str] = {"route": "path", "assigned": "assigned_to"}
"""The column that jobs are grouped by."""

PERIODS: Mapping[str, frozenset[JobStatus]] = {
    "": frozenset(JobStatus),
    "failed_": frozenset({JobStatus.FAILED}),
    "claimed_": frozenset({JobStatus.PROCESSING}),
    "ended_": TERMINAL,
}
"""The beginnings of ``..._since`` and ``..._until``, and the statuses of jobs whose row says when that
was."""

MAX_LIMIT = 2**63 - 1
"""The most jobs that may be asked for at once."""
MAX_CODE = 2**31 - 1

LONGEST_LISTED = 65_536
"""Bytes of a payload, a result, or ``errors`` that a list reads; ``Job.omitted`` names what is longer."""
LONGEST_ERRORS = 2**20
"""Bytes of ``errors`` that any call reads: a runner keeps 50 entries, each with a reason of 2 KiB at most."""
LONGEST_TEXT = 8_192
"""Bytes of any other text that any call reads: a row with a longer one is ``invalid_row``."""


@attrs.frozen(kw_only=True)
class JobFilter:
    """Conditions on jobs, all of which must be met; without any, every job meets them.

    Attributes:
        backend: The backend's name.
        status: The status; where there is none and ``runner_id`` is given, ``processing``.
        path: The operation, in any spelling; to a store, every text that rows may hold for it.
        error_name: ``name`` of the last entry in ``errors``.
        code: ``code`` of the last entry in ``errors``.
        since: ``created_at`` is then or later.
        until: ``created_at`` is before then.
        failed_since: It is failed since then, or later: not waiting for a retry.
        failed_until: It is failed since before then.
        claimed_since: It is processing, and was claimed then or later.
        claimed_until: It is processing, and was claimed before then.
        ended_since: It ended then or later.
        ended_until: It ended before then.
        trace: The id of the trace that it belongs to, or a whole ``traceparent`` of it.
        request_id: The text, exactly: what the backend called its last answer.
        assigned_to: The text, exactly.
        dedup_key: The text, exactly.
        ordering_key: The text, exactly.
        runner_id: The runner that has the job; with another ``status``, that had it when it was killed or
            reclaimed.

    Raises:
        OptionInvalid: a text or an instant that no database can have, an instant without a time zone, an
            unknown status; conditions that no job can meet.
    """

    backend: str | None = None
    status: JobStatus | None = attrs.field(default=None, converter=_status)
    path: str | tuple[str, ...] | None = attrs.field(default=None, validator=_check_texts)
    error_name: str | None = attrs.field(default=None, validator=_check_text)
    code: int | None = attrs.field(default=None, validator=_check_code)
    since: datetime | None = attrs.field(default=None, validator=_check_instant)
    until: datetime | None = attrs.field(default=None, validator=_check_instant)
    failed_since: datetime | None = attrs.field(default=None, validator=_check_instant)
    failed_until: datetime | None = attrs.field(default=None, validator=_check_instant)
    claimed_since: datetime | None = attrs.field(default=None, validator=_check_instant)
    claimed_until: datetime | None = attrs.field(default=None, validator=_check_instant)
    ended_since: datetime | None = attrs.field(default=None, validator=_check_instant)
    ended_until: datetime | None = attrs.field(default=None, validator=_check_instant)
    assigned_to: str | None = attrs.field(default=None, validator=_check_text)
    dedup_key: str | None = attrs.field(default=None, validator=_check_text)
    ordering_key: str | None = attrs.field(default=None, validator=_check_text)
    runner_id: str | None = attrs.field(default=None, validator=_check_text)
    trace: str | None = attrs.field(default=None, converter=_trace_of, validator=_check_trace)
    request_id: str | None = attrs.field(default=None, validator=_check_request_id)

    @property
    def paths(self) -> tuple[str, ...] | None:
        """The texts of which a row has one, in its ``path``; None: any."""
        return (self.path,) if isinstance(self.path, str) else self.path

    @property
    def statuses(self) -> frozenset[JobStatus]:
        """The statuses of which a job has one."""
        asked = [statuses for period, statuses in PERIODS.items() if self._asks_when(period)]
        given = frozenset(JobStatus if self.status is None else (self.status,))
        return given.intersection(*asked)

    def comparisons(self) -> Iterator[tuple[str, Operator, Any]]:
        """Yield what is asked of rows: a column, how it is compared, and with what."""
        for name, (column, operator) in COMPARISONS.items():
            value = getattr(self, name)
            if value is not None:
                yield column, operator, value
        if self.status is not None:
            yield "status", "=", self.status
        elif len(self.statuses) < len(JobStatus):
            yield "status", "in", tuple(sorted(self.statuses))
        if self.trace is not None:  # the spans of one trace stand side by side
            yield "traceparent", ">=", f"00-{self.trace}-"
            yield "traceparent", "<", f"00-{self.trace}."

    def __attrs_post_init__(self) -> None:
        for period in PERIODS:
            self._check_period(period)
        if len(self.statuses) == 1:
            (status,) = self.statuses
        elif self.runner_id is not None and len(self.statuses) == len(JobStatus):
            status = JobStatus.PROCESSING  # rows name the last one, kept or not
        else:
            return
        object.__setattr__(self, "status", status)

    def _asks_when(self, period: str) -> bool:
        return any(getattr(self, f"{period}{end}") is not None for end in ("since", "until"))

    def _check_period(self, period: str) -> None:
        """Refuse a time that has no beginning before its end, and what no job of these statuses says."""
        names = since, until = f"{period}since", f"{period}until"
        begin, end = getattr(self, since), getattr(self, until)
        if begin is not None and end is not None:
            expect(since, begin, f"an instant before `{until}`: no job can match", met=begin < end)
        if not self.statuses and self._asks_when(period) and period:
            option = next(name for name in names if getattr(self, name) is not None)
            expected = f"status {' or '.join(sorted(PERIODS[period]))}, or none: no job can match"
            raise OptionInvalid(option=option, value="asked of jobs of another status", expected=expected)


ALL_JOBS = JobFilter()
"""Conditions that every job meets."""


@attrs.frozen(kw_only=True)
class JobQuery(JobFilter):
    """Which jobs are wanted: newest first (``created_at``, then id), all conditions met.

    Attributes:
        ids: Only these jobs.
        limit: At most so many jobs.
        after: The id of the last job of the page before.

    Raises:
        OptionInvalid: a text or a limit that no database can have.
    """

    ids: tuple[str, ...] | None = None
    limit: int = attrs.field(default=50, validator=_check_limit)
    after: str | None = None
