"""Classify outcomes for the breaker: which of them say that the backend is unavailable."""

from __future__ import annotations

from sp00ky_core.gate.breaker.state import (
    LONGEST_PAUSE,
    Answered,
    BreakerEvent,
    Failed,
    ProbeAnswered,
    ProbeFailed,
    ProbeWithoutNews,
)
from sp00ky_core.outcome import (
    CONNECT,
    EXPIRED,
    INVALID_PATH,
    INVALID_PAYLOAD,
    INVALID_ROW,
    KILLED,
    OUTCOME_UNKNOWN,
    RESET,
    THROTTLED,
    TIMEOUT,
    TLS,
    UNKNOWN_ROUTE,
    Delivered,
    Outcome,
)

__all__ = ["event_of", "is_timeout", "is_unavailable", "never_connected"]


UNAVAILABLE_NAMES = frozenset({CONNECT, TLS, RESET, TIMEOUT})


GATEWAY_TIMEOUT = 504

UNAVAILABLE_CODES = frozenset({502, 503, GATEWAY_TIMEOUT})


PAUSING_CODES = frozenset({429, 503})
"""Their ``Retry-After`` is for the whole backend, not for one job; so is that of any throttled answer."""

NO_NEWS = frozenset(
    {INVALID_PATH, INVALID_PAYLOAD, INVALID_ROW, UNKNOWN_ROUTE, OUTCOME_UNKNOWN, KILLED, EXPIRED}
)
"""Outcomes that say nothing about the backend: no request was sent, or its end is unknown."""


def event_of(
    outcome: Outcome, *, cap: float, probe_of: str | None = None, took: float = 0.0
) -> BreakerEvent | None:
    """Classify an attempt's outcome for the breaker; None: it says nothing.

    A ``Retry-After`` counts for at most ``cap`` seconds; ``probe_of`` names the runner whose probe it was.
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
    """Whether the backend as a whole is unavailable, rather than unwilling to take this job."""
    if isinstance(outcome, Delivered):
        return False
    return outcome.name in UNAVAILABLE_NAMES or outcome.code in UNAVAILABLE_CODES


def is_timeout(outcome: Outcome) -> bool:
    """Whether no answer came in time, to this runner or to a gateway: that may be so of one route alone."""
    return not isinstance(outcome, Delivered) and (outcome.name == TIMEOUT or outcome.code == GATEWAY_TIMEOUT)


def never_connected(outcome: Outcome) -> bool:
    """Whether nothing can have been sent, for there was no connection."""
    return not isinstance(outcome, Delivered) and outcome.name in {CONNECT, TLS}


def _asked(outcome: Outcome, cap: float) -> float:
    if isinstance(outcome, Delivered):
        return 0.0
    if outcome.name != THROTTLED and outcome.code not in PAUSING_CODES:
        return 0.0
    return min(max(outcome.retry_after or 0.0, 0.0), cap, LONGEST_PAUSE)
