"""Describe steps without a job: one sleeps, another waits for a signal. Pure.

A pause is written in the keys that every step has, and waits for one more than its ``after`` names, which is
the time or the signal: a runner of 0.4 reads it, and never begins it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sp00ky_core.encoding.json_bytes import json_value
from sp00ky_core.job.options import MAX_DELAY
from sp00ky_workflows.model.graph import Call

__all__ = ["ENDLESS", "NOT_BEGUN", "WAIT", "due_at", "is_pause", "signal_of", "sleeping", "waiting"]

SLEEP, WAIT = "sleep", "wait_for"
NOT_BEGUN = datetime(2000, 1, 1, tzinfo=UTC)
"""When a pause is due whose time hasn't begun: at once, so that a runner begins it."""
ENDLESS = datetime(3000, 1, 1, tzinfo=UTC)
"""When one is due that only a signal ends."""


def is_pause(call: Call) -> bool:
    """Tell whether a step is done without a job."""
    return not call.backend and call.path in (SLEEP, WAIT)


def sleeping(length: timedelta) -> Call:
    """Return what ends after some time. Raises ``ValueError``."""
    return Call(backend="", path=SLEEP, options={"seconds": _seconds(length)})


def waiting(signal: str, timeout: timedelta | None) -> Call:
    """Return what ends with a signal, or fails without one in time. Raises ``ValueError``."""
    options = {} if timeout is None else {"seconds": _seconds(timeout)}
    return Call(backend="", path=WAIT, payload=json_value({"signal": signal}), options=options)


def signal_of(call: Call) -> str | None:
    """Return the signal that a step waits for; None: it waits for none."""
    signal: Any = call.payload["signal"] if is_pause(call) and call.path == WAIT else None
    return None if signal is None else str(signal)


def due_at(call: Call, now: datetime) -> datetime:
    """Return when a pause is over that begins now."""
    seconds = call.options.get("seconds")
    return ENDLESS if seconds is None else now + timedelta(seconds=seconds)


def _seconds(length: timedelta) -> float:
    if not timedelta(0) < length <= MAX_DELAY:
        raise ValueError(f"{length} is no pause; it lasts over 0 s, and at most {MAX_DELAY.days} days")
    return length.total_seconds()
