"""Delete jobs that are older than is kept, batch by batch, now and then."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

from sp00ky_core.errors import Sp00kyError
from sp00ky_core.ports import Retention, Store, has
from sp00ky_core.runner.options import RunnerOptions

PRUNE_BATCH = 1_000
PRUNE_ROUNDS = 100
"""Batches at a time: a large heap is taken away bit by bit, between reclaims."""


class Pruner:
    """Deletes ended jobs once in ``prune_interval``, and sooner where there are more of them.

    Args:
        store: One with ``capabilities.retention``, or nothing is deleted.
        options: The runner's.
        before: Reads what must be read of jobs before they go; returns the schedules whose jobs are spared.
    """

    def __init__(
        self,
        store: Store,
        options: RunnerOptions,
        before: Callable[[], Awaitable[Collection[str]]] | None = None,
    ) -> None:
        self._retention = has(store, Retention)
        self._options = options
        self._before = before
        self._next = options.clock() + options.prune_interval * options.random()

    async def prune(self) -> None:
        """Delete what is old, if it is time to. Raises ``Sp00kyError``; then it is tried later again."""
        if self._options.clock() < self._next:
            return
        try:
            await self._prune(await self._before() if self._before else ())
        except Sp00kyError:
            self._wait()
            raise

    async def _prune(self, spared: Collection[str]) -> None:
        retention = self._retention
        for _ in range(PRUNE_ROUNDS):
            if not retention or await retention.prune(limit=PRUNE_BATCH, spared=spared) < PRUNE_BATCH:
                self._wait()
                return
        # There is more: go on after the next reclaim, or a fast queue would outgrow its retention.

    def _wait(self) -> None:
        self._next = self._options.clock() + self._options.prune_interval
