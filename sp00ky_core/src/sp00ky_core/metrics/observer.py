"""Observe a runner from within: count its attempts, and the calls of its store that fail."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import attrs

from sp00ky_core.errors import StoreError
from sp00ky_core.job import JobStatus
from sp00ky_core.metrics.counters import Counters, outcome_of
from sp00ky_core.outcome import OUTCOME_UNKNOWN, Outcome
from sp00ky_core.ports import Claim, SettleFate, Settlement, SettleResult, Store
from sp00ky_core.runner.in_flight import Held

__all__ = ["Observer", "Observed"]

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

    def watched(self, store: Store) -> Store:
        """Return the store, with its failures and lost leases counted."""
        return cast("Store", Observed(store, self))


class Observed:
    """A store that notes which calls fail; else it is what it was."""

    def __init__(self, store: Store, observer: Observer) -> None:
        self._store = store
        self._observer = observer

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def call(*arguments: Any, **named: Any) -> Any:
            with self._counted():
                return await found(*arguments, **named)

        self.__dict__[name] = call
        return call

    @contextmanager
    def _counted(self) -> Iterator[None]:
        try:
            yield
        except StoreError:
            self._observer.counters.store_errors += 1
            raise

    async def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        """See ``Store.claim``."""
        self._observer.claiming_since = self._observer.clock()
        try:
            with self._counted():
                claim = await self._store.claim(slots_by_backend, runner_id)
        except StoreError:
            self._observer.claims_fail = True
            raise
        finally:
            self._observer.claiming_since = None
        self._observer.claims_fail = False
        return claim

    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        """See ``Store.settle``."""
        with self._counted():
            results = await self._store.settle(settlements)
        self._observer.counters.leases_lost += sum(each.fate is SettleFate.LEASE_LOST for each in results)
        return results
