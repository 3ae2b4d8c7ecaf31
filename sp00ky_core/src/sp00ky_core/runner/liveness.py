"""Beat, judge by the beats of others which runners are dead, and say whether this one's claims go through."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta

import attrs

from sp00ky_core.errors import Sp00kyError, StoreError
from sp00ky_core.ports import NO_INFO, RunnerBeat, RunnerInfo, Store
from sp00ky_core.runner.counters_and_log import Observer
from sp00ky_core.runner.options import RunnerOptions
from sp00ky_core.stores.subscription import Backoff, within

FIRST_PAUSE = 0.25
"""Seconds after a beat that failed, doubled each time up to the interval."""


@attrs.define(eq=False, slots=False)
class Beat:
    """Beats every 2 s, and says what follows: may this runner start attempts, may it reclaim, who is dead.

    All by this runner's own monotonic clock, read before a beat is sent.

    Attributes:
        fresh_until: Attempts may be started until then, if no beat comes.
        since: The first of an uninterrupted row of beats: no peer has declared this runner dead since.
    """

    _store: Store
    _options: RunnerOptions
    _info: Callable[[], RunnerInfo] = lambda: NO_INFO  # what this runner says of itself
    _drain_requested: Callable[[], None] = lambda: None  # called when an operator has asked it to drain
    _observer: Observer = attrs.field(factory=Observer)

    def __attrs_post_init__(self) -> None:
        self.fresh_until: float = float("-inf")
        self.since: float = 0.0
        self._turn = asyncio.Lock()  # of each beat
        self._stopped = False
        self._beats: Mapping[str, RunnerBeat] = {}  # the last ones, this runner's among them
        self._last: float | None = None  # the latest successful beat
        self._seen: dict[str, tuple[datetime, float]] = {}  # runner: its beat_at, and when that was new here
        self._beaten = asyncio.Event()

    def is_fresh(self) -> bool:
        """Whether attempts may be started."""
        return self._options.clock() <= self.fresh_until

    def has_beaten_since(self, instant: float) -> bool:
        """Whether this runner's beats have come without a gap since then."""
        return self.is_fresh() and self.since <= instant

    async def fresh(self) -> None:
        """Return once attempts may be started."""
        while not self.is_fresh():
            self._beaten.clear()
            await self._beaten.wait()

    async def next(self, seconds: float) -> None:
        """Return after the next successful beat, or after so many seconds."""
        self._beaten.clear()
        await within(seconds, self._beaten.wait())

    def is_steady(self) -> bool:
        """Whether this runner's beats have come long enough without a gap for it to judge others."""
        return self.is_fresh() and self._options.clock() - self.since >= self._options.reclaim_after

    def dead(self) -> dict[str, datetime]:
        """Return the runners whose beat this one has seen unchanged for too long, each with that beat.

        It counts up to this one's latest look: while the database is away no runner can be seen to beat.
        """
        limit = (self._last or 0.0) - self._options.dead_after
        return {runner_id: beat_at for runner_id, (beat_at, since) in self._seen.items() if since <= limit}

    def beating(self) -> list[str]:
        """List the runners that aren't dead, this one among them."""
        dead = self.dead()
        return [self._options.runner_id, *(runner_id for runner_id in self._seen if runner_id not in dead)]

    def place(self, backend: str) -> tuple[int, int]:
        """Return this runner's place among those that share a backend's work, and how many these are."""
        own, document = self._options.runner_id, self._info().documents.get(backend)
        others = [
            runner_id
            for runner_id, info in self.others().items()
            if document is not None and info.documents.get(backend) == document
        ]
        return sum(other < own for other in others), 1 + len(others)

    def others(self) -> dict[str, RunnerInfo]:
        """Return what other runners say of themselves, those that beat and don't drain."""
        latest = max((beat.at for beat in self._beats.values()), default=datetime.max)
        dead_since = latest - timedelta(seconds=self._options.dead_after)
        return {
            runner_id: beat.info
            for runner_id, beat in self._beats.items()
            if runner_id != self._options.runner_id and beat.at >= dead_since and not beat.info.draining
        }

    def has_looked_since(self, instant: float) -> bool:
        """Whether a beat that began after then, by this runner's clock, has read what the others say."""
        return self._last is not None and self._last > instant

    def sees_another_document(self, backend: str, digest: str) -> bool:
        """Whether a runner that beats has another OpenAPI document of a backend than this digest's."""
        beats = (self._beats[runner_id] for runner_id in self.beating() if runner_id in self._beats)
        return any(beat.info.documents.get(backend, digest) != digest for beat in beats)

    async def beat(self) -> None:
        """Beat once. Raises what the store raises."""
        async with self._turn:
            if not self._stopped:
                await self._beat()

    async def stop(self) -> None:
        """Beat no more, after a beat that is under way."""
        async with self._turn:
            self._stopped = True

    async def _beat(self) -> None:
        sent = self._options.clock()
        beats = await self._store.beat(self._options.runner_id, self._info())
        if sent > self.fresh_until:
            self.since = sent
            self._seen.clear()  # a gap: what was seen before it proves nothing
        self._last, self.fresh_until = sent, sent + self._options.beat_stale
        self._see(beats)
        self._beaten.set()

    def _see(self, beats: Mapping[str, RunnerBeat]) -> None:
        now, own = self._options.clock(), beats.get(self._options.runner_id)
        if own is not None and own.info.draining:
            self._drain_requested()
        before = self._seen
        self._beats = beats
        self._seen = {
            runner_id: before[runner_id]
            if runner_id in before and before[runner_id][0] == beat.at
            else (beat.at, now)
            for runner_id, beat in beats.items()
            if runner_id != self._options.runner_id
        }

    async def run(self) -> None:
        """Beat until cancelled; sooner after a failed beat, or others would take this runner for dead."""
        backoff = Backoff(self._options.random, first=FIRST_PAUSE, limit=self._options.beat_interval)
        while True:
            try:
                await self.beat()
            except Sp00kyError as error:
                self._observer.failed("no beat", error)
                await backoff.wait()
            else:
                backoff.reset()
                self._observer.worked()
                await asyncio.sleep(self._options.beat_interval)


HANGING = 10.0
"""Seconds after which a claim counts as hanging: it takes milliseconds, a second on a busy database."""


@attrs.define
class Claims:
    """Says whether this runner's claims go through, which readiness asks.

    Attributes:
        clock: Seconds, monotonic; the runner's.
        since: When the claim that is under way began; None: none is.
        fail: Whether the latest claim failed.
    """

    clock: Callable[[], float]
    since: float | None = None
    fail: bool = False

    @property
    def go_through(self) -> bool:
        """Whether the latest claim did, and the one under way doesn't hang, behind a lock say."""
        return not self.fail and (self.since is None or self.clock() - self.since < HANGING)

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Note how long a claim takes, and whether it fails."""
        self.since = self.clock()
        try:
            yield
        except StoreError:
            self.fail = True
            raise
        finally:
            self.since = None
        self.fail = False
