"""Count how many jobs a backend's limits, its rate and its attempts in flight, let a claim take.

Stores that write in their database's language follow it; the memory store and the model use it.
"""

from __future__ import annotations

import math
from datetime import datetime

import attrs

from sp00ky_core.ports import JobTable

__all__ = ["FULL", "PASSED", "Allowance"]

PASSED = 0.02
"""Seconds until another claim where this one passes, for another is at the same backend."""

FULL = 0.25
"""Seconds until another claim where as many attempts are in flight as may be; their end sends no signal."""


@attrs.frozen(kw_only=True)
class Allowance:
    """Hold what a backend's limits leave for a claim.

    Attributes:
        tokens: Requests that the rate allows now; infinite without a rate.
        per_second: Tokens that come in a second; infinite without a rate.
        places: Attempts that may begin; infinite without a limit.
        is_ahead: The tokens were counted at an instant that is yet to come: the clock has gone back.
    """

    tokens: float = math.inf
    per_second: float = math.inf
    places: float = math.inf
    is_ahead: bool = False

    @classmethod
    def of(
        cls, table: JobTable, now: datetime, *, tokens: float | None, at: datetime | None, in_flight: int = 0
    ) -> Allowance:
        """Count what a table's limits leave.

        Args:
            table: The table.
            now: The time, by the database's clock.
            tokens: As the last claim wrote them down; None: none did.
            at: When it did.
            in_flight: Attempts that may be under way; it counts only where there is a limit.
        """
        places = math.inf if table.max_in_flight is None else table.max_in_flight - in_flight
        if (rate := table.rate) is None:
            return cls(places=places)
        elapsed = 0.0 if at is None else max((now - at).total_seconds(), 0.0)
        come = rate.burst if tokens is None else tokens + elapsed * rate.per_second
        return cls(
            tokens=min(rate.burst, come),
            per_second=rate.per_second,
            places=places,
            is_ahead=at is not None and at > now,
        )

    def grant(self, slots: int) -> int:
        """Return how many of so many jobs may be claimed."""
        return max(math.floor(min(slots, self.tokens, self.places)), 0)

    def tokens_after(self, taken: int) -> float | None:
        """Return the tokens to be written down after a claim, with its time; None: nothing is."""
        has_changed = math.isfinite(self.tokens) and (taken or self.is_ahead)
        return self.tokens - taken if has_changed else None

    def retry_in(self, slots: int, taken: int) -> float | None:
        """Return the seconds until there may be more, after a claim of so many; None: limits left none."""
        if not taken == self.grant(slots) < slots:
            return None
        missing = max(1 - (self.tokens - taken), 0.0)
        for_token = math.ceil(missing / self.per_second * 1e6) / 1e6  # the clock's resolution
        return max(for_token, FULL if self.places - taken < 1 else 0.0)
