"""Count each backend's queue: jobs by status, what is due, stalled and deferred, its breaker, its pause."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from sp00ky_core.ports import BackendStats, BreakerStats
from sp00ky_store_postgres.connection.executor import Executor
from sp00ky_store_postgres.fleet.breaker import Breakers
from sp00ky_store_postgres.operate.pause import Pauses
from sp00ky_store_postgres.sql.loader import lease_over

__all__ = ["Stats"]


@attrs.frozen
class Stats:
    """Reads numbers of every backend."""

    _executor: Executor
    _breakers: Breakers
    _pauses: Pauses

    async def stats(self) -> Mapping[str, BackendStats]:
        """See ``Store.stats``."""
        breakers, pauses = await self._breakers.stats(), await self._pauses.all()
        stats = {}
        for table in self._executor.tables.all:
            (row,) = await self._executor.query("stats", table=table, over=lease_over())
            breaker, paused = breakers.get(table.backend, BreakerStats()), pauses.get(table.backend)
            stats[table.backend] = BackendStats(**row, breaker=breaker, paused=paused)
        return stats
