"""Limit the requests at a time to a backend that throttles: one after a pause, then more as it takes them.

Pure: no IO, no clock; every ``now`` is the runner's. Like a TCP sender it opens quickly up to half of what
was too much, from there on step by step.
"""

from __future__ import annotations

LONGEST_DELAY = 30.0
"""Seconds, at most, before a job is tried again whose backend throttled it without saying for how long."""

SHORTEST_HOLD, LONGEST_HOLD = 1.0, 30.0
"""Seconds after a pause in which no more than half of what was too much is tried: as long as the pause was,
within these bounds. A backend that counts by the second has been asked for a whole second by then."""

SHORTENED, SHORTEST_GAP = 0.9, 0.001
"""The part that each 2xx leaves of the gap between two requests, and the seconds below which a gap is
none."""

FADING = 1.1
"""How much longer a time counts as enough, each time that it wasn't: the limit may be lower by now."""


class Throttling:
    """Limit how many requests at a time this runner sends to one backend.

    Attributes:
        limit: Requests at a time; ``concurrency`` unless the backend has throttled.
        next_at: When the next request may be sent.
    """

    def __init__(self, concurrency: int) -> None:
        self._concurrency = concurrency
        self.limit: int = concurrency
        self._reach = concurrency  # up to here each 2xx allows one more
        self._taken = 0  # 2xx since the last pause
        self._credit = 0  # 2xx since the limit was last raised, beyond the reach
        self._hold = 0.0
        self._paused_at = 0.0
        self.next_at: float = 0.0
        self._paused_until = 0.0
        self._gap = 0.0  # seconds from one request to the next, where one at a time is too much
        self._in_a_row = 0  # throttled answers without a 2xx between; those to requests sent at once are one
        self._counted_at = float("-inf")
        self._taken_at = float("-inf")  # when the latest request that got a 2xx was sent
        self._enough = float("inf")  # the shortest time from one of these to another, while there is a gap

    def widen(self, concurrency: int) -> None:
        """Allow so many at a time from now on, or fewer; what a backend has throttled stays throttled."""
        is_throttled = self.limit < self._concurrency or self._gap > 0
        self._concurrency = concurrency
        self.limit = min(self.limit, concurrency) if is_throttled else concurrency
        self._reach = min(self._reach, concurrency) if is_throttled else concurrency

    def delivered(self, now: float, started_at: float) -> None:
        """Count a 2xx to a request that was sent at ``started_at``."""
        self._in_a_row = 0
        if started_at < self._paused_at:
            return
        self._taken += 1
        apart, self._taken_at = abs(started_at - self._taken_at), max(started_at, self._taken_at)
        if self._gap > 0:
            self._enough = min(self._enough, max(apart, SHORTEST_GAP))
            self._shorten_gap(now, started_at)
        elif self.limit >= self._concurrency:
            return
        elif self.limit < self._reach:
            self.limit += 1
        elif now - self._paused_until >= self._hold:
            self._credit += 1
            if self._credit >= self.limit:
                self.limit, self._credit = self.limit + 1, 0

    def throttled(self, now: float, started_at: float, asked: float) -> float:
        """Count a throttled answer; return the seconds until the job is tried again, before the jitter.

        ``asked``: seconds for which the backend asked to be left alone; 0: it didn't say.
        """
        if started_at > self._counted_at:
            self._in_a_row, self._counted_at = self._in_a_row + 1, now
        doublings = min(max(self._in_a_row - 1, 0), 10)
        delay = asked if asked > 0 else min(2.0**doublings, LONGEST_DELAY)
        if self.limit == 1 and 0 < self._paused_until <= now:  # one at a time, and it was after a pause
            self._lengthen_gap(now, started_at)
        if asked > 0 or self.limit == 1:
            self.pause(now, delay)
        else:
            self._reach = self.limit = max(self.limit // 2, 1)
            self._credit = 0
        return delay

    def pause(self, now: float, seconds: float) -> None:
        """Send nothing for so long, whichever worker was to, and approach the backend anew then."""
        if now >= self._paused_until:
            self._reach = max(min(self.limit, self._taken) // 2, 1)
            self.limit, self._taken, self._credit = 1, 0, 0
            self._paused_at = now
        if now + seconds > self._paused_until:
            self._paused_until = now + seconds
            self.next_at = max(self.next_at, self._paused_until)
            self._hold = min(max(self._paused_until - self._paused_at, SHORTEST_HOLD), LONGEST_HOLD)

    def _lengthen_gap(self, now: float, started_at: float) -> None:
        """Send half as often; at first as seldom as requests were taken since the pause before.

        A backend that has taken one after a shorter time refuses for another reason: its limit is shared
        with others, or it fails at random. To send less often would help nobody.
        """
        if started_at - self._taken_at > self._enough:
            self._enough *= FADING
            return
        if self._gap > 0:
            self._gap = min(2 * self._gap, LONGEST_DELAY)
        elif self._taken <= 1:
            self._gap = min(now - self._paused_at, LONGEST_DELAY)

    def _shorten_gap(self, now: float, started_at: float) -> None:
        """Send a little more often; where the backend itself takes as long, there is no gap any more."""
        self._gap *= SHORTENED
        if self._gap <= max(now - started_at, SHORTEST_GAP):
            self._gap = 0.0
        self.next_at = max(started_at + self._gap, self._paused_until)
