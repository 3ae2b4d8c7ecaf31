"""Count attempts by backend, route, outcome and code, in plain numbers."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import attrs

from sp00ky_core.errors import StoreError
from sp00ky_core.job.job import JobStatus
from sp00ky_core.job.outcome import OUTCOME_UNKNOWN, Outcome
from sp00ky_core.job.state_machine import Transition
from sp00ky_core.ports import Settlement
from sp00ky_core.ports.rollups import BUCKET_BOUNDS, BUCKETS
from sp00ky_core.runner.in_flight import Held

__all__ = ["Counters", "Counts", "Kind", "Observer", "outcome_of"]

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


SUCCESS = JobStatus.SUCCESS
"""To look it up in its enumeration takes longer than to compare it."""


HANGING = 10.0
"""Seconds after which a claim counts as hanging: it takes milliseconds, a second on a busy database."""


@attrs.define
class Observer:
    """Counts what a runner does.

    Attributes:
        clock: The runner's.
        counters: Where it is counted.
        claims_fail: The latest claim failed.
        claiming_since: When the claim that is under way began; None: none is.
    """

    clock: Callable[[], float]
    counters: Counters = attrs.field(factory=Counters)
    claims_fail: bool = False
    claiming_since: float | None = None

    @property
    def claims_go_through(self) -> bool:
        """Whether the latest claim did, and the one under way doesn't hang, behind a lock say."""
        since = self.claiming_since
        return not self.claims_fail and (since is None or self.clock() - since < HANGING)

    def ended(self, held: Held, settlement: Settlement, outcome: Outcome | None) -> None:
        """Count an attempt that has ended; None: a fault in the runner has ended it."""
        transition = settlement.transition
        # Most attempts succeed: for these it is a look-up and three additions.
        how = "success" if transition.to is SUCCESS else outcome_of(transition, held.job.retries)
        if how is None:
            return
        started, path = held.started_at, held.job.path
        if started is None and held.backend.contract.operation(path) is None:
            path = ""
        seconds = None if started is None else self.clock() - started
        self.counters.attempt((held.job.backend, path, how, 0 if outcome is None else outcome.code), seconds)

    def reclaimed(self, settlement: Settlement) -> None:
        """Count an attempt that another runner has lost."""
        error = settlement.transition.error
        if error is not None and error.name == OUTCOME_UNKNOWN:
            self.counters.attempt((settlement.backend, "", "unknown", 0))

    @contextmanager
    def claiming(self) -> Iterator[None]:
        """Note how long a claim takes, and whether it fails."""
        self.claiming_since = self.clock()
        try:
            yield
        except StoreError:
            self.claims_fail = True
            raise
        finally:
            self.claiming_since = None
        self.claims_fail = False
