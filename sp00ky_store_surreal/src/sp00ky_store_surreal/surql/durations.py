"""Write durations for statements, and read the text that the database makes of them."""

from __future__ import annotations

import re

_UNITS = {"ns": 1e-9, "µs": 1e-6, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_UNITS |= {"w": 7 * 86_400.0, "y": 365 * 86_400.0}
_PART = re.compile(r"(\d+)(ns|µs|us|ms|[smhdwy])")


def duration_text(seconds: float) -> str:
    """Write seconds for ``<duration>``; the SDK's own type can't be bound."""
    return f"{max(round(seconds * 1e9), 0)}ns"


def seconds_of(text: object) -> float:
    """Read a duration's text (``1m2s3ms``) as seconds; a text that is none, or negative, is 0."""
    return sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(str(text)))
