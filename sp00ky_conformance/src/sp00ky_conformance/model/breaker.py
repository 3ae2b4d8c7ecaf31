"""Change breakers in the stateful model, and choose what is compared of them."""

from __future__ import annotations

from collections.abc import Sequence

from sp00ky_core.config import BreakerConfig
from sp00ky_core.gate.breaker import (
    Answered,
    Breaker,
    BreakerEvent,
    BreakerState,
    Failed,
    ProbeAnswered,
    ProbeFailed,
    ProbeWithoutNews,
)

__all__ = ["BREAKER", "BREAKER_EVENTS", "RUNNERS", "facts_of"]

RUNNERS = ("r1", "r2")
BREAKER = BreakerConfig(failures=2, interval=1e-9)  # its pause has passed at the next look
BREAKER_EVENTS: Sequence[BreakerEvent] = (
    Failed(),
    Failed(),
    Failed(retry_after=3_600.0),
    Answered(),
    *(
        made(runner_id=runner)
        for made in (ProbeAnswered, ProbeFailed, ProbeWithoutNews)
        for runner in RUNNERS
    ),
)


def facts_of(breaker: Breaker) -> tuple[BreakerState, int, str | None, bool]:
    """Return what two stores agree on, whose clocks differ."""
    return breaker.state, breaker.failures, breaker.probe_runner, breaker.paused_for > 1
