"""Say what a name that is unknown may have been meant to be."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["near_miss"]


def near_miss(name: str, known: Iterable[str]) -> str:
    """End a sentence about an unknown name with the nearest known one; with nothing where none is near."""
    close = get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""
