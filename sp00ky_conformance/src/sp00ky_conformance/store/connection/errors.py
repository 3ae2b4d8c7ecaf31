"""Make every call where tables are missing or the connection is lost: errors are ours, or there is none."""

# ruff: noqa: D102  # a test's name says what it promises

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import pytest

from sp00ky_conformance.store.harness import (
    API,
    PATIENCE,
    RUNNER,
    StoreHarness,
    needs,
    new_job,
    settlement,
    silent,
)
from sp00ky_core.errors import JobNotFound, StoreError, StoreUnavailable
from sp00ky_core.gate.breaker import Breaker, BreakerChange, BreakerState
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import JobQuery, Store, StoreOptions
from sp00ky_core.stores.transitions import clear, kill, retry

__all__ = ["ErrorConformance"]

FAILURE = BreakerChange(backend=API, before=Breaker(), to=BreakerState.CLOSED, failures=1)

CALLS: Mapping[str, Callable[[Store, str], Awaitable[object]]] = {
    "add": lambda store, job_id: store.add([new_job()]),
    "claim": lambda store, job_id: store.claim({API: 1}, RUNNER),
    "next_due": lambda store, job_id: store.next_due([API]),
    "release": lambda store, job_id: store.release(RUNNER, keep=()),
    "beat": lambda store, job_id: store.beat(RUNNER),
    "reclaim": lambda store, job_id: store.reclaim(silent(RUNNER)),
    "overdue": lambda store, job_id: store.overdue([RUNNER]),
    "kill": lambda store, job_id: kill(store, [job_id]),
    "retry": lambda store, job_id: retry(store, [job_id]),
    "clear": lambda store, job_id: clear(store, [job_id]),
    "prune": lambda store, job_id: store.prune(),
    "get": lambda store, job_id: store.get(job_id),
    "find": lambda store, job_id: store.find(JobQuery()),
    "stats": lambda store, job_id: store.stats(),
    "change_breaker": lambda store, job_id: store.change_breaker(FAILURE),
}
"""One call of each kind; ``job_id`` is one of a table of the store's."""


class ErrorConformance(StoreHarness):
    """A driver's errors are translated, and a lost connection is healed."""

    @pytest.mark.parametrize("call", CALLS)
    async def test_a_missing_table_is_said_in_our_words(self, options: StoreOptions, call: str) -> None:
        store = self.make_store(options)
        await store.open()
        try:
            with suppress(StoreError, JobNotFound):  # or there is nothing that could be missing
                await CALLS[call](store, f"{options.tables[0].table}:0190163d8694739b8c4f4b7d2f1e3c55")
        finally:
            await store.close()

    @needs("sever")
    @pytest.mark.parametrize("call", CALLS)
    async def test_a_lost_connection_is_healed_or_said(self, store: Store, call: str) -> None:
        (job,) = await self.add(store)
        await self.sever(store)
        async with asyncio.timeout(PATIENCE):
            with suppress(StoreUnavailable):  # it may be said, once or for a while
                await CALLS[call](store, job.id)
            await self._healed(store)

    @needs("sever")
    async def test_settles_go_on_after_a_lost_connection(self, store: Store) -> None:
        job = await self.claimed(store)
        await self.sever(store)
        async with asyncio.timeout(PATIENCE):
            await self._healed(store)
            (result,) = await store.settle([settlement(job, Delivered())])
        assert result.fate in {"settled", "already_settled"}

    async def _healed(self, store: Store) -> None:
        """Wait until reading and writing work again."""
        while True:
            try:
                await store.beat(RUNNER)
                await store.find(JobQuery())
                await store.claim({}, RUNNER)
                await store.release("another", keep=())
            except StoreUnavailable:
                await asyncio.sleep(0.01)
            else:
                return
