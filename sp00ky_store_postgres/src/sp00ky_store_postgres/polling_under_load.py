"""Look for jobs unasked while they flow, so that those who enqueue needn't notify.

Transactions that notify commit one after the other. Those that meet say so, and then a listening session
takes locks that their trigger tries (``sp00ky_wake``): for up to a second nobody notifies, and runners look
for jobs by themselves. While they find many the locks are taken again. What was inserted under a lock, and is
committed later, is found by further looks, which get rarer: within 40 ms, or the time that its transaction
took.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

FLOW_CHANNEL = "sp00ky_flow"
HELD = " held"
"""Ends the payload that tells of locks; one without it tells of transactions that met."""

MANY, MANY_SECONDS = 4, 0.1
"""How many transactions, met in how many seconds, mean that jobs flow."""

SOONEST, LATEST = 0.0025, 0.02
"""Seconds between two looks while nobody notifies; they double while nothing is found."""

LAST = 2.5
"""Seconds up to which the pauses double; then a runner's own poll is as good."""

LONGEST = 1.0
"""Seconds for which one taking of locks lasts at most."""
MARGIN = 0.1
"""Seconds before the end of a taking of locks at which they are taken again, if ``FRUITFUL`` claims got
jobs."""
FRUITFUL = 50
"""Claims that must have got jobs for locks to be taken again."""

Hold = Callable[[Sequence[str]], Awaitable[float]]
"""Keeps transactions that insert into these tables from notifying, and tells others; returns for how long."""


class Flow:
    """Notices that many transactions notify, and takes the place of their notifications.

    Args:
        look: Has a claim look for jobs.
    """

    def __init__(self, look: Callable[[], None]) -> None:
        self._look = look
        self._met: dict[str, deque[float]] = {}
        self._flowing: set[str] = set()
        self._wants_hold = False
        self._held_until = 0.0
        self._news = asyncio.Event()
        self._found = 0  # claims that got jobs, since the last look...
        self._found_in_all = 0  # ...and since the locks were taken

    def heard(self, payload: str) -> None:
        """Take in a notification of ``FLOW_CHANNEL``."""
        name, now = payload.removesuffix(HELD), time.monotonic()
        if payload != name:
            self._held_until = now + LONGEST
        else:
            times = self._met.setdefault(name, deque(maxlen=MANY))
            times.append(now)
            if len(times) < MANY or now - times[0] > MANY_SECONDS:
                return
            times.clear()
            self._wants_hold = True
        self._flowing.add(name)
        self._news.set()

    def claimed(self) -> None:
        """Note a claim that got jobs."""
        self._found += 1

    async def run(self, hold: Hold) -> None:
        """Look for jobs while they flow, and for a while after; ends by what ``hold`` raises."""
        while True:
            await self._news.wait()
            pause = SOONEST
            while pause < LAST:
                self._news.clear()
                if self._wants_hold:
                    self._wants_hold, self._found_in_all = False, 0
                    self._held_until = time.monotonic() + await hold(sorted(self._flowing))
                pause = self._next(pause)
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._news.wait()
                self._look()

    def _next(self, pause: float) -> float:
        """Return the seconds until the next look; ``pause``: those until this one."""
        found, self._found = self._found, 0
        self._found_in_all += found
        left = self._held_until - time.monotonic()
        if left <= 0:
            self._flowing.clear()
            return pause * 2
        if left < MARGIN and self._found_in_all >= FRUITFUL:
            self._wants_hold = True
        return SOONEST if found else min(pause * 2, LATEST)
