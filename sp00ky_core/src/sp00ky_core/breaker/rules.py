"""Decide what an event makes of a breaker: the table first, then the rule for each of its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from sp00ky_core.breaker.state import (
    LONGEST_INTERVAL,
    LONGEST_PAUSE,
    PAUSE_MARGIN,
    Answered,
    Breaker,
    BreakerChange,
    BreakerEvent,
    BreakerState,
    Failed,
    ProbeAnswered,
    ProbeFailed,
    ProbeWithoutNews,
)
from sp00ky_core.config import BreakerConfig

__all__ = ["BREAKER_TABLE", "change_after", "longest_pause", "risk_turn", "route_in_turn"]

RISKED_AT = 6
"""Failures, and each doubling of them, after which a job is risked that has no retries left."""


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


def _reopen(breaker: Breaker, event: ProbeFailed, config: BreakerConfig) -> _Next:
    failures = max(breaker.failures, config.failures) + 1
    # A probe that hung has waited already; but a backend is never hit without a break.
    pause = max(_interval(config, failures) - event.took, config.interval, event.retry_after)
    return _Next(to=BreakerState.OPEN, failures=failures, pause=pause)


def _close(_breaker: Breaker, event: ProbeAnswered, _config: BreakerConfig) -> _Next:
    return _Next(to=BreakerState.CLOSED, failures=0, pause=event.retry_after)


def _hand_back(breaker: Breaker, _event: ProbeWithoutNews, _config: BreakerConfig) -> _Next:
    return _Next(to=BreakerState.OPEN, failures=breaker.failures)


Rule = Callable[[Breaker, Any, BreakerConfig], _Next]  # of the one event that its key names


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
    # The probe's lease has run out, and no runner has taken the next one yet.
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
    """Decide a breaker's change after an event; None: nothing would have to be written."""
    row, runner_id = BREAKER_TABLE.get((breaker.state, type(event))), getattr(event, "runner_id", None)
    if row is None or runner_id not in {None, breaker.probe_runner}:
        return None  # the probe took too long, and another runner has the next one now
    after = row[0](breaker, event, config)
    same = runner_id is None and (after.to, after.failures) == (breaker.state, breaker.failures)
    if same and after.pause <= breaker.paused_for:
        return None
    return BreakerChange(
        backend=backend, before=breaker, to=after.to, failures=after.failures, pause=after.pause
    )


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
