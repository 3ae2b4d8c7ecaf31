"""Claim for a backend with limits, in a transaction of its own: lock its row, count, claim, take tokens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from sp00ky_core.ports import Claim, JobTable
from sp00ky_core.stores import PASSED, Allowance
from sp00ky_store_postgres.connection.executor import Executor
from sp00ky_store_postgres.connection.external import Fetch
from sp00ky_store_postgres.connection.workload import Workload
from sp00ky_store_postgres.schema.tables import leased

ClaimUpTo = Callable[[int, Fetch], Awaitable[Claim]]
"""Claims up to so many jobs, by statements in the transaction."""


class LimitedClaims:
    """Claims for backends with limits."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._tables = tables = executor.tables
        self._lock, self._make, self._take = map(
            tables.statement, ("control_lock", "control_make", "control_take")
        )

    async def claim(self, table: JobTable, slots: int, claim: ClaimUpTo) -> Claim:
        """Claim as many jobs as the limits allow, ``slots`` at most.

        Args:
            table: which table.
            slots: how many are wanted.
            claim: claims some.
        """

        async def work(connection: Any) -> Claim:
            async with connection.transaction(isolation="read_committed"):
                return await self._claim(table, slots, claim, connection.fetch)

        return await self._executor.run(Workload.CLAIM, work)

    async def _claim(self, table: JobTable, slots: int, claim: ClaimUpTo, fetch: Fetch) -> Claim:
        locked = await fetch(self._lock, table.backend)
        if not locked and await fetch(self._make, table.backend):
            locked = await fetch(self._lock, table.backend)
        if not locked:
            return Claim(retry_in={table.backend: PASSED})
        tokens, at, now, _ = locked[0]
        in_flight = await self._in_flight(table, fetch)
        allowance = Allowance.of(table, now, tokens=tokens, at=at, in_flight=in_flight)
        claimed = await claim(allowance.grant(slots), fetch)
        if (left := allowance.tokens_after(len(claimed))) is not None:
            await fetch(self._take, table.backend, left, now)
        wait = allowance.retry_in(slots, len(claimed))
        if wait is None or table.backend in claimed.paused:
            return claimed
        retry_in = {**claimed.retry_in, table.backend: wait}
        return Claim(claimed, breakers=claimed.breakers, paused=claimed.paused, retry_in=retry_in)

    async def _in_flight(self, table: JobTable, fetch: Fetch) -> int:
        """Count what may be in flight, in a statement that sees what the claims before have written."""
        if table.max_in_flight is None:
            return 0
        statement = self._tables.statement("in_flight", table, leased=leased(table))
        ((count,),) = await fetch(statement)
        return int(count)
