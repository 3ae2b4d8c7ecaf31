"""A backend's breaker as this runner sees it: as it was last read, and what isn't written of it yet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress

import attrs

from sp00ky_core.config import BreakerConfig
from sp00ky_core.gate.breaker import Breaker, BreakerChange, BreakerEvent, RouteBreakers, change_after
from sp00ky_core.ports import BreakerResult

NEW = Breaker()
"""A breaker that lets everything through, and has nothing to report."""

MOST_UNWRITTEN = 100
"""Events that wait to be written; beyond that the oldest are dropped, for it is the latest that count."""

TOO_OLD = 10.0
"""Seconds after which what couldn't be written says nothing of the backend any more."""

MOST_TRIES = 10
"""How often in a row others may have been faster."""

LOOK_AGAIN = 0.25
"""Seconds between two looks at a breaker that isn't closed while signals of new work come in: one of them may
have reported that it is closed."""


class SeenBreaker:
    """One backend's breaker as this runner sees it: its own attempts count before they are written.

    Attributes:
        routes: Those of its routes, which are this runner's alone.
    """

    def __init__(
        self,
        backend: str,
        config: BreakerConfig,
        clock: Callable[[], float],
        poll: float,
        *,
        several_routes: bool = False,
    ) -> None:
        self.backend = backend
        self.routes: RouteBreakers = RouteBreakers(backend, config, several=several_routes)
        self._config = config
        self._clock = clock
        self._poll = poll  # seconds after which it is read again, whatever was known of it
        self.stored: Breaker = NEW  # as it was last read
        self.view: Breaker = NEW  # as it is once all is written
        self._as_of = 0.0  # when both were so
        self._looked_at = 0.0
        self._signalled = False
        self._unwritten: list[BreakerEvent] = []
        self._being_written: list[BreakerEvent] = []
        self._sent: BreakerChange | None = None  # what they come to; it may be written, or not
        self._sent_in_vain = False  # no reply came
        self._unwritten_since = 0.0
        self._refusals = 0
        self._noted = 0  # events
        self._fewer = asyncio.Event()  # set for a moment whenever fewer of them wait to be written
        self._replies = 0
        self._replies_before_claim = 0
        self.probes = 0  # this runner's, that have no outcome yet
        self._pause_logged_at = float("-inf")
        self.problem = ""  # what this runner's latest failed attempt met, for the log

    def pause_is_news(self, within: float) -> bool:
        """Whether no pause was logged in the last so many seconds; if so, this one is."""
        if self._clock() - self._pause_logged_at < within:
            return False
        self._pause_logged_at = self._clock()
        return True

    @property
    def lets_through(self) -> bool:
        """Whether an attempt may start."""
        if self.view is NEW:
            return True
        self._age()
        return self.view.lets_through

    @property
    def has_unwritten(self) -> bool:
        """Whether the store has yet to hear of something."""
        return bool(self._unwritten or self._being_written)

    @property
    def silent_for(self) -> float:
        """Seconds for which a claim would get nothing, as far as is known; infinite: until all is written."""
        if self.view is NEW and self.stored is NEW:
            return 0.0
        self._age()
        if self.view.lets_through and self.stored.lets_through:
            return 0.0
        if self.has_unwritten:
            return float("inf")
        longest = LOOK_AGAIN if self._signalled else self._poll
        since = self._clock() - self._looked_at
        return max(min(self.view.silent_for, longest - since), 0.0)

    def signal(self) -> None:
        """There may be work; it may be because the breaker is closed."""
        self._signalled = True

    def note(self, event: BreakerEvent) -> bool:
        """Count an event; whether there is something to be written."""
        self._age()
        change = change_after(self.backend, self.view, event, self._config)
        if change is None:
            return False
        if not self._unwritten:
            self._unwritten_since = self._clock()
        self._unwritten = [*self._unwritten, event][-MOST_UNWRITTEN:]
        self._noted += 1
        self._looked_at = self._clock()
        self.view = _or_new(change.of(self.view))
        return True

    async def heard(self) -> None:
        """Return once the store has heard of all that is noted by now, or it is too old to be reported."""
        noted = self._noted
        with suppress(TimeoutError):
            async with asyncio.timeout(TOO_OLD):
                while self._noted - len(self._unwritten) - len(self._being_written) < noted:
                    await self._fewer.wait()

    def claiming(self) -> None:
        """Note that a claim is about to be sent."""
        self._replies_before_claim = self._replies

    def claimed(self, breaker: Breaker) -> None:
        """Take over the breaker as a claim found it, unless a change was written meanwhile."""
        if breaker == NEW and self.stored is NEW and not self._unwritten:
            return
        if self._being_written or self._replies != self._replies_before_claim:
            self._looked_at = self._clock()  # which of the two came first isn't known
        else:
            self._read(breaker)

    def change(self) -> BreakerChange | None:
        """Return what is to be written, if it isn't too old; its reply goes to ``written`` or ``failed``.

        One whose reply was lost comes again first, as it was: only so is it known for the same.
        """
        if self._clock() - self._unwritten_since > TOO_OLD or self._refusals >= MOST_TRIES:
            self._forget()
            return None
        if self._sent is not None:
            return self._sent
        self._age()
        change = _change_after_all(self.backend, self.stored, self._unwritten, self._config)
        if change is None:
            self._forget()
        else:
            self._being_written, self._unwritten = self._unwritten, []
            self._sent, self._sent_in_vain = change, False
        return change

    def written(self, result: BreakerResult) -> bool:
        """Note a change's reply; return whether it is written, by this try or by one whose reply was lost."""
        self._replies += 1
        sent, self._sent = self._sent, None
        by_lost = self._sent_in_vain and sent is not None and sent.has_made(result.breaker)
        is_written = result.written or by_lost
        self._refusals = 0 if is_written else self._refusals + 1
        if not is_written:
            self._unwritten = [*self._being_written, *self._unwritten][-MOST_UNWRITTEN:]
        self._being_written = []
        self._read(result.breaker)
        self._wake_waiting()
        return is_written

    def failed(self) -> None:
        """Note that no reply has come: it isn't known whether the change is written."""
        self._sent_in_vain = True

    def _forget(self) -> None:
        self._unwritten, self._being_written, self._sent, self._refusals = [], [], None, 0
        self.view = self.stored
        self._wake_waiting()

    def _wake_waiting(self) -> None:
        self._fewer.set()
        self._fewer.clear()

    def _read(self, breaker: Breaker) -> None:
        self._signalled = False
        self._as_of = self._looked_at = self._clock()
        self.stored = view = _or_new(breaker)
        for event in (*self._being_written, *self._unwritten):
            change = change_after(self.backend, view, event, self._config)
            view = view if change is None else change.of(view)
        self.view = _or_new(view)

    def _age(self) -> None:
        now = self._clock()
        self.stored = _after(self.stored, now - self._as_of)
        self.view = _after(self.view, now - self._as_of)
        self._as_of = now


def _change_after_all(
    backend: str, breaker: Breaker, events: Iterable[BreakerEvent], config: BreakerConfig
) -> BreakerChange | None:
    """Join what events, in turn, make of a breaker into one change."""
    after, whole = breaker, None
    for event in events:
        change = change_after(backend, after, event, config)
        if change is not None:
            after = change.of(after)
            pause = change.pause if whole is None else max(change.pause, whole.pause)
            whole = attrs.evolve(change, before=breaker, pause=pause)
    return None if after == breaker else whole


def _after(breaker: Breaker, seconds: float) -> Breaker:
    return NEW if breaker is NEW else _or_new(breaker.after(seconds))


def _or_new(breaker: Breaker) -> Breaker:
    """Return ``NEW`` itself where it is equal: whether it is can then be asked for each job."""
    return NEW if breaker == NEW else breaker
