"""Measure how often something happens: counts in a second, over the last ten."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

WINDOW = 10.0
"""Seconds that a rate is of."""

GRAIN = 0.25
"""Seconds between two samples that are kept."""


class Meter:
    """Counts, and turns counts into a rate.

    Args:
        clock: Seconds, monotonic.

    Attributes:
        total: What was counted so far.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.total: int = 0
        self._samples = deque([(clock(), 0)])

    def add(self, count: int = 1) -> None:
        """Count something that has just happened."""
        self.reach(self.total + count)

    def reach(self, total: int) -> None:
        """Take over a count that is kept elsewhere; one that has fallen begins anew."""
        now = self._clock()
        if total < self.total:
            self._samples.clear()
        self.total = total
        if not self._samples or now - self._samples[-1][0] >= GRAIN:
            self._samples.append((now, total))

    def start(self, total: int) -> None:
        """Begin with a count that isn't news."""
        self.total = total
        self._samples = deque([(self._clock(), total)])

    def per_second(self) -> float:
        """Return the rate."""
        now = self._clock()
        while len(self._samples) > 1 and now - self._samples[1][0] >= WINDOW:
            self._samples.popleft()
        since, before = self._samples[0]
        return (self.total - before) / (now - since) if now - since >= GRAIN else 0.0
