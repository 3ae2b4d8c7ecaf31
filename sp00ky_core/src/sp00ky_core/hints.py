"""Write values, near misses and ways to install what is missing into the texts of errors."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from difflib import get_close_matches

__all__ = ["install_hint", "near_miss", "nearest", "shown"]

MOST_NAMES = 10
"""Known names that a message lists; of the others it says how many they are."""

_AT_THE_TOP = tuple(
    f"sp00ky-{name}" for name in ("core", "conformance", "store-postgres", "store-surreal", "transport-http")
)
"""Distributions whose folder is at the top of a clone; the others' are in its ``contrib``."""


def nearest(name: str, known: Iterable[str]) -> str:
    """End a sentence about an unknown name: with the nearest known one, or all of them."""
    names = sorted(known)
    if hint := near_miss(name, names):
        return hint.removeprefix("; ")
    more = f", and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"known: {', '.join(map(repr, names[:MOST_NAMES]))}{more}" if names else "none is known"


def near_miss(name: str, known: Iterable[str]) -> str:
    """End a sentence about an unknown name with the nearest known one; with nothing where none is near."""
    close = get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def install_hint(distribution: str) -> str:
    """Say how a distribution of this project is installed: from a clone, until they are published."""
    above = "./" if distribution.startswith(_AT_THE_TOP) else "./contrib/"
    folder = above + distribution.replace("-", "_")
    folder = f"'{folder}'" if "[" in folder else folder  # brackets are a pattern, for some shells
    return f"pip install {folder}, in a clone of the repository ({distribution} isn't published yet)"


def shown(value: object) -> str:
    """Show a value in an error: its ``repr``, cut to 80 characters, fit to be printed; a time as text."""
    try:
        text = str(value) if isinstance(value, datetime | timedelta) else repr(value)
        return text[:80].encode(errors="replace").decode()
    except Exception:  # noqa: BLE001  # an int of more digits than Python writes, a caller's own __repr__
        return type(value).__name__
