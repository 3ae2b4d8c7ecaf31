"""Read a breaker from its row, and write a change into it, for stores that do so in Python. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sp00ky_core.gate.breaker.rules import Breaker, BreakerChange, BreakerState

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
