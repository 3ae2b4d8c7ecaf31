"""Keep a backend's breaker as one process sees it: as it was last read, and what isn't written of it yet.

No IO; the clock is passed in.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

import attrs

from sp00ky_core.config import BreakerConfig
from sp00ky_core.gate.breaker import (
    NEW,
    Breaker,
    BreakerChange,
    BreakerEvent,
    BreakerState,
    change_after,
    or_new,
)
from sp00ky_core.job.job import Job, facts_of, named

logger: logging.Logger = logging.getLogger(__name__)

MOST_UNWRITTEN = 100
"""Events that wait to be written; beyond that the oldest are dropped, for it is the latest that count."""

TOO_OLD = 10.0
"""Seconds after which what couldn't be written says nothing of the backend any more."""

MOST_TRIES = 10
"""How often in a row other runners may have written the breaker first."""

LOOK_AGAIN = 0.25
"""Seconds between two looks at a breaker that isn't closed while signals of new work come in: one of them may
have reported that it is closed."""

PAUSE_IS_NEWS = 10.0
"""Seconds from one line about a pause to the next."""

Log = Callable[..., None]
"""Logs as ``logging.Logger.log`` does."""


@attrs.define(eq=False, slots=False)
class SeenBreaker:
    """One backend's breaker as this process sees it: its own attempts count before they are written.

    Attributes:
        backend: The backend's name.
        stored: The breaker as it was last read.
        view: ... and as it is once all is written.
        noted: Events, in all.
        latest_failure: The job whose attempt was the latest to find it unavailable since it was last as if
            new, and what may be logged of that; None: this process made none.
    """

    backend: str
    _config: BreakerConfig
    _clock: Callable[[], float]
    _poll: float  # seconds after which it is read again, whatever was known of it
    _closed_elsewhere: Callable[[float], None] = lambda _now: None  # another process closed it
    _log: Log = logger.log

    def __attrs_post_init__(self) -> None:
        self.stored: Breaker = NEW
        self.view: Breaker = NEW
        self.noted: int = 0
        self.latest_failure: tuple[Job, str] | None = None
        self._as_of = 0.0  # when ``stored`` and ``view`` were so
        self._looked_at = 0.0
        self._signalled = False
        self._unwritten: list[BreakerEvent] = []
        self._being_written: list[BreakerEvent] = []
        self._sent: BreakerChange | None = None  # what they come to; it may be written, or not
        self._sent_in_vain = False  # no reply came
        self._unwritten_since = 0.0
        self._refusals = 0
        self._replies = 0
        self._replies_before_claim = 0
        self._pause_logged_at = float("-inf")

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
    def told(self) -> int:
        """Events of which the store has heard, or which were too old for it."""
        return self.noted - len(self._unwritten) - len(self._being_written)

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
        """Note a signal of work: it may mean that the breaker is closed."""
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
        self.noted += 1
        self._looked_at = self._clock()
        self.view = or_new(change.of(self.view))
        return True

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
            self._take_over(breaker, is_own=False)

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
        _, change = _after_all(self.backend, self.stored, self._unwritten, self._config)
        if change is None:
            self._forget()
        else:
            self._being_written, self._unwritten = self._unwritten, []
            self._sent, self._sent_in_vain = change, False
        return change

    def written(self, breaker: Breaker, *, is_written: bool) -> bool:
        """Note a change's reply; return whether it is written, by this try or by one whose reply was lost."""
        self._replies += 1
        sent, self._sent = self._sent, None
        is_written |= self._sent_in_vain and sent is not None and sent.has_made(breaker)
        self._refusals = 0 if is_written else self._refusals + 1
        if not is_written:
            self._unwritten = [*self._being_written, *self._unwritten][-MOST_UNWRITTEN:]
        self._being_written = []
        self._take_over(breaker, is_own=is_written)
        return is_written

    def failed(self) -> None:
        """Note that no reply has come: it isn't known whether the change is written."""
        self._sent_in_vain = True

    def _forget(self) -> None:
        self._unwritten, self._being_written, self._sent, self._refusals = [], [], None, 0
        self.view = self.stored

    def _take_over(self, breaker: Breaker, *, is_own: bool) -> None:
        """Read the breaker as the store has it; ``is_own``: as this process has left it."""
        before, self._signalled = self.stored, False
        self._as_of = self._looked_at = self._clock()
        self.stored, events = or_new(breaker), (*self._being_written, *self._unwritten)
        view, _ = _after_all(self.backend, self.stored, events, self._config)
        self.view = or_new(view)
        if self.view is NEW:
            self.latest_failure = None
        if _has_closed(before, self.stored) and not is_own:
            self._closed_elsewhere(self._as_of)
        self._log_change(before)

    def _log_change(self, before: Breaker) -> None:
        """Log what has become of the breaker, if it is news."""
        was_closed, is_closed = (breaker.state is BreakerState.CLOSED for breaker in (before, self.stored))
        if was_closed and not is_closed:
            text = "backend %s is unavailable: its jobs wait until it answers again%s"
            facts, why = {"event": "breaker_opened", "backend": self.backend}, ""
            if self.latest_failure is not None:  # other processes log their own
                job, problem = self.latest_failure
                facts, why = {**facts, **facts_of(job)}, f" ({named(job)}, {job.path!r:.100}: {problem})"
            self._log(logging.WARNING, text, self.backend, why, extra=facts)
        elif _has_closed(before, self.stored):
            facts = {"event": "breaker_closed", "backend": self.backend}
            text = "backend %s answers again: its jobs are delivered"
            self._log(logging.WARNING, text, self.backend, extra=facts)
        elif is_closed and not before.paused_for and self.stored.paused_for and self._pause_is_news():
            text = "backend %s asks to be left alone: its jobs wait for %.1f s"
            self._log(logging.INFO, text, self.backend, self.stored.paused_for)

    def _pause_is_news(self) -> bool:
        if self._clock() - self._pause_logged_at < PAUSE_IS_NEWS:
            return False
        self._pause_logged_at = self._clock()
        return True

    def _age(self) -> None:
        now = self._clock()
        self.stored = _after(self.stored, now - self._as_of)
        self.view = _after(self.view, now - self._as_of)
        self._as_of = now


def _after_all(
    backend: str, breaker: Breaker, events: Iterable[BreakerEvent], config: BreakerConfig
) -> tuple[Breaker, BreakerChange | None]:
    """Return what events, in turn, make of a breaker, and the one change that they come to."""
    after, whole = breaker, None
    for event in events:
        change = change_after(backend, after, event, config)
        if change is not None:
            after = change.of(after)
            pause = change.pause if whole is None else max(change.pause, whole.pause)
            whole = attrs.evolve(change, before=breaker, pause=pause)
    return after, None if after == breaker else whole


def _has_closed(before: Breaker, after: Breaker) -> bool:
    return before.state is not BreakerState.CLOSED and after.state is BreakerState.CLOSED


def _after(breaker: Breaker, seconds: float) -> Breaker:
    return NEW if breaker is NEW else or_new(breaker.after(seconds))
