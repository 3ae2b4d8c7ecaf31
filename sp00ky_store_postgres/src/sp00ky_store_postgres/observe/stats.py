"""Count each backend's queue: jobs by status, what is due, stalled and deferred, its breaker, its pause."""

from __future__ import annotations

from collections.abc import Mapping

from sp00ky_core.ports import BackendStats, BreakerStats
from sp00ky_store_postgres.fleet.breaker import Breakers
from sp00ky_store_postgres.operate.pause import Pauses
from sp00ky_store_postgres.sql.loader import lease_over


class Stats(Breakers, Pauses):
    """A part of the store: its queues, breakers and pauses in numbers."""

    async def stats(self) -> Mapping[str, BackendStats]:
        """See ``Store.stats``."""
        breakers, pauses = await self._breakers(), await self._pauses()
        stats = {}
        for table in self._executor.tables.all:
            (row,) = await self._executor.query("stats", table=table, over=lease_over())
            breaker, paused = breakers.get(table.backend, BreakerStats()), pauses.get(table.backend)
            stats[table.backend] = BackendStats(**row, breaker=breaker, paused=paused)
        return stats
