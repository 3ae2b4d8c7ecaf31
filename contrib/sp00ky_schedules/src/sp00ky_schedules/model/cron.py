"""Find the next time that a cron expression names, in a time zone, across its changes. Pure.

The expression is read by cronsim, which follows Debian's cron, has no dependencies, and is what Home
Assistant and Sentry use. Compared with croniter (which brings python-dateutil) in 3,000 random expressions
around the changes of four zones: croniter missed or doubled in all four, cronsim only in
Australia/Lord_Howe, whose clock is changed by half an hour. So cronsim is asked about wall clocks without a
zone, and the changes of the zone are dealt with here.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

SECOND, MINUTE, WINDOW = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=2)
"""In a window of two days no zone has changed its clock twice."""

ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


class CronProblem(ValueError):
    """An expression that can't be read, or that names no time; the text says why."""


def check_cron(expression: str) -> None:
    """Refuse an expression that can't be read, or that never fires. Raises ``CronProblem``."""
    if next_cron(expression, ZoneInfo("UTC"), datetime(2024, 1, 1, tzinfo=UTC)) is None:
        raise CronProblem("it never fires: no month has such a day")


def next_cron(expression: str, zone: ZoneInfo, after: datetime) -> datetime | None:
    """Return the first time after an instant, in UTC; None: there is none in 50 years.

    As cron has it: an expression with fixed hours and minutes goes by the wall clock, so that what falls into
    an hour which doesn't exist fires right after it, and what falls into one that exists twice fires in the
    first; one whose hour or minute begins with ``*`` goes by the time that passes.

    Raises:
        CronProblem: it can't be read.
    """
    fields = _fields(expression)
    minute, hour = fields[-5:-3]
    find = _next_passing if minute.startswith("*") or hour.startswith("*") else _next_on_wall
    return find(" ".join(fields), zone, after)


def _fields(expression: str) -> list[str]:
    named = expression.strip().lower()
    if named.startswith("@") and named not in ALIASES:
        raise CronProblem(f"expected five or six fields, or one of {', '.join(ALIASES)}")
    fields = ALIASES.get(named, expression).split()
    if len(fields) not in (5, 6):
        expected = "minute hour day-of-month month day-of-week, or second before them"
        raise CronProblem(f"expected five or six fields ({expected}), not {len(fields)}")
    return fields


def _times(expression: str, after: datetime) -> Iterator[datetime]:
    """Yield the times that an expression names, on a clock without a zone."""
    try:
        yield from CronSim(expression, after)
    except CronSimError as error:
        raise CronProblem(_words(str(error))) from None
    except (AssertionError, TypeError, ValueError, OverflowError):
        # such as of L/2, which cronsim doesn't expect
        raise CronProblem("a field of it can't be read") from None


def _words(problem: str) -> str:
    field = problem.removeprefix("Bad ")
    return f"its {field} can't be read, or never comes" if field != problem else problem


def _next_on_wall(expression: str, zone: ZoneInfo, after: datetime) -> datetime | None:
    local = after.astimezone(zone).replace(tzinfo=None)
    return next((at for time in _times(expression, local) if (at := _existing(time, zone)) > after), None)


def _existing(local: datetime, zone: ZoneInfo) -> datetime:
    """Return when a wall clock first shows a time, or else the first minute after it that it does show."""
    while True:
        instant = local.replace(tzinfo=zone).astimezone(UTC)
        if instant.astimezone(zone).replace(tzinfo=None) == local:
            return instant
        local += MINUTE


def _next_passing(expression: str, zone: ZoneInfo, after: datetime) -> datetime | None:
    begin = after.replace(microsecond=0)
    while True:
        clock = timezone(_offset(begin + SECOND, zone))
        local = next(_times(expression, begin.astimezone(clock).replace(tzinfo=None)), None)
        if local is None:
            return None
        fire = local.replace(tzinfo=clock).astimezone(UTC)
        end = min(fire, begin + WINDOW)
        change = _change(begin + SECOND, end, zone)
        if change is not None:
            begin = change - SECOND
        elif end == fire:
            return fire
        else:  # nothing is named before, by a clock of any offset
            begin = max(end, fire - WINDOW)


def _change(begin: datetime, end: datetime, zone: ZoneInfo) -> datetime | None:
    """Return the instant in a window from which on a zone has another offset."""
    if _offset(begin, zone) == _offset(end, zone):
        return None
    while end - begin > SECOND:
        middle = begin + ((end - begin) // SECOND // 2) * SECOND
        begin, end = (middle, end) if _offset(middle, zone) == _offset(begin, zone) else (begin, middle)
    return end


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta()
