"""Read instants and durations as operators write them: ``2h`` ago, ``2026-01-31T12:00``."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from sp00ky_core.errors import OptionInvalid
from sp00ky_core.hints import shown

UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
"""Seconds."""

MOST_SECONDS = 3_650 * 86_400

_DURATION = re.compile(r"(\d{1,9})\s*([smhdw])")


def duration_of(written: str) -> float | None:
    """Return seconds; None: it is no duration of at most ten years."""
    found = _DURATION.fullmatch(written.strip().lower())
    seconds = int(found[1]) * UNITS[found[2]] if found else MOST_SECONDS + 1
    return seconds if seconds <= MOST_SECONDS else None


def instant_of(option: str, written: str) -> datetime | None:
    """Return an instant, or the one that lies so long ago; None: nothing is written. UTC without a zone.

    Raises:
        OptionInvalid: It is neither.
    """
    if not written.strip():
        return None
    seconds = duration_of(written)
    if seconds is not None:
        return datetime.now(UTC) - timedelta(seconds=seconds)
    try:
        at = datetime.fromisoformat(written.strip().upper())
    except ValueError:
        expected = "an age such as 2h or 3d, or an instant such as 2026-01-31T12:00Z"
        raise OptionInvalid(option=option, value=shown(written), expected=expected) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
