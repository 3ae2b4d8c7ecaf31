"""What a function raises to say how its job goes on."""

from __future__ import annotations

from datetime import timedelta

__all__ = ["GiveUp", "Retry", "Snooze", "seconds_of"]


def seconds_of(time: float | timedelta) -> float:
    """Return a length of time in seconds, at least 0."""
    return max(time.total_seconds() if isinstance(time, timedelta) else float(time), 0.0)


class Retry(Exception):
    """Try the job again, as a retry: in ``after`` seconds, or when its strategy says."""

    def __init__(self, reason: str = "", *, after: float | timedelta | None = None) -> None:
        super().__init__(reason)
        self.after: float | None = None if after is None else seconds_of(after)


class GiveUp(Exception):
    """Let the job fail, whatever retries are left."""


class Snooze(Exception):
    """Call the function again in so many seconds; that uses up no retry.

    A job with ``max_retries = 0`` fails, for it is called once. After ``retry.giveUpAfter`` it is a retry.
    """

    def __init__(self, seconds: float | timedelta, reason: str = "") -> None:
        super().__init__(reason or "the function asks to be called later")
        self.seconds: float = seconds_of(seconds)
