"""Time a loop of fixed work between measurements: how fast the machine itself is at that moment."""

from __future__ import annotations

import time
from collections.abc import Sequence

__all__ = ["look", "moved", "taken"]

TURNS, TRIES = 300_000, 3
"""Of the loop, which takes some 20 ms; the fastest of several tries counts."""

_looks: list[float] = []


def look() -> None:
    """Time the loop now; nothing else is to be measured meanwhile."""
    _looks.append(min(_seconds() for _ in range(TRIES)))


def taken() -> list[float]:
    """Return how long the loop has taken, each time since the last call."""
    looks = [*_looks]
    _looks.clear()
    return looks


def moved(looks: Sequence[float]) -> float:
    """Return by which share the machine was slower at its slowest look than at its fastest."""
    return max(looks) / min(looks) - 1 if looks else 0.0


def _seconds() -> float:
    start, total = time.perf_counter(), 0
    for number in range(TURNS):
        total += number
    return time.perf_counter() - start
