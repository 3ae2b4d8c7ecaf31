"""Claim for a backend with limits, in a transaction of its own: lock its row, count, claim, take tokens."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import attrs

from sp00ky_core.ports import Claim, JobTable
from sp00ky_store_postgres.connection.executor import Executor
from sp00ky_store_postgres.connection.external import Fetch
from sp00ky_store_postgres.connection.workload import Workload
from sp00ky_store_postgres.sql.loader import leased

__all__ = ["LimitedClaims"]

LOCKED_SECONDS = 0.02
"""Until a backend is claimed for again, where another claim is at it."""
FULL_SECONDS = 0.25
"""Until a backend is claimed for again whose ``maxInFlight`` is reached: another runner's job may end."""

ClaimUpTo = Callable[[int, Fetch], Awaitable[Claim]]
"""Claims up to so many jobs, by statements in the transaction."""


@attrs.frozen(kw_only=True)
class _Allowance:
    """The jobs that a backend's limits let a claim take.

    Attributes:
        tokens: Requests that its rate allows now.
        at: When that is, by the database's clock.
        places: How many more its ``maxInFlight`` allows.
    """

    tokens: float
    at: datetime
    places: float

    @property
    def jobs(self) -> int | float:
        """Return how many jobs may be taken; infinite: any number."""
        whole = math.floor(self.tokens) if math.isfinite(self.tokens) else self.tokens
        return max(min(whole, self.places), 0)

    def retry_in(self, table: JobTable, taken: int) -> float:
        """Return seconds until more may be taken, once so many have been."""
        waits = [FULL_SECONDS] if taken >= self.places else []
        if table.rate is not None and self.tokens - taken < 1:
            waits.append((1 - (self.tokens - taken)) / table.rate.per_second)
        return max(waits)


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
        locked = await fetch(self._lock, *self._bucket(table))
        if not locked and await fetch(self._make, table.backend):
            locked = await fetch(self._lock, *self._bucket(table))
        if not locked:
            return Claim(retry_in={table.backend: LOCKED_SECONDS})
        tokens, at, is_ahead, _ = locked[0]
        allowed = _Allowance(
            tokens=math.inf if table.rate is None else tokens,
            at=at,
            places=await self._places(table, fetch),
        )
        granted = int(min(slots, allowed.jobs))
        claimed = await claim(granted, fetch)
        if (claimed or is_ahead) and table.rate is not None:
            await fetch(self._take, table.backend, allowed.tokens - len(claimed), at)
        if len(claimed) < granted or granted >= slots or table.backend in claimed.paused:
            return claimed
        retry_in = {**claimed.retry_in, table.backend: allowed.retry_in(table, len(claimed))}
        return Claim(claimed, breakers=claimed.breakers, paused=claimed.paused, retry_in=retry_in)

    async def _places(self, table: JobTable, fetch: Fetch) -> float:
        """Count what may be in flight, in a statement that sees what the claims before have written."""
        if table.max_in_flight is None:
            return math.inf
        statement = self._tables.statement("in_flight", table, leased=leased())
        ((count,),) = await fetch(statement)
        return table.max_in_flight - int(count)

    def _bucket(self, table: JobTable) -> tuple[str, float, float]:
        rate = table.rate
        return table.backend, 0.0 if rate is None else rate.per_second, 0.0 if rate is None else rate.burst
