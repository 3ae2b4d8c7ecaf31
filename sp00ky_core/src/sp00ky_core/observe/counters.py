"""Count attempts by backend, route, outcome and code, in plain numbers."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping

from sp00ky_core.job.job import JobStatus
from sp00ky_core.job.outcome import OUTCOME_UNKNOWN
from sp00ky_core.job.state_machine import Transition
from sp00ky_core.ports.capabilities.rollups import BUCKET_BOUNDS, BUCKETS

__all__ = ["Counters", "Counts", "Kind", "outcome_of"]

Kind = tuple[str, str, str, int]
"""Of attempts: their backend, path (a route, or empty), outcome and code."""

Counts = list[float]
"""How many there are, the seconds that they took, and how many of them are in each bucket."""

COUNT, SECONDS, FIRST_BUCKET = 0, 1, 2
CODES = range(100, 600)
"""Any other one counts as 0, so that there are few."""


class Counters:
    """Keep what one process has counted since its start; numbers only grow.

    Attributes:
        attempts: By kind.
        leases_lost: Outcomes that weren't written, for the row was another's by then.
        store_errors: Calls of the store that failed.
    """

    def __init__(self) -> None:
        self.attempts: dict[Kind, Counts] = {}
        self.leases_lost = 0
        self.store_errors = 0

    def attempt(self, kind: Kind, seconds: float | None = None) -> None:
        """Count one attempt; ``seconds``: how long it took, where that is known."""
        counts = self.attempts.get(kind)
        if counts is None:
            counts = self._counts(kind)
        counts[COUNT] += 1
        if seconds is not None:
            counts[SECONDS] += seconds
            counts[FIRST_BUCKET + bisect_left(BUCKET_BOUNDS, seconds)] += 1

    def _counts(self, kind: Kind) -> Counts:
        backend, path, outcome, code = kind
        known = (backend, path, outcome, code if code in CODES else 0)
        return self.attempts.setdefault(known, [0, 0.0, *[0] * BUCKETS])

    def add(self, attempts: Iterable[tuple[Kind, Counts]]) -> None:
        """Add what another process has counted."""
        for kind, counts in attempts:
            own = self._counts(kind)
            own[:] = [one + other for one, other in zip(own, counts, strict=True)]

    def since(self, before: Mapping[Kind, Counts]) -> dict[Kind, Counts]:
        """Return what has been counted since a ``copy`` was made; kinds of which nothing was are left out."""
        return {
            kind: [now - then for now, then in zip(counts, before[kind], strict=True)]
            if kind in before
            else counts[:]
            for kind, counts in self.attempts.items()
            if kind not in before or counts[COUNT] > before[kind][COUNT]
        }

    def copy(self) -> dict[Kind, Counts]:
        """Copy what was counted."""
        return {kind: counts[:] for kind, counts in self.attempts.items()}


def outcome_of(transition: Transition, retries: int) -> str | None:
    """Return the outcome of an attempt by what becomes of its job, which had made so many retries.

    None: no attempt was made, and the job waits as if it hadn't been claimed.
    """
    if transition.to is JobStatus.SUCCESS:
        return "success"
    error = transition.error
    if error is not None and error.name == OUTCOME_UNKNOWN:
        return "unknown"
    if transition.to is JobStatus.FAILED:
        return "failed"
    if transition.defers and transition.retries == retries:
        return None if error is None else "throttled"
    return "retry"
