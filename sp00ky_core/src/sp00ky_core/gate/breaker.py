"""Decide when a backend counts as unavailable, and what follows; read and write a breaker's row.

Pure: no IO, no clock. A change carries seconds, not instants; the store adds them to the database's clock and
writes it under a guard. The state is the whole fleet's: whoever sees a failure counts it for all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

import attrs

from sp00ky_core.config import BreakerConfig
from sp00ky_core.job.outcome import (
    CONNECT,
    NO_NEWS,
    PAUSING_MEANINGS,
    THROTTLED,
    TIMEOUT,
    TLS,
    UNAVAILABLE_MEANINGS,
    Delivered,
    Outcome,
)

__all__ = ["LONGEST_PAUSE", "Answered", "Breaker", "BreakerChange", "BreakerEvent", "BreakerState"]
__all__ += ["Failed", "ProbeAnswered", "ProbeFailed", "ProbeWithoutNews", "change_after"]
__all__ += ["route_in_turn"]
__all__ += ["breaker_of", "changed", "fits"]

LONGEST_INTERVAL = 30.0
"""Seconds between two probes, at most: the interval doubles up to it."""

LONGEST_PAUSE = 10 * 365 * 86_400.0  # ten years: what every database's clock can add
"""Seconds for which a backend may be paused at most."""

PAUSE_MARGIN = 10.0
"""Seconds that a claim may have begun before a pause, or a probe's lease, was written that it reads."""


class BreakerState(StrEnum):
    """Whether a backend's jobs are sent."""

    CLOSED = "closed"  # as usual
    OPEN = "open"  # not at all, until the pause has passed and a runner takes the probe
    HALF_OPEN = "half_open"  # one, the probe


@attrs.frozen(kw_only=True)
class Breaker:
    """A breaker as it was read; a backend that never failed has this one.

    Attributes:
        state: Whether jobs are sent.
        failures: In a row; once it is open, failed probes count on from what opened it.
        paused_for: Seconds from when it was read; a closed one may be paused too.
        probe_runner: Who has taken the latest probe.
        probe_for: Seconds for which it is still that runner's alone.
    """

    state: BreakerState = BreakerState.CLOSED
    failures: int = 0
    paused_for: float = 0.0
    probe_runner: str | None = None
    probe_for: float = 0.0

    @property
    def lets_through(self) -> bool:
        """Whether jobs are claimed as usual."""
        return self.state is BreakerState.CLOSED and self.paused_for <= 0

    @property
    def wants_probe(self) -> bool:
        """Whether whoever comes first may take the probe."""
        return self.state is BreakerState.OPEN and self.paused_for <= 0

    @property
    def silent_for(self) -> float:
        """Seconds until another job may be sent, if no runner changes it before."""
        is_probed = self.state is BreakerState.HALF_OPEN
        return max(self.paused_for, self.probe_for if is_probed else 0.0)

    def probed_by(self, probe_runner: str, seconds: float) -> Self:
        """Return it as it is once a runner has taken the probe, for so many seconds."""
        state = BreakerState.HALF_OPEN
        return attrs.evolve(self, state=state, probe_runner=probe_runner, probe_for=seconds)

    def after(self, seconds: float) -> Self:
        """Return it as it is so much later, if no runner changes it."""
        probe_for = max(self.probe_for - seconds, 0.0)
        is_over = self.state is BreakerState.HALF_OPEN and probe_for <= 0
        return attrs.evolve(
            self,
            state=BreakerState.OPEN if is_over else self.state,
            paused_for=max(self.paused_for - seconds, 0.0),
            probe_for=probe_for,
        )


NEW = Breaker()
"""A breaker that lets everything through, and has nothing to report."""


def or_new(breaker: Breaker) -> Breaker:
    """Return ``NEW`` itself where it is equal: whether it is can then be asked for each job."""
    return NEW if breaker == NEW else breaker


@attrs.frozen(kw_only=True)
class _News:
    retry_after: float = 0.0  # seconds for which the backend asked to be left alone


@attrs.frozen(kw_only=True)
class Failed(_News):
    """An attempt found the backend unavailable."""


@attrs.frozen(kw_only=True)
class Answered(_News):
    """An attempt was answered, well or badly."""


@attrs.frozen(kw_only=True)
class ProbeFailed(_News):
    """The probe found the backend still unavailable.

    Attributes:
        runner_id: The runner's id.
        took: Seconds; the interval runs from when the probe was sent.
    """

    runner_id: str
    took: float = 0.0


@attrs.frozen(kw_only=True)
class ProbeAnswered(_News):
    """The probe was answered, well or badly.

    Attributes:
        runner_id: The runner's id.
    """

    runner_id: str


@attrs.frozen(kw_only=True)
class ProbeWithoutNews:
    """The probe was never sent, or cut off.

    Attributes:
        runner_id: The runner's id.
    """

    runner_id: str


BreakerEvent = Failed | Answered | ProbeFailed | ProbeAnswered | ProbeWithoutNews
"""Anything that may happen to a breaker."""


@attrs.frozen(kw_only=True)
class BreakerChange:
    """A decision as data; a store applies it if the breaker is still as it was ``before``.

    Attributes:
        backend: The backend's name.
        before: Guards: whether it is closed, its failures, its probe's runner.
        to: Half-open: its runner keeps the probe; else the probe ends.
        failures: The failures in a row, as they are then.
        pause: Seconds: paused_until = now + pause, unless it is later already.
    """

    backend: str
    before: Breaker
    to: BreakerState
    failures: int
    pause: float = 0.0

    @property
    def opens(self) -> bool:
        """Whether jobs that were sent are sent no more."""
        return self.before.state is BreakerState.CLOSED and self.to is not BreakerState.CLOSED

    @property
    def closes(self) -> bool:
        """Whether jobs that weren't sent are sent again."""
        return self.before.state is not BreakerState.CLOSED and self.to is BreakerState.CLOSED

    @property
    def ends_probe(self) -> bool:
        """Whether a runner had the probe and has it no more."""
        return self.before.probe_runner is not None and self.to is not BreakerState.HALF_OPEN

    def of(self, breaker: Breaker) -> Breaker:
        """Return a breaker as it is once this change is made."""
        keeps_probe = self.to is BreakerState.HALF_OPEN
        return Breaker(
            state=self.to,
            failures=self.failures,
            paused_for=max(breaker.paused_for, self.pause),
            probe_runner=breaker.probe_runner if keeps_probe else None,
            probe_for=breaker.probe_for if keeps_probe else 0.0,
        )

    def has_made(self, breaker: Breaker) -> bool:
        """Whether a breaker is as this change leaves it, so that a try whose reply was lost may have made it.

        Another runner's same change looks the same: it is to be asked only where a reply was lost.
        """
        probe_runner = self.before.probe_runner if self.to is BreakerState.HALF_OPEN else None
        left = (self.to, self.failures, probe_runner)
        return left == (breaker.state, breaker.failures, breaker.probe_runner)


def seconds_asked(outcome: Outcome, cap: float) -> float:
    """Return the seconds for which a backend asks to be left alone, at most ``cap``; 0: it doesn't ask."""
    if isinstance(outcome, Delivered):
        return 0.0
    if outcome.name != THROTTLED and outcome.meaning not in PAUSING_MEANINGS:
        return 0.0
    return min(max(outcome.retry_after or 0.0, 0.0), cap, LONGEST_PAUSE)


def event_of(
    outcome: Outcome, *, asked: float = 0.0, probe_of: str | None = None, took: float = 0.0
) -> BreakerEvent | None:
    """Classify an attempt's outcome for the breaker; None: it says nothing.

    Args:
        outcome: The attempt's.
        asked: Its ``seconds_asked``.
        probe_of: The runner whose probe it was.
        took: Seconds that the attempt took.
    """
    if not isinstance(outcome, Delivered) and outcome.name in NO_NEWS:
        return None if probe_of is None else ProbeWithoutNews(runner_id=probe_of)
    if is_unavailable(outcome):
        if probe_of is None:
            return Failed(retry_after=asked)
        return ProbeFailed(runner_id=probe_of, took=took, retry_after=asked)
    if probe_of is None:
        return Answered(retry_after=asked)
    return ProbeAnswered(runner_id=probe_of, retry_after=asked)


def is_unavailable(outcome: Outcome) -> bool:
    """Whether the backend as a whole is unavailable, rather than unwilling to take this job."""
    return not isinstance(outcome, Delivered) and outcome.meaning in UNAVAILABLE_MEANINGS


def is_timeout(outcome: Outcome) -> bool:
    """Whether no answer came in time, to this runner or to a gateway: that may be so of one route alone."""
    return not isinstance(outcome, Delivered) and outcome.meaning == TIMEOUT


def never_connected(outcome: Outcome) -> bool:
    """Whether nothing can have been sent, for there was no connection."""
    return not isinstance(outcome, Delivered) and outcome.meaning in {CONNECT, TLS}


RISKED_AT = 6
"""Failures, and each doubling of them, after which a job is risked that has no retries left."""


Next = tuple[BreakerState, int, float]
"""The state and the failures that a breaker gets, and the seconds for which it pauses the backend."""


def _count(breaker: Breaker, event: Failed, config: BreakerConfig) -> Next:
    failures = breaker.failures + 1
    if failures < config.failures:
        return BreakerState.CLOSED, failures, event.retry_after
    pause = max(_interval(config, config.failures), event.retry_after)
    return BreakerState.OPEN, config.failures, pause


def _wait(breaker: Breaker, event: Failed | Answered, _config: BreakerConfig) -> Next:
    # It was in flight when the breaker opened: that it ends, however, is no news.
    return breaker.state, breaker.failures, event.retry_after


def _reopen(breaker: Breaker, event: ProbeFailed, config: BreakerConfig) -> Next:
    failures = max(breaker.failures, config.failures) + 1
    # A probe that hung has waited already; but a backend is never hit without a break.
    pause = max(_interval(config, failures) - event.took, config.interval, event.retry_after)
    return BreakerState.OPEN, failures, pause


def _close(_breaker: Breaker, event: Answered | ProbeAnswered, _config: BreakerConfig) -> Next:
    return BreakerState.CLOSED, 0, event.retry_after


def _hand_back(breaker: Breaker, _event: ProbeWithoutNews, _config: BreakerConfig) -> Next:
    return BreakerState.OPEN, breaker.failures, 0.0


Rule = Callable[[Breaker, Any, BreakerConfig], Next]  # of the one event that its key names


BREAKER_TABLE: Mapping[tuple[BreakerState, type[BreakerEvent]], tuple[Rule, frozenset[BreakerState]]] = {
    (BreakerState.CLOSED, Failed): (_count, frozenset({BreakerState.CLOSED, BreakerState.OPEN})),
    (BreakerState.CLOSED, Answered): (_close, frozenset({BreakerState.CLOSED})),
    (BreakerState.OPEN, Failed): (_wait, frozenset({BreakerState.OPEN})),
    (BreakerState.OPEN, Answered): (_wait, frozenset({BreakerState.OPEN})),
    (BreakerState.HALF_OPEN, Failed): (_wait, frozenset({BreakerState.HALF_OPEN})),
    (BreakerState.HALF_OPEN, Answered): (_wait, frozenset({BreakerState.HALF_OPEN})),
    (BreakerState.HALF_OPEN, ProbeFailed): (_reopen, frozenset({BreakerState.OPEN})),
    (BreakerState.HALF_OPEN, ProbeAnswered): (_close, frozenset({BreakerState.CLOSED})),
    (BreakerState.HALF_OPEN, ProbeWithoutNews): (_hand_back, frozenset({BreakerState.OPEN})),
    # The probe's lease has run out, and no runner has taken the next one yet.
    (BreakerState.OPEN, ProbeFailed): (_reopen, frozenset({BreakerState.OPEN})),
    (BreakerState.OPEN, ProbeAnswered): (_close, frozenset({BreakerState.CLOSED})),
    (BreakerState.OPEN, ProbeWithoutNews): (_hand_back, frozenset({BreakerState.OPEN})),
}
"""The rule that decides what follows an event in a state, and the states that it may lead to. Any other event
in a state changes nothing.

From open to half-open leads a claim, in the store: it gives one job, the probe, to whoever comes first.
"""


def change_after(
    backend: str, breaker: Breaker, event: BreakerEvent, config: BreakerConfig
) -> BreakerChange | None:
    """Decide a breaker's change after an event; None: nothing would have to be written."""
    row, runner_id = BREAKER_TABLE.get((breaker.state, type(event))), getattr(event, "runner_id", None)
    if row is None or runner_id not in {None, breaker.probe_runner}:
        return None  # the probe took too long, and another runner has the next one now
    to, failures, pause = row[0](breaker, event, config)
    same = runner_id is None and (to, failures) == (breaker.state, breaker.failures)
    if same and pause <= breaker.paused_for:
        return None
    return BreakerChange(backend=backend, before=breaker, to=to, failures=failures, pause=pause)


@attrs.define
class LocalBreaker:
    """A breaker that one process keeps by itself, such as that of a route.

    Attributes:
        breaker: As of ``as_of``.
        as_of: When that was.
    """

    breaker: Breaker = NEW
    as_of: float = 0.0

    def aged(self, now: float) -> Breaker:
        """Return the breaker as it is by now."""
        if self.breaker is not NEW:
            self.breaker = or_new(self.breaker.after(now - self.as_of))
        self.as_of = now
        return self.breaker

    def change(
        self, whose: str, event: BreakerEvent, config: BreakerConfig, now: float
    ) -> BreakerChange | None:
        """Note an event; return what it has changed, if anything."""
        before = self.aged(now)
        change = change_after(whose, before, event, config)
        if change is not None:
            self.breaker = or_new(change.of(before))
        return change


def route_in_turn(candidates: Iterable[tuple[str, bool]], breaker: Breaker) -> str | None:
    """Return the route whose turn it is to be probed; None: there is none.

    After each failure it is the next one, in their order, of those with a job that has retries left. The
    others have to wait while there are such, but not for ever: at each ``risk_turn`` it is one of them.

    Args:
        candidates: Of due jobs that can be sent, the route, and whether retries are left.
        breaker: Before the probe is taken.
    """
    pairs = set(candidates)
    spare = {route for route, has_retries in pairs if has_retries}
    spent = {route for route, _ in pairs} - spare
    turn, risk = breaker.failures, risk_turn(breaker)
    if spare and spent and risk is not None:
        spare, turn = set(), risk
    routes = sorted(spare or spent)
    return routes[turn % len(routes)] if routes else None


def risk_turn(breaker: Breaker) -> int | None:
    """Return how often a job without retries was risked before, if one may be now; None: none may.

    So an outage spends no more of them than the logarithm of its probes; one that refuses connections none,
    for a probe that couldn't connect is given back. None keeps another one company that hasn't ended yet.
    """
    times, rest = divmod(breaker.failures, RISKED_AT)
    may_be = not rest and times.bit_count() == 1 and breaker.probe_runner is None
    return times.bit_length() - 1 if may_be else None


def longest_pause(config: BreakerConfig | None, cap: float) -> float:
    """Return the seconds beyond which no runner pauses a backend; ``cap``: of a ``Retry-After``, at most."""
    interval = 0.0 if config is None else config.interval
    return min(max(LONGEST_INTERVAL, interval, cap) + PAUSE_MARGIN, LONGEST_PAUSE)


def _interval(config: BreakerConfig, failures: int) -> float:
    """Seconds from one probe to the next, after so many failures."""
    doublings = min(max(failures - config.failures, 0), 60)  # beyond that a float could overflow
    longest = min(max(LONGEST_INTERVAL, config.interval), LONGEST_PAUSE)
    return min(config.interval * 2.0**doublings, longest)


Row = Mapping[str, Any]
"""``state`` (open also while a probe is under way), ``failures``, ``paused_until``, ``probe_runner`` and
``probe_until``; empty where the breaker has never changed."""


def breaker_of(
    row: Row, now: datetime, *, longest_pause: float = math.inf, longest_probe: float = math.inf
) -> Breaker:
    """Return the breaker as it is now, by the database's clock.

    A pause or a probe that lasts longer was written while that clock was ahead, and counts as over.
    """
    probe_for = _left(row.get("probe_until"), now, longest_probe)
    state = BreakerState.CLOSED
    if _is_open(row):
        state = BreakerState.HALF_OPEN if probe_for > 0 else BreakerState.OPEN
    return Breaker(
        state=state,
        failures=row.get("failures", 0),
        paused_for=_left(row.get("paused_until"), now, longest_pause),
        probe_runner=row.get("probe_runner"),
        probe_for=probe_for,
    )


def fits(row: Row, before: Breaker) -> bool:
    """Return whether the breaker is as it was before a change: the change's guard."""
    guard = (before.state is not BreakerState.CLOSED, before.failures, before.probe_runner)
    return guard == (_is_open(row), row.get("failures", 0), row.get("probe_runner"))


def changed(
    row: Row, change: BreakerChange, now: datetime, *, longest_pause: float = math.inf
) -> dict[str, Any]:
    """Return the columns after a change, which makes no pause shorter that counts."""
    keeps_probe = change.to is BreakerState.HALF_OPEN
    paused_for = _left(row.get("paused_until"), now, longest_pause)
    return {
        "state": "closed" if change.to is BreakerState.CLOSED else "open",
        "failures": change.failures,
        "paused_until": now + timedelta(seconds=max(paused_for, change.pause)),
        "probe_runner": row.get("probe_runner") if keeps_probe else None,
        "probe_until": row.get("probe_until") if keeps_probe else None,
    }


def _is_open(row: Row) -> bool:
    return bool(row.get("state", "closed") != BreakerState.CLOSED)


def _left(until: datetime | None, now: datetime, longest: float) -> float:
    seconds = 0.0 if until is None else (until - now).total_seconds()
    return seconds if 0 < seconds <= longest else 0.0
