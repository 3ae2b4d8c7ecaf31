"""Which runners share a database, and where in the queue each of them claims, so that they rarely collide."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

__all__ = ["Peers", "WINDOW"]

WINDOW = 1_000
"""Jobs from the head of the queue among which runners that compete claim."""

LIVELY = timedelta(seconds=10)
"""A runner whose last beat is older isn't reckoned with."""


class Peers:
    """Places of this store's runners among all, as their beats tell them."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    def seen(self, runner_id: str, beats: Mapping[str, datetime]) -> None:
        """A runner has read everybody's last beat, its own among them."""
        if runner_id not in beats:
            return
        since = beats[runner_id] - LIVELY
        lively = sorted(each for each, beat_at in beats.items() if beat_at >= since)
        self._places[runner_id] = lively.index(runner_id) * (WINDOW // len(lively))

    def start(self, runner_id: str, count: int) -> int:
        """How many due jobs a claim of ``count`` passes over, if there are so many; 0 for a lone runner."""
        return min(self._places.get(runner_id, 0), max(WINDOW - count, 0))
