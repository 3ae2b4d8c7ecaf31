"""Signs of life: this runner's own, and what it sees of the others'."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime

from sp00ky_core.errors import Sp00kyError
from sp00ky_core.ports import Store
from sp00ky_core.runner.backoff import Backoff
from sp00ky_core.runner.options import RunnerOptions

__all__ = ["Beat"]

logger = logging.getLogger(__name__)

FIRST_PAUSE = 0.25
"""Seconds after a beat that failed, doubled each time up to the interval."""


class Beat:
    """Beats every 2 s, and says what follows: may this runner start attempts, may it reclaim, who is dead.

    All by this runner's own monotonic clock, read before a beat is sent.
    """

    def __init__(self, store: Store, options: RunnerOptions) -> None:
        self._store = store
        self._options = options
        self._last: float | None = None  # the latest successful beat
        self._since: float = 0.0  # the first of an uninterrupted row of beats
        self._seen: dict[str, tuple[datetime, float]] = {}  # runner: its beat_at, and when that was new here
        self._beaten = asyncio.Event()

    def is_fresh(self) -> bool:
        """Whether attempts may be started."""
        return self._last is not None and self._options.clock() - self._last <= self._options.beat_stale

    def covers(self, since: float) -> bool:
        """Whether no gap between beats has come since then, so that nobody has held this runner for dead."""
        return self._since <= since

    async def fresh(self) -> None:
        """Return once attempts may be started."""
        while not self.is_fresh():
            self._beaten.clear()
            await self._beaten.wait()

    async def next(self, within: float) -> None:
        """Return after the next successful beat, or after so many seconds."""
        self._beaten.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._beaten.wait()

    def is_steady(self) -> bool:
        """Whether this runner's beats have come long enough without a gap for it to judge others."""
        return self.is_fresh() and self._options.clock() - self._since >= self._options.reclaim_after

    def dead(self) -> dict[str, datetime]:
        """Runners whose beat this one has seen unchanged for too long, and that beat.

        It counts up to this one's latest look: while the database is away nobody can be seen to beat.
        """
        limit = (self._last or 0.0) - self._options.dead_after
        return {runner_id: beat_at for runner_id, (beat_at, since) in self._seen.items() if since <= limit}

    async def beat(self) -> None:
        """Beat once. Raises what the store raises."""
        sent = self._options.clock()
        beats = await self._store.beat(self._options.runner_id)
        if self._last is None or sent - self._last > self._options.beat_stale:
            self._since = sent
            self._seen.clear()  # a gap: what was seen before it proves nothing
        self._last = sent
        self._see(beats)
        self._beaten.set()

    def _see(self, beats: Mapping[str, datetime]) -> None:
        now = self._options.clock()
        before = self._seen
        self._seen = {
            runner_id: before[runner_id]
            if runner_id in before and before[runner_id][0] == beat_at
            else (beat_at, now)
            for runner_id, beat_at in beats.items()
            if runner_id != self._options.runner_id
        }

    async def run(self) -> None:
        """Beat until cancelled; sooner after a beat that failed, or others hold this one for dead."""
        backoff = Backoff(self._options.random, first=FIRST_PAUSE, limit=self._options.beat_interval)
        while True:
            try:
                await self.beat()
            except Sp00kyError as error:
                logger.warning("no beat: %s", error)
                await backoff.wait()
            else:
                backoff.reset()
                await asyncio.sleep(self._options.beat_interval)
