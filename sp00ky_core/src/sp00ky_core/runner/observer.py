"""Count what a runner does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import attrs

from sp00ky_core.errors import StoreError
from sp00ky_core.job.job import JobStatus
from sp00ky_core.job.outcome import OUTCOME_UNKNOWN, Outcome
from sp00ky_core.observe.counters import Counters, outcome_of
from sp00ky_core.ports import Settlement
from sp00ky_core.runner.in_flight import Held

__all__ = ["Observer"]

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
