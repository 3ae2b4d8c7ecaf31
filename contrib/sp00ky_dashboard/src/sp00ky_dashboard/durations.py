"""Read what operators write: instants (``2h`` ago, ``2026-01-31T12:00``), durations, numbers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sp00ky_core.config.values import ReadProblem, seconds_of
from sp00ky_core.errors import OptionInvalid
from sp00ky_core.hints import shown

MOST_SECONDS = 3_650 * 86_400


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


def number_of(written: str) -> int | str | None:
    """Return a number, or a text that is none, which the outbox refuses; None: nothing is written."""
    try:
        return int(written) if written else None
    except ValueError:
        return written
