"""Decide when a backend counts as unavailable, and what follows.

Pure: no IO, no clock. A change carries seconds, not instants; the store adds them to the database's clock and
writes it under a guard. The state is the whole fleet's: whoever sees a failure counts it for all.
"""

from sp00ky_core.breaker.outcomes import event_of, is_unavailable, never_connected
from sp00ky_core.breaker.rules import BREAKER_TABLE, change_after
from sp00ky_core.breaker.state import (
    LONGEST_INTERVAL,
    LONGEST_PAUSE,
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
    "LONGEST_PAUSE",
]
