"""Describe an outage of a backend, and what a simulation found to become of its jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from sp00ky_core.outcome import CONNECT, HTTP_STATUS, THROTTLED, TIMEOUT, Undelivered

__all__ = ["FAILURES", "LONGEST_OUTAGE", "MOST_ATTEMPTS", "Forecast", "Outage"]

LONGEST_OUTAGE = 30 * 86_400.0
"""Seconds."""

MOST_ATTEMPTS = 1_000_000
"""Jobs times the attempts that each may have: so many take some 10 s for each kind of failure."""

FAILURES: Mapping[str, Undelivered] = {
    "refused": Undelivered(name=CONNECT),
    "timeout": Undelivered(name=TIMEOUT),
    "503": Undelivered(name=HTTP_STATUS, code=503),
    "500": Undelivered(name=HTTP_STATUS, code=500),
    "429": Undelivered(name=THROTTLED, code=429),
}
"""Answers of a backend during an outage, by the name that the forecast has."""


@attrs.frozen(kw_only=True)
class Outage:
    """An outage, and the jobs that are enqueued while it lasts.

    Attributes:
        seconds: Its length.
        jobs: Enqueued evenly in that time.
        latency: Seconds that an attempt takes, unless it times out.
    """

    seconds: float
    jobs: int
    latency: float


@attrs.frozen(kw_only=True)
class Forecast:
    """The end of an outage's jobs.

    Attributes:
        failure: What the backend did meanwhile: a key of ``FAILURES``.
        breaker: Whether the backend had one; None: it makes no difference.
        failed: Jobs that ended as failed.
        requests: Requests to the backend during the outage.
        arrivals: Seconds from the outage's end to when each of the others was delivered, ascending.
    """

    failure: str
    breaker: bool | None
    failed: int
    requests: int
    arrivals: tuple[float, ...]

    @property
    def delivered(self) -> int:
        """Jobs that were delivered."""
        return len(self.arrivals)

    def arrived(self, share: float) -> float | None:
        """Return the seconds after which this share of the delivered jobs had arrived; None: none did."""
        if not self.arrivals:
            return None
        return self.arrivals[max(round(share * len(self.arrivals)) - 1, 0)]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "failure": self.failure,
            "breaker": self.breaker,
            "delivered": self.delivered,
            "failed": self.failed,
            "requests": self.requests,
            "after_end_s": {name: self.arrived(share) for name, share in SHARES.items()},
        }


SHARES: Mapping[str, float] = {"p50": 0.5, "p95": 0.95, "last": 1.0}
"""Shares of the delivered jobs whose arrival is reported."""
