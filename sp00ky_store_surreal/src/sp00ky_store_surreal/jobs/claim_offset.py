"""Choose where in the queue a runner claims, so that runners rarely collide, and how many rows."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta

from sp00ky_core.ports import RunnerBeat

WINDOW = 1_000
"""Jobs from the head of the queue among which runners that compete claim."""

ROOM = 4
"""A claim takes a fourth of the jobs from its runner's place to the next one's, for the places move on with
what is claimed before them: of four runners' claims of all of these 14 % collided, of a fourth 6 %."""

FEWEST = 25
"""Jobs that a claim may ask for however large the fleet is: a statement has a price of its own."""

LIVELY = timedelta(seconds=10)
"""A runner whose last beat is older isn't reckoned with."""

SHARE = 8
"""Of what a claim that took too long asked for, the next one asks for this part."""

UNLIMITED = 1_000

SLOW = 0.5
"""Seconds of a claim after which the next ones shorten ``errors``."""

CAREFUL = 60.0
"""Seconds for which they do; it costs a server 5 % of a claim."""


class Peers:
    """Knows the places of this store's runners among all, by their beats."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._most: dict[str, int] = {}

    def seen(self, runner_id: str, beats: Mapping[str, RunnerBeat]) -> None:
        """Take note of all runners' last beats, as a runner has read them."""
        if runner_id not in beats:
            return
        since = beats[runner_id].at - LIVELY
        lively = sorted(each for each, beat in beats.items() if beat.at >= since)
        apart = WINDOW // len(lively)
        self._places[runner_id] = lively.index(runner_id) * apart
        self._most[runner_id] = max(apart // ROOM, FEWEST) if len(lively) > 1 else UNLIMITED

    def most(self, runner_id: str) -> int:
        """Return how many jobs a claim may ask for: fewer where runners compete."""
        return self._most.get(runner_id, UNLIMITED)

    def start(self, runner_id: str, count: int) -> int:
        """Return how many due jobs a claim of ``count`` passes over, at most; 0 for a lone runner."""
        return min(self._places.get(runner_id, 0), max(WINDOW - count, 0))


class BatchSize:
    """The most rows that a claim asks for, by how long the claims before it took.

    A client's row may be so large that its write takes seconds (300,000 entries in ``errors``: 2 s, and 0.2 s
    where they are shortened with it). A claim of many such rows would lose its connection, again and again,
    and what is behind them would wait for ever.
    """

    def __init__(self) -> None:
        self._most = UNLIMITED
        self._careful_until = 0.0

    @property
    def is_one(self) -> bool:
        """Whether it can't be smaller."""
        return self._most == 1

    @property
    def shortens(self) -> bool:
        """Whether a claim is to shorten ``errors`` to as many entries as runners keep."""
        return time.monotonic() < self._careful_until

    def of(self, count: int) -> int:
        """Return how many to ask for instead of ``count``."""
        return min(count, self._most)

    def took_too_long(self, asked: int) -> None:
        """Note that a claim of so many rows was cut off."""
        self._most = max(min(asked, self._most) // SHARE, 1)
        self._careful_until = time.monotonic() + CAREFUL

    def went_well(self, seconds: float) -> None:
        """Note that a claim was answered, after so long."""
        self._most = min(self._most * 2, UNLIMITED)
        if seconds > SLOW:
            self._careful_until = time.monotonic() + CAREFUL
