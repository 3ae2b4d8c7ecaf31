"""The breaker of a backend: the table first, then the rule for each of its rows.

Pure: no IO, no clock. A change carries seconds, not instants; the store adds them to the database's clock and
writes it under a guard. The state is the whole fleet's: whoever sees a failure counts it for all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

import attrs

from sp00ky_core.config import BreakerConfig
from sp00ky_core.outcome import (
    CONNECT,
    INVALID_PATH,
    INVALID_PAYLOAD,
    INVALID_ROW,
    KILLED,
    OUTCOME_UNKNOWN,
    RESET,
    TIMEOUT,
    TLS,
    UNKNOWN_ROUTE,
    Delivered,
    Outcome,
)

__all__ = [
    "Breaker",
    "BreakerChange",
    "BreakerEvent",
    "BreakerState",
    "Failed",
    "Answered",
    "ProbeFailed",
    "ProbeAnswered",
    "ProbeWithoutNews",
    "BREAKER_TABLE",
    "change_after",
    "event_of",
    "is_unavailable",
    "never_connected",
    "LONGEST_INTERVAL",
]

LONGEST_INTERVAL = 30.0
"""Seconds between two probes, at most: the interval doubles up to it."""

LONGEST_PAUSE = 10 * 365 * 86_400.0  # ten years: what every database's clock can add

UNAVAILABLE_NAMES = frozenset({CONNECT, TLS, RESET, TIMEOUT})
UNAVAILABLE_CODES = frozenset({502, 503, 504})
PAUSING_CODES = frozenset({429, 503})
"""Their ``Retry-After`` is for the whole backend, not for one job."""

NO_NEWS = frozenset({INVALID_PATH, INVALID_PAYLOAD, INVALID_ROW, UNKNOWN_ROUTE, OUTCOME_UNKNOWN, KILLED})
"""Outcomes that say nothing about the backend: no request was sent, or nobody knows what came of it."""


class BreakerState(StrEnum):
    """Whether a backend's jobs are sent."""

    CLOSED = "closed"  # as usual
    OPEN = "open"  # not at all, until the pause has passed and somebody takes the probe
    HALF_OPEN = "half_open"  # one, the probe


@attrs.frozen(kw_only=True)
class Breaker:
    """A breaker as it was read; a backend that never failed has this one."""

    state: BreakerState = BreakerState.CLOSED
    failures: int = 0  # in a row; once it is open, failed probes count on from what opened it
    paused_for: float = 0.0  # seconds from when it was read; a closed one may be paused too
    probe_runner: str | None = None  # who has taken the latest probe
    probe_for: float = 0.0  # seconds for which it is still that runner's alone

    @property
    def lets_through(self) -> bool:
        """Whether jobs are claimed as usual."""
        return self.state is BreakerState.CLOSED and self.paused_for <= 0

    @property
    def wants_probe(self) -> bool:
        """Whether whoever comes first may take the probe."""
        return self.state is BreakerState.OPEN and self.paused_for <= 0


@attrs.frozen(kw_only=True)
class Failed:
    """An attempt found the backend unavailable."""

    retry_after: float = 0.0  # seconds for which the backend asked to be left alone


@attrs.frozen(kw_only=True)
class Answered:
    """An attempt was answered, well or badly."""

    retry_after: float = 0.0


@attrs.frozen(kw_only=True)
class ProbeFailed:
    """The probe found the backend still unavailable."""

    runner_id: str
    took: float = 0.0  # seconds; the interval runs from when the probe was sent
    retry_after: float = 0.0


@attrs.frozen(kw_only=True)
class ProbeAnswered:
    """The probe was answered, well or badly."""

    runner_id: str
    retry_after: float = 0.0


@attrs.frozen(kw_only=True)
class ProbeWithoutNews:
    """The probe was never sent, or cut off."""

    runner_id: str


BreakerEvent = Failed | Answered | ProbeFailed | ProbeAnswered | ProbeWithoutNews


@attrs.frozen(kw_only=True)
class BreakerChange:
    """A decision as data; a store applies it if the breaker is still as it was ``before``."""

    backend: str
    before: Breaker  # guards: whether it is closed, its failures, its probe's runner
    to: BreakerState  # half-open: the probe stays whose it is; else nobody's
    failures: int
    pause: float = 0.0  # seconds: paused_until = now + pause, unless it is later already

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
        """Whether somebody had the probe who has it no more."""
        return self.before.probe_runner is not None and self.to is not BreakerState.HALF_OPEN

    def has_made(self, breaker: Breaker) -> bool:
        """Whether a breaker is as this change leaves it, so that a try whose reply was lost may have made it.

        Somebody else's same change looks the same: it is to be asked only where a reply was lost.
        """
        probe_runner = self.before.probe_runner if self.to is BreakerState.HALF_OPEN else None
        left = (self.to, self.failures, probe_runner)
        return left == (breaker.state, breaker.failures, breaker.probe_runner)


@attrs.frozen(kw_only=True)
class _Next:
    to: BreakerState
    failures: int
    pause: float = 0.0


def _count(breaker: Breaker, event: Failed, config: BreakerConfig) -> _Next:
    failures = breaker.failures + 1
    if failures < config.failures:
        return _Next(to=BreakerState.CLOSED, failures=failures, pause=event.retry_after)
    pause = max(_interval(config, config.failures), event.retry_after)
    return _Next(to=BreakerState.OPEN, failures=config.failures, pause=pause)


def _calm(_breaker: Breaker, event: Answered, _config: BreakerConfig) -> _Next:
    return _Next(to=BreakerState.CLOSED, failures=0, pause=event.retry_after)


def _wait(breaker: Breaker, event: Failed | Answered, _config: BreakerConfig) -> _Next:
    # It was in flight when the breaker opened: that it ends, however, is no news.
    return _Next(to=breaker.state, failures=breaker.failures, pause=event.retry_after)


def _reopen(breaker: Breaker, event: ProbeFailed, config: BreakerConfig) -> _Next | None:
    if breaker.probe_runner != event.runner_id:
        return None  # it took too long, and the probe is somebody else's now
    failures = max(breaker.failures, config.failures) + 1
    # A probe that hung has waited already; but a backend is never hit without a break.
    pause = max(_interval(config, failures) - event.took, config.interval, event.retry_after)
    return _Next(to=BreakerState.OPEN, failures=failures, pause=pause)


def _close(breaker: Breaker, event: ProbeAnswered, _config: BreakerConfig) -> _Next | None:
    if breaker.probe_runner != event.runner_id:
        return None
    return _Next(to=BreakerState.CLOSED, failures=0, pause=event.retry_after)


def _hand_back(breaker: Breaker, event: ProbeWithoutNews, _config: BreakerConfig) -> _Next | None:
    if breaker.probe_runner != event.runner_id:
        return None
    return _Next(to=BreakerState.OPEN, failures=breaker.failures)


Rule = Callable[[Breaker, Any, BreakerConfig], _Next | None]  # of the one event that its key names

BREAKER_TABLE: Mapping[tuple[BreakerState, type[BreakerEvent]], tuple[Rule, frozenset[BreakerState]]] = {
    (BreakerState.CLOSED, Failed): (_count, frozenset({BreakerState.CLOSED, BreakerState.OPEN})),
    (BreakerState.CLOSED, Answered): (_calm, frozenset({BreakerState.CLOSED})),
    (BreakerState.OPEN, Failed): (_wait, frozenset({BreakerState.OPEN})),
    (BreakerState.OPEN, Answered): (_wait, frozenset({BreakerState.OPEN})),
    (BreakerState.HALF_OPEN, Failed): (_wait, frozenset({BreakerState.HALF_OPEN})),
    (BreakerState.HALF_OPEN, Answered): (_wait, frozenset({BreakerState.HALF_OPEN})),
    (BreakerState.HALF_OPEN, ProbeFailed): (_reopen, frozenset({BreakerState.OPEN})),
    (BreakerState.HALF_OPEN, ProbeAnswered): (_close, frozenset({BreakerState.CLOSED})),
    (BreakerState.HALF_OPEN, ProbeWithoutNews): (_hand_back, frozenset({BreakerState.OPEN})),
    # The probe's lease has run out, and nobody has taken the next one yet.
    (BreakerState.OPEN, ProbeFailed): (_reopen, frozenset({BreakerState.OPEN})),
    (BreakerState.OPEN, ProbeAnswered): (_close, frozenset({BreakerState.CLOSED})),
    (BreakerState.OPEN, ProbeWithoutNews): (_hand_back, frozenset({BreakerState.OPEN})),
}
"""In a state, after an event: the rule that decides, and where it may lead. Anything else changes nothing.

From open to half-open leads a claim, in the store: it gives one job, the probe, to whoever comes first.
"""


def change_after(
    backend: str, breaker: Breaker, event: BreakerEvent, config: BreakerConfig
) -> BreakerChange | None:
    """What an event makes of a breaker; None: nothing that would have to be written."""
    row = BREAKER_TABLE.get((breaker.state, type(event)))
    after = None if row is None else row[0](breaker, event, config)
    if after is None:
        return None
    same = (after.to, after.failures) == (breaker.state, breaker.failures)
    same = same and not isinstance(event, ProbeFailed | ProbeAnswered | ProbeWithoutNews)
    if same and after.pause <= breaker.paused_for:
        return None
    return BreakerChange(
        backend=backend, before=breaker, to=after.to, failures=after.failures, pause=after.pause
    )


def event_of(
    outcome: Outcome, *, cap: float, probe_of: str | None = None, took: float = 0.0
) -> BreakerEvent | None:
    """What an outcome is to the breaker; None: nothing.

    Args:
        outcome: of one attempt.
        cap: seconds that a ``Retry-After`` counts at most.
        probe_of: the runner whose probe the attempt was; None: it was none.
        took: seconds that the attempt took.
    """
    if not isinstance(outcome, Delivered) and outcome.name in NO_NEWS:
        return None if probe_of is None else ProbeWithoutNews(runner_id=probe_of)
    pause = _asked(outcome, cap)
    if is_unavailable(outcome):
        if probe_of is None:
            return Failed(retry_after=pause)
        return ProbeFailed(runner_id=probe_of, took=took, retry_after=pause)
    if probe_of is None:
        return Answered(retry_after=pause)
    return ProbeAnswered(runner_id=probe_of, retry_after=pause)


def is_unavailable(outcome: Outcome) -> bool:
    """Whether the backend as a whole isn't there, rather than unwilling to take this job."""
    if isinstance(outcome, Delivered):
        return False
    return outcome.name in UNAVAILABLE_NAMES or outcome.code in UNAVAILABLE_CODES


def never_connected(outcome: Outcome) -> bool:
    """Whether nothing can have been sent, for there was no connection."""
    return not isinstance(outcome, Delivered) and outcome.name in {CONNECT, TLS}


def _asked(outcome: Outcome, cap: float) -> float:
    if isinstance(outcome, Delivered) or outcome.code not in PAUSING_CODES:
        return 0.0
    return min(max(outcome.retry_after or 0.0, 0.0), cap, LONGEST_PAUSE)


def _interval(config: BreakerConfig, failures: int) -> float:
    """Seconds from one probe to the next, after so many failures."""
    doublings = min(max(failures - config.failures, 0), 60)  # beyond that a float could overflow
    longest = min(max(LONGEST_INTERVAL, config.interval), LONGEST_PAUSE)
    return min(config.interval * 2.0**doublings, longest)
