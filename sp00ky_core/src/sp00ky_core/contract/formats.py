"""Check instants and durations by ISO 8601, as Pydantic writes them; RFC 3339 refuses some of these.

An instant or a time of day may lack its offset; a duration may have a sign, a fraction of a second, and units
that aren't next to each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import jsonschema_rs

__all__ = ["FORMATS"]

_DURATION = re.compile(
    r"-?P(?=[0-9T])([0-9]+Y)?([0-9]+M)?([0-9]+W)?([0-9]+D)?"
    r"(T(?=[0-9])([0-9]+H)?([0-9]+M)?([0-9]+(\.[0-9]+)?S)?)?"
)


def _without_offset(name: str) -> Callable[[str], bool]:
    is_valid = jsonschema_rs.Draft202012Validator({"format": name}, validate_formats=True).is_valid
    return lambda text: is_valid(text) or is_valid(f"{text}Z")


FORMATS: dict[str, Callable[..., bool]] = {
    "date-time": _without_offset("date-time"),
    "time": _without_offset("time"),
    "duration": lambda text: _DURATION.fullmatch(text) is not None,
}
"""The check of a text, by the name of its format, where it isn't the validator's own."""
