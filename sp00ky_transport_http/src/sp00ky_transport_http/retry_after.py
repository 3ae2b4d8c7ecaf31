"""Read ``Retry-After`` as seconds. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")
_LONGEST = 10.0 * 365 * 86_400
"""Seconds; what asks for more is read as this (the retry policy's cap is far below)."""


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds that the response asks to wait: at least 0 and finite; None where it doesn't ask.

    An HTTP date is taken relative to the response's own ``Date``, so the two clocks needn't agree; relative
    to ``now`` where that is missing or no date.
    """
    asked = headers.get("retry-after", "").strip()
    if not asked:
        return None
    if _SECONDS.fullmatch(asked):
        return min(float(asked), _LONGEST)
    until = _instant(asked)
    if until is None:
        return None
    since = _instant(headers.get("date", "")) or now
    return min(max((until - since).total_seconds(), 0.0), _LONGEST)


def _instant(text: str) -> datetime | None:
    try:
        instant = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
