"""Read a breaker from its row, and write a change into it, for stores that do so in Python. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sp00ky_core.breaker.state import Breaker, BreakerChange, BreakerState

Row = Mapping[str, Any]
"""``state`` (open also while a probe is under way), ``failures``, ``paused_until``, ``probe_runner`` and
``probe_until``; empty where the breaker has never changed."""


def breaker_of(row: Row, now: datetime) -> Breaker:
    """Return the breaker as it is now, by the database's clock."""
    probe_for = _left(row.get("probe_until"), now)
    state = BreakerState.CLOSED
    if _is_open(row):
        state = BreakerState.HALF_OPEN if probe_for > 0 else BreakerState.OPEN
    return Breaker(
        state=state,
        failures=row.get("failures", 0),
        paused_for=_left(row.get("paused_until"), now),
        probe_runner=row.get("probe_runner"),
        probe_for=probe_for,
    )


def fits(row: Row, before: Breaker) -> bool:
    """Return whether the breaker is as it was before a change: the change's guard."""
    guard = (before.state is not BreakerState.CLOSED, before.failures, before.probe_runner)
    return guard == (_is_open(row), row.get("failures", 0), row.get("probe_runner"))


def changed(row: Row, change: BreakerChange, now: datetime) -> dict[str, Any]:
    """Return the columns after a change."""
    keeps_probe = change.to is BreakerState.HALF_OPEN
    pause, paused = now + timedelta(seconds=change.pause), row.get("paused_until")
    return {
        "state": "closed" if change.to is BreakerState.CLOSED else "open",
        "failures": change.failures,
        "paused_until": pause if paused is None else max(paused, pause),
        "probe_runner": row.get("probe_runner") if keeps_probe else None,
        "probe_until": row.get("probe_until") if keeps_probe else None,
    }


def _is_open(row: Row) -> bool:
    return bool(row.get("state", "closed") != BreakerState.CLOSED)


def _left(until: datetime | None, now: datetime) -> float:
    return 0.0 if until is None else max((until - now).total_seconds(), 0.0)
