"""Read instants (``2h`` ago, ``2026-01-31``) and durations that operators write; write durations and ages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sp00ky_core.config.values import ReadProblem, seconds_of
from sp00ky_core.error_texts import shown
from sp00ky_core.errors import OptionInvalid

MOST_SECONDS = 3_650 * 86_400

DURATIONS = ((86_400, "d"), (3_600, "h"), (60, "min"))
"""Seconds, and their unit; from twice as much on it is written in that unit."""


def duration_of(written: str) -> float | None:
    """Return seconds; None: it is no duration of at most ten years."""
    try:
        seconds = seconds_of(written.strip().lower())
    except ReadProblem:
        return None
    return seconds if 0 <= seconds <= MOST_SECONDS else None


def instant_of(option: str, written: str, *, is_ahead: bool = False) -> datetime | None:
    """Return an instant, or the one that lies so long ago, or ahead; None: nothing is written.

    It is UTC without a zone.

    Raises:
        OptionInvalid: It is neither.
    """
    text = written.strip().upper()
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        seconds = duration_of(text)
        if seconds is None:
            expected = "a time from now" if is_ahead else "an age"
            expected += " such as 2h or 3d, or an instant such as 2026-01-31T12:00Z"
            raise OptionInvalid(option=option, value=shown(written), expected=expected) from None
        return datetime.now(UTC) + timedelta(seconds=seconds if is_ahead else -seconds)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def duration(seconds: float | None) -> str:
    """Write a duration, in its largest unit: ``1.5 s``, ``12 min``, ``3 d``."""
    if seconds is None:
        return "\N{EN DASH}"
    for size, unit in DURATIONS:
        if abs(seconds) >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    if abs(seconds) >= 10:  # noqa: PLR2004  # one decimal says something below that
        return f"{seconds:.0f} s"
    return f"{seconds:.1f} s" if abs(seconds) >= 1 or not seconds else f"{seconds * 1000:.0f} ms"


def age(at: datetime) -> str:
    """Write how long ago it was, or in how long it is."""
    seconds = (datetime.now(UTC) - at).total_seconds()
    return f"{duration(seconds)} ago" if seconds >= 0 else f"in {duration(-seconds)}"


def past(seconds: float) -> datetime:
    """Return the instant that was so many seconds ago."""
    return datetime.now(UTC) - timedelta(seconds=seconds)
