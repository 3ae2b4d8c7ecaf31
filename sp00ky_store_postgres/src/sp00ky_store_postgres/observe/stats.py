"""Count each backend's queue: jobs by status, what is due, stalled and deferred, its breaker, its pause."""

from __future__ import annotations

from collections.abc import Mapping

from sp00ky_core.ports import BackendStats, BreakerStats, JobTable, Pause
from sp00ky_store_postgres.connection.executor import Executor
from sp00ky_store_postgres.connection.workload import Workload
from sp00ky_store_postgres.jobs.breaker import Breakers
from sp00ky_store_postgres.operate.pause import Pauses
from sp00ky_store_postgres.schema.tables import Tables
from sp00ky_store_postgres.sql.loader import fill, lease_over, read_sql

__all__ = ["Stats"]


class Stats:
    """Reads numbers of every backend."""

    def __init__(self, executor: Executor, tables: Tables, breakers: Breakers, pauses: Pauses) -> None:
        self._executor = executor
        self._tables = tables
        self._breakers = breakers
        self._pauses = pauses

    async def read(self) -> Mapping[str, BackendStats]:
        """See ``Store.stats``."""
        breakers, pauses = await self._breakers.stats(), await self._pauses.all()
        return {
            table.backend: await self._read(
                table, breakers.get(table.backend, BreakerStats()), pauses.get(table.backend)
            )
            for table in self._tables.all
        }

    async def _read(self, table: JobTable, breaker: BreakerStats, paused: Pause | None) -> BackendStats:
        statement = fill(read_sql("stats"), table=self._tables.name(table), over=lease_over())
        (row,) = await self._executor.fetch(Workload.REST, statement)
        numbers = dict(row)
        for count, age in (("due", "oldest_due_s"), ("deferred", "oldest_deferred_s")):
            if not numbers[count]:
                numbers[age] = None
        return BackendStats(**numbers, breaker=breaker, paused=paused)
