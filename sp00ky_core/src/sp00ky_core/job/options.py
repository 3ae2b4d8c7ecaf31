"""Say which options a new job has, and what each may be."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import compress
from operator import attrgetter, is_not
from typing import Any, TypedDict, TypeVar

from sp00ky_core.error_texts import shown
from sp00ky_core.errors import OptionInvalid
from sp00ky_core.job.retry import StrategyName, check_max_retries

__all__ = ["EARLIEST_RUN_AT", "HIGHEST_PRIORITY", "LATEST_RUN_AT", "MAX_DELAY", "TRACEPARENT"]
__all__ += ["CommonJobOptions", "JobOptions", "check_option", "check_options", "expect"]
__all__ += ["is_plain_text", "is_whole", "one_of"]

TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
"""The form of a ``traceparent``, as https://www.w3.org/TR/trace-context/#traceparent-header has it."""

HIGHEST_PRIORITY = 3
"""The highest priority. The others are 2, 1 and 0, which is the default."""


class CommonJobOptions(TypedDict, total=False):
    """The options of one enqueue that mean the same in each configuration; all of them may be left out.

    Attributes:
        assigned_to: The record that the job belongs to, as in ``thread:abc``.
        max_retries: Attempts after the first, from 0 to 1,000; by default the backend's (3).
        timeout: Seconds for an attempt; counts only where the backend is ``timeoutOverridable``.
        delay: From now to when it is due.
        run_at: When it is due; either this or ``delay``.
        dedup_key: At most one job with this key is pending or processing; that one is returned.
        priority: 0 (the default) to 3; higher ones are claimed first.
        ordering_key: Jobs of a backend with this key are delivered one at a time, in the order in which they
            are enqueued.
        expires_at: It is never sent after that, but fails as ``expired``.
        traceparent: W3C trace context, sent along.
    """

    assigned_to: str | None
    max_retries: int | None
    timeout: float | None
    delay: timedelta | None
    run_at: datetime | None
    dedup_key: str | None
    priority: int
    ordering_key: str | None
    expires_at: datetime | None
    traceparent: str | None


class JobOptions(CommonJobOptions, total=False):
    """The options of one enqueue, all of which may be left out.

    Attributes:
        retry_strategy: ``linear``, ``exponential``, or a ``PluginStrategy``; by default the backend's.
    """

    retry_strategy: StrategyName | None


E = TypeVar("E", bound=StrEnum)

Check = Callable[[Any, str, Any], None]
"""Raises ``OptionInvalid`` for an option's value; gets the new job, the option's name and its value."""


def expect(option: str, value: object, expected: str, *, met: bool) -> None:
    """Raise ``OptionInvalid`` unless what is expected of an option is met."""
    if not met:
        raise OptionInvalid(option=option, value=shown(value), expected=expected)


def one_of(kind: type[E], option: str, value: E | str | None) -> E | None:
    """Read a value of an enumeration that is asked for; None: any. Raises ``OptionInvalid``."""
    try:
        return None if value is None else kind(value)
    except ValueError:
        expected = f"one of {', '.join(kind)}"
        raise OptionInvalid(option=option, value=shown(value), expected=expected) from None


def is_whole(value: object, low: int, high: int) -> bool:
    """Whether it is a whole number in a range, both ends included; True and False are none."""
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _check_timeout(_job: Any, _option: str, value: Any) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    met = is_number and 0 < value <= MAX_TIMEOUT
    expect("timeout", value, f"seconds, over 0 and at most {MAX_TIMEOUT}", met=met)


def _check_delay(_job: Any, option: str, value: Any) -> None:
    met = isinstance(value, timedelta) and timedelta(0) <= value <= MAX_DELAY
    expect(option, value, f"a timedelta from 0 to {MAX_DELAY.days} days", met=met)


def _check_run_at(job: Any, option: str, value: Any) -> None:
    _check_instant(job, option, value)
    expect("run_at", value, "either `run_at` or `delay`, not both", met=job.delay is None)


def _check_instant(_job: Any, option: str, value: Any) -> None:
    met = isinstance(value, datetime) and value.utcoffset() is not None
    expect(option, value, "a datetime with a time zone", met=met)
    calendar = f"an instant from {EARLIEST_RUN_AT.date()} to {LATEST_RUN_AT.date()}"
    expect(option, value, calendar, met=EARLIEST_RUN_AT <= value <= LATEST_RUN_AT)


def _check_priority(_job: Any, _option: str, value: Any) -> None:
    met = is_whole(value, 0, HIGHEST_PRIORITY)
    expect("priority", value, f"a whole number from 0 to {HIGHEST_PRIORITY}", met=met)


def _text_of(limit: int, pattern: re.Pattern[str] | None = None, expected: str = "") -> Check:
    expected = expected or f"a text of 1 to {limit} characters without NUL"

    def check(_job: Any, option: str, value: object) -> None:
        met = isinstance(value, str) and 0 < len(value) <= limit and is_plain_text(value)
        if met and pattern and isinstance(value, str):
            met = pattern.fullmatch(value) is not None
        if not met:
            expect(option, value, expected, met=met)

    return check


def is_plain_text(value: str) -> bool:
    """Whether every database can hold the text: valid Unicode without NUL."""
    if value.isascii():
        return "\0" not in value
    return "\0" not in value and not any("\ud800" <= char <= "\udfff" for char in value)


MAX_TIMEOUT = 86_400  # seconds: a day
MAX_DELAY = timedelta(days=3_650)
"""The longest delay of a job."""

EARLIEST_RUN_AT = datetime(1, 1, 2, tzinfo=UTC)
"""The first instant that is within the calendar of every client and database, in every time zone."""

LATEST_RUN_AT = datetime(9999, 12, 30, tzinfo=UTC)
"""The last instant that a job may be due at."""


_REQUIRED = object()  # the default of what has none

_CHECKS: Sequence[tuple[str, object, Check]] = (
    ("path", _REQUIRED, _text_of(2_048)),
    ("assigned_to", None, _text_of(1_024)),
    ("max_retries", None, check_max_retries),
    ("retry_strategy", None, _text_of(255)),
    ("timeout", None, _check_timeout),
    ("delay", None, _check_delay),
    ("run_at", None, _check_run_at),
    ("dedup_key", None, _text_of(255)),
    ("priority", 0, _check_priority),
    ("ordering_key", None, _text_of(255)),
    ("expires_at", None, _check_instant),
    ("traceparent", None, _text_of(55, TRACEPARENT, "a W3C traceparent")),
)
"""What a new job's options must be, where they aren't left at their default: a validator for each field
would be called for the defaults too, which nearly all of a thousand jobs have."""

_DEFAULTS = tuple(default for _, default, _ in _CHECKS)
_BY_BACKEND = frozenset({"max_retries", "retry_strategy"})  # properties, over what was given
_values_of = attrgetter(*(f"_{option}" if option in _BY_BACKEND else option for option, _, _ in _CHECKS))


def check_options(job: Any) -> None:
    """Check the options of a new job that aren't at their default. Raises ``OptionInvalid``."""
    for option, _, check in compress(_CHECKS, map(is_not, _values_of(job), _DEFAULTS)):
        check(job, option, getattr(job, option))


def check_option(option: str, value: object, *, like: str | None = None) -> None:
    """Check a value as that option of a new job, or as the one it is ``like``; None: it is left out.

    Raises ``OptionInvalid``.
    """
    (check,) = [check for name, _, check in _CHECKS if name == (like or option)]
    if value is not None:
        check(None, option, value)
