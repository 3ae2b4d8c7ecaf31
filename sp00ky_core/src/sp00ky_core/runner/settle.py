"""Group commit: whatever has gathered is written as soon as the write before has returned."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

import attrs

from sp00ky_core.errors import Sp00kyError
from sp00ky_core.metrics.observer import Observer
from sp00ky_core.plugins.calls import Hooks
from sp00ky_core.ports import SettleFate, Settlement, SettleResult, Store
from sp00ky_core.runner.attempt_log import AttemptLog
from sp00ky_core.runner.in_flight import Held, Holdings
from sp00ky_core.runner.maintenance.store_log import StoreLog
from sp00ky_core.runner.options import RunnerOptions
from sp00ky_core.stores.backoff import Backoff

logger: logging.Logger = logging.getLogger(__name__)

BUSY_PAUSE = 0.05
"""Seconds until a row that couldn't be written is tried again, doubled each time..."""

LONGEST_PAUSE = 5.0
"""...up to this."""

WRITTEN = frozenset({SettleFate.SETTLED, SettleFate.ALREADY_SETTLED})
UNWRITTEN = frozenset({SettleFate.BUSY, SettleFate.DUPLICATE})
"""The row is as it was: to release it would be to forget that its attempt was made."""


@attrs.define(kw_only=True, eq=False, slots=False)
class Settler:
    """Writes outcomes; keeps those that can't be written until the store is back."""

    _store: Store
    _holdings: Holdings
    _hooks: Hooks
    _options: RunnerOptions
    _store_log: StoreLog
    _observer: Observer
    _written: Callable[[Settlement, Held], None]  # called for each settlement that is durable
    _room: Callable[[], None]  # called when claims may go on

    def __attrs_post_init__(self) -> None:
        self._queue: deque[tuple[Held, Settlement]] = deque()
        self._deferred = 0  # those that wait for their next try
        self._waiting = asyncio.Event()
        self._attempts = AttemptLog(log_all=self._options.log_attempts)
        self._observed = self._hooks.observes("sp00ky_job_settled")

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def is_full(self) -> bool:
        """Whether so many outcomes wait that nothing more may be claimed."""
        return len(self._queue) + self._deferred >= self._options.max_unsettled

    def put(self, held: Held, settlement: Settlement) -> None:
        """Queue an outcome; never blocks."""
        self._holdings.over(held)
        if not self._queue:
            self._waiting.set()
        self._queue.append((held, settlement))

    async def run(self) -> None:
        """Write until cancelled."""
        try:
            await self._write_all()
        finally:
            self._attempts.close()

    async def _write_all(self) -> None:
        backoff = Backoff(self._options.random)
        while True:
            await self._waiting.wait()
            try:
                await self._write_batch()
                backoff.reset()
            except Sp00kyError as error:
                self._store_log.failed(f"{len(self._queue)} outcomes can't be written yet", error)
                await backoff.wait()

    async def _write_batch(self) -> None:
        size = min(len(self._queue), self._options.settle_batch)
        batch = [self._queue[index] for index in range(size)]  # kept in the queue until it is written
        was_full = False
        if batch:
            results = await self._store.settle([settlement for _, settlement in batch])
            was_full = self.is_full  # more may have come meanwhile
            for (held, settlement), result in zip(batch, results, strict=True):
                self._queue.popleft()
                if result.fate in UNWRITTEN and self._defer(held, settlement, result):
                    continue
                self._holdings.drop(held)
                self._report(held, settlement, result)
        if was_full and not self.is_full:
            self._room()
        if not self._queue:
            self._waiting.clear()

    def _defer(self, held: Held, settlement: Settlement, result: SettleResult) -> bool:
        """Try a settlement again a little later, as long as the lease may last.

        Let go of sooner, it would be taken for a claim that was never started, and sent again.
        """
        if self._options.clock() > held.lease_end:
            return False
        if result.problem and not held.refusals:
            logger.error("job %s: its outcome can't be written yet: %s", held.job.id, result.problem)
        pause = min(BUSY_PAUSE * 2**held.refusals, LONGEST_PAUSE)
        held.refusals += 1
        self._deferred += 1
        asyncio.get_running_loop().call_later(pause, self._put_again, held, settlement)
        return True

    def _put_again(self, held: Held, settlement: Settlement) -> None:
        self._deferred -= 1
        self.put(held, settlement)

    def _report(self, held: Held, settlement: Settlement, result: SettleResult) -> None:
        if result.problem is not None and result.fate is SettleFate.SETTLED:
            logger.warning("job %s: settled with a part left out: %s", held.job.id, result.problem)
        if result.fate not in WRITTEN:
            self._observer.counters.leases_lost += result.fate is SettleFate.LEASE_LOST
            self._lost(held, result)
            return
        settlement = settlement.as_written(result)
        self._written(settlement, held)
        self._attempts.log(held, settlement.transition)
        if self._observed:
            self._hooks.dispatch_soon("sp00ky_job_settled", job=held.job, transition=settlement.transition)

    def _lost(self, held: Held, result: SettleResult) -> None:
        reason = "its row belongs to another runner by now, or is gone; this outcome was not written"
        if result.fate in UNWRITTEN:
            reason = f"this outcome couldn't be written: {result.problem or 'a transaction holds its row'}"
        facts = {"event": "lease_lost", "job_id": held.job.id, "runner_id": self._options.runner_id}
        logger.warning("job %s: lease lost: %s", held.job.id, reason, extra=facts)
        self._hooks.dispatch_soon(
            "sp00ky_lease_lost", job_id=held.job.id, runner_id=self._options.runner_id, reason=reason
        )
