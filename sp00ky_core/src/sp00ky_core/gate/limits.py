"""Keep until when a backend's limits leave nothing to be claimed."""

from __future__ import annotations

import attrs

SHORTEST, LONGEST = 0.001, 0.25
"""Seconds until a claim that was cut off before it came to a job is repeated; doubled each time."""


@attrs.define
class Limit:
    """The limits of one backend, as the latest claim found them.

    Attributes:
        until: When a claim may get some of the jobs that it had to leave.
    """

    until: float = 0.0
    _futile: float = 0.0  # seconds, while claims are cut off without a job

    def claimed(self, now: float, retry_in: float | None, *, is_served: bool) -> None:
        """Take over what a claim says: after how many seconds there may be more.

        ``is_served``: it has got jobs.
        """
        self._futile = (
            min(max(2 * self._futile, SHORTEST), LONGEST) if retry_in == 0 and not is_served else 0.0
        )
        self.until = now + (retry_in or self._futile)

    def forget(self) -> None:
        """Note that one of the jobs has ended, so that another may be sent."""
        self.until = 0.0
