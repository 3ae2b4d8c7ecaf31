"""Count each backend's queue: jobs by status, what is due, stalled and deferred, its breaker, its pause."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sp00ky_core.ports import BackendStats, BreakerStats, JobTable
from sp00ky_store_postgres.connection.workload import Workload
from sp00ky_store_postgres.fleet.breaker import Breakers
from sp00ky_store_postgres.operate.pause import Pauses
from sp00ky_store_postgres.schema.tables import lease_over
from sp00ky_store_postgres.sql.loader import read_sql

CONDITIONS = {
    "pending": "job.status = 'pending'",
    "due": "job.status = 'pending' AND job.run_at <= now()",
    "processing": "job.status = 'processing'",
    "success": "job.status = 'success'",
    "failed": "job.status = 'failed'",
}
"""Of numbers that are estimated where they are large."""


class Stats(Breakers, Pauses):
    """A part of the store: its queues, breakers and pauses in numbers."""

    async def stats(self, *, limit: int | None = None) -> Mapping[str, BackendStats]:
        """See ``Store.stats``."""
        breakers, pauses = await self._breakers(), await self._pauses()
        stats = {}
        for table in self._executor.tables.all:
            counted = await self._count(table) if limit is None else await self._depth(table, limit)
            breaker, paused = breakers.get(table.backend, BreakerStats()), pauses.get(table.backend)
            stats[table.backend] = BackendStats(**counted, breaker=breaker, paused=paused)
        return stats

    async def _count(self, table: JobTable) -> Mapping[str, Any]:
        (row,) = await self._executor.query("stats", table=table, over=lease_over(table))
        return dict(row)

    async def _depth(self, table: JobTable, limit: int) -> Mapping[str, Any]:
        """Count up to a limit; of what is more, take the planner's estimate."""
        parts = {"over": lease_over(table), "pending_numbers": read_sql("pending_numbers")}
        statement = self._executor.tables.statement("depth", table, **parts)
        (row,) = await self._executor.fetch(Workload.REST, statement, limit + 1)
        large = [name for name in CONDITIONS if row[name] > limit]
        estimates = {name: await self._estimate(table, CONDITIONS[name], limit) for name in large}
        return {**row, **estimates}

    async def _estimate(self, table: JobTable, condition: str, least: int) -> int:
        (row,) = await self._executor.query("depth_estimate", table=table, condition=condition)
        plan = json.loads(row[0])[0]["Plan"]
        return max(int(plan["Plan Rows"]), least)
