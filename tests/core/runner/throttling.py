"""A backend that answers as a test says, and throttled answers."""

from collections import deque
from collections.abc import Iterable

from sp00ky_core.job.outcome import THROTTLED, Delivered, Outcome, Undelivered
from sp00ky_core.ports import Attempt


def throttled(after: float | None = 0.01, code: int = 429) -> Undelivered:
    meaning = "unavailable" if code == 503 else None
    return Undelivered(name=THROTTLED, code=code, reason="slow down", retry_after=after, counts_as=meaning)


class Backend:
    """Answers with these outcomes in turn, then takes everything."""

    def __init__(self, outcomes: Iterable[Outcome] = ()) -> None:
        self.outcomes = deque(outcomes)
        self.requests = 0

    def __call__(self, attempt: Attempt) -> Outcome:
        if attempt.backend.name != "api":
            return Delivered()
        self.requests += 1
        return self.outcomes.popleft() if self.outcomes else Delivered()
