"""What a function raises to say how its job goes on."""

from __future__ import annotations

from datetime import timedelta

__all__ = ["Asked", "GiveUp", "Retry", "Snooze", "Wait"]


class Asked(Exception):
    """What is asked for on purpose, and is no error.

    Attributes:
        after: Seconds until then; None: as the job's strategy says.
    """

    after: float | None = None


class GiveUp(Asked):
    """Let the job fail, whatever retries are left."""


class Retry(Asked):
    """Try the job again, as a retry: in ``after`` seconds, or when its strategy says."""

    def __init__(self, reason: str = "", *, after: float | timedelta | None = None) -> None:
        super().__init__(reason)
        seconds = after.total_seconds() if isinstance(after, timedelta) else after
        self.after: float | None = None if seconds is None else max(float(seconds), 0.0)


class Snooze(Retry):
    """Call the function again in so many seconds; that uses up no retry.

    A job with ``max_retries = 0`` fails, for it is called once. After ``retry.giveUpAfter`` it is a retry.
    """

    def __init__(self, seconds: float | timedelta, reason: str = "") -> None:
        super().__init__(reason or "the function asks to be called later", after=seconds)


class Wait(Retry):
    """Call the function again in so many seconds, or when the job is rescheduled, for as long as that takes.

    It uses up no retry, and ``retry.giveUpAfter`` doesn't count. A ``reason`` is noted in ``errors``.
    """

    def __init__(self, seconds: float, reason: str = "") -> None:
        super().__init__(reason, after=seconds)
