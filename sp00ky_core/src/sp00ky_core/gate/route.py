"""Know a route of a backend as one process last saw it."""

from __future__ import annotations

import math

import attrs

from sp00ky_core.config import BreakerConfig
from sp00ky_core.gate.breaker import NEW, BreakerChange, BreakerEvent, LocalBreaker

NEVER = -math.inf
"""When a request was answered that wasn't."""

LATE = 1.5
"""Times as long as it was to wait may a job take to come again, until no one counts on it."""

FIRST_TOOK = 0.25
"""Seconds that a route's requests are taken to need, as long as none was answered."""


@attrs.define
class Route(LocalBreaker):
    """A route, as it was last seen; of one that isn't kept apart only the first two are known.

    Attributes:
        answered_at: When its latest request was answered; ``NEVER``: that wasn't; None: there was none.
        candidate_by: By when the job comes that is to be the next probe.
        shut_since: When it opened; infinity: it is closed.
        told_at: When its waiting jobs were last put off together.
        token_at: When its rate has made up for all that was sent.
        line_at: When the last job comes again that waits for a place, or a token.
        took: Seconds that its requests take, lately.
        refusals: Throttled answers in a row.
        started: Its attempts under way: when each began, by the job's id, the oldest first.
    """

    answered_at: float | None = None
    candidate_by: float = NEVER
    shut_since: float = math.inf
    told_at: float = NEVER
    token_at: float = 0.0
    line_at: float = 0.0
    took: float = FIRST_TOOK
    refusals: int = 0
    started: dict[str, float] = attrs.field(factory=dict)

    @property
    def is_proven(self) -> bool:
        """Whether its latest request was answered."""
        return self.answered_at is not None and self.answered_at > NEVER

    def change(
        self, whose: str, event: BreakerEvent, config: BreakerConfig, now: float
    ) -> BreakerChange | None:
        """Note an event; return what it has changed, if anything. One that is as if new awaits no probe."""
        change = super().change(whose, event, config, now)
        if change is not None and self.breaker is NEW:
            self.shut_since, self.candidate_by = math.inf, NEVER
        return change
