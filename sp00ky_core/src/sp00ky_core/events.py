"""Name what may happen to a job."""

from __future__ import annotations

from datetime import datetime

import attrs

from sp00ky_core.outcome import Delivered, Undelivered

__all__ = ["Claimed", "Lost", "Released", "Deferred", "Expired", "Killed", "Redriven", "Rescheduled", "Event"]


@attrs.frozen(kw_only=True)
class Claimed:
    """A runner took the job."""


@attrs.frozen(kw_only=True)
class Lost:
    """The attempt's end is unknown: its lease ran out, or its runner is dead.

    Attributes:
        reason: Why it counts as lost, in words.
    """

    reason: str


@attrs.frozen(kw_only=True)
class Released:
    """The claim is given back: its attempt never started."""


@attrs.frozen(kw_only=True)
class Deferred:
    """The claim is given back with a delay, and uses up no retry.

    Attributes:
        delay: Seconds until the job is due again.
        outcome: What the backend answered, if it was asked (``throttled``): appended to ``errors``; a job
            with ``max_retries = 0`` ends with it, for its one request was made, and so does one whose answer
            isn't retryable (``giveUpOn``). None: nothing was sent.
        waited: Seconds since the first deferral of those in a row.
        give_up_after: Seconds of waiting after which ``outcome`` counts as an attempt.
    """

    delay: float
    outcome: Undelivered | None = None
    waited: float = 0.0
    give_up_after: float = 86_400.0


@attrs.frozen(kw_only=True)
class Expired:
    """The job's ``expires_at`` had passed when it was to be sent: nothing was."""


@attrs.frozen(kw_only=True)
class Killed:
    """An operator ended the job.

    Attributes:
        reason: Why, in words.
    """

    reason: str = "killed by an operator"


@attrs.frozen(kw_only=True)
class Redriven:
    """An operator wants the failed job tried again.

    Attributes:
        resend_unknown: Also where a request that must not be repeated may have arrived.
        delay: Seconds until it is due.
    """

    resend_unknown: bool = False
    delay: float = 0.0


@attrs.frozen(kw_only=True)
class Rescheduled:
    """An operator changes when a pending job is due, or its priority.

    Attributes:
        run_at: When it is to be due; or
        delay: seconds from now, by the database's clock; neither: as it was.
        priority: None: as it was.
    """

    run_at: datetime | None = None
    delay: float | None = None
    priority: int | None = None


Event = (
    Claimed | Delivered | Undelivered | Lost | Released | Deferred | Expired | Killed | Redriven | Rescheduled
)
"""Anything that may happen to a job, which ``decide`` is asked about."""
