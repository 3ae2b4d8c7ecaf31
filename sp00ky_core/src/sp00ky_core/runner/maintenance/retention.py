"""Delete jobs that are older than is kept, bit by bit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

import attrs

from sp00ky_core.ports import Spared, Store
from sp00ky_core.runner.options import RunnerOptions

PRUNE_BATCH = 1_000
PRUNE_ROUNDS = 100
"""Batches at a time: a large heap is taken away bit by bit, between reclaims."""


@attrs.define(eq=False, slots=False)
class Pruner:
    """Deletes ended jobs once in ``prune_interval``, and sooner where there are more of them."""

    _store: Store
    _options: RunnerOptions
    _before_prune: Callable[[], Awaitable[Collection[Spared]]]
    """Lets extensions read what must be read of jobs before they go; returns which are spared."""

    def __attrs_post_init__(self) -> None:
        self._next_prune = self._options.clock() + self._options.prune_interval * self._options.random()

    async def prune(self) -> None:
        """Delete what is old, if it is time to; what fails is tried later again."""
        now = self._options.clock()
        if now < self._next_prune:
            return
        self._next_prune = now + self._options.prune_interval
        spared = await self._before_prune()
        for _ in range(PRUNE_ROUNDS):
            if await self._store.prune(limit=PRUNE_BATCH, spared=spared) < PRUNE_BATCH:
                return
        self._next_prune = now  # there is more: a fast queue would outgrow its retention
