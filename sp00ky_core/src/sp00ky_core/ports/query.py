"""Select jobs by conditions."""

from __future__ import annotations

from datetime import datetime

import attrs

from sp00ky_core.errors import OptionInvalid
from sp00ky_core.hints import shown
from sp00ky_core.job.job import JobStatus, StatusName
from sp00ky_core.job.options import check_option, expect, is_plain_text, is_whole

__all__ = [
    "LONGEST_ERRORS",
    "LONGEST_LISTED",
    "LONGEST_TEXT",
    "MAX_LIMIT",
    "JobFilter",
    "JobQuery",
    "check_limit",
]


def _check_text(_query: object, field: attrs.Attribute[str | None], value: object) -> None:
    met = value is None or (isinstance(value, str) and is_plain_text(value))
    expect(field.name, value, "a text without NUL", met=met)


def _check_texts(query: object, field: attrs.Attribute[str | None], value: object) -> None:
    for text in value if isinstance(value, tuple) else (value,):
        _check_text(query, field, text)


def _check_instant(_filter: object, field: attrs.Attribute[datetime | None], value: object) -> None:
    if value is not None:
        check_option(field.name, value, like="expires_at")


def _check_code(_filter: object, _field: attrs.Attribute[int | None], value: object) -> None:
    met = value is None or is_whole(value, 0, MAX_CODE)
    expect("code", value, f"a whole number, 0 to {MAX_CODE}", met=met)


def _check_limit(_query: object, _field: attrs.Attribute[int], value: object) -> None:
    check_limit("limit", value)


def check_limit(option: str, value: object) -> None:
    """Refuse what is no number of jobs. Raises ``OptionInvalid``."""
    expect(option, value, f"a whole number, 0 to {MAX_LIMIT}", met=is_whole(value, 0, MAX_LIMIT))


def _status(status: JobStatus | StatusName | None) -> JobStatus | None:
    try:
        return None if status is None else JobStatus(status)
    except ValueError:
        expected = ", ".join(JobStatus)
        raise OptionInvalid(option="status", value=shown(status), expected=f"one of {expected}") from None


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
        assigned_to: The text, exactly.
        ordering_key: The text, exactly.
        runner_id: The runner that has the job; with another ``status``, that had it when it was killed or
            reclaimed.

    Raises:
        OptionInvalid: a text or an instant that no database can have, an instant without a time zone, an
            unknown status.
    """

    backend: str | None = None
    status: JobStatus | None = attrs.field(default=None, converter=_status)
    path: str | tuple[str, ...] | None = attrs.field(default=None, validator=_check_texts)
    error_name: str | None = attrs.field(default=None, validator=_check_text)
    code: int | None = attrs.field(default=None, validator=_check_code)
    since: datetime | None = attrs.field(default=None, validator=_check_instant)
    until: datetime | None = attrs.field(default=None, validator=_check_instant)
    assigned_to: str | None = attrs.field(default=None, validator=_check_text)
    ordering_key: str | None = attrs.field(default=None, validator=_check_text)
    runner_id: str | None = attrs.field(default=None, validator=_check_text)

    @property
    def paths(self) -> tuple[str, ...] | None:
        """The texts of which a row has one, in its ``path``; None: any."""
        return (self.path,) if isinstance(self.path, str) else self.path

    def __attrs_post_init__(self) -> None:
        if self.runner_id is not None and self.status is None:  # rows name the last one, kept or not
            object.__setattr__(self, "status", JobStatus.PROCESSING)


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
