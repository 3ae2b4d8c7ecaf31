"""Keys that are nearly one of ours: most likely a slip, so they are refused instead of ignored."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["near_miss"]

_FOREIGN = frozenset({"app"})  # other tools' own keys that happen to be close to one of ours
_SHORT, _LONG = 4, 8  # from these lengths on, one and two slips count as near


def near_miss(key: object, ours: Iterable[str]) -> str | None:
    """Which of our keys this one was probably meant to be; None for one of another tool."""
    if not isinstance(key, str) or key in _FOREIGN:
        return None
    return next((own for own in ours if key != own and _near(_plain(key), _plain(own))), None)


def _plain(key: str) -> str:
    return "".join(mark for mark in key.casefold() if mark.isalnum())


def _near(key: str, own: str) -> bool:
    slips = 0 if len(own) < _SHORT else 1 if len(own) < _LONG else 2
    return abs(len(key) - len(own)) <= slips and _distance(key, own) <= slips


def _distance(left: str, right: str) -> int:
    """Insertions, deletions, replacements and swaps of neighbours that turn one into the other."""
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, mark in enumerate(left, 1):
        earlier, before, row = before, row, [i]
        for j, other in enumerate(right, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (mark != other))
            if i > 1 and j > 1 and mark == right[j - 2] and left[i - 2] == other:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
    return row[-1]
