"""Count each backend's queue: jobs by status, what is due, stalled and deferred, its breaker, its pause."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from sp00ky_core.ports import BackendStats, JobTable
from sp00ky_core.stores.transactional.observe.stats import gate_states
from sp00ky_store_postgres.connection.executor import Executor

CONDITIONS = {
    "pending": "job.status = 'pending'",
    "due": "job.status = 'pending' AND job.run_at <= now()",
    "processing": "job.status = 'processing'",
    "success": "job.status = 'success'",
    "failed": "job.status = 'failed'",
}
"""Of numbers that are estimated where they are large."""


async def stats(executor: Executor, limit: int | None) -> Mapping[str, BackendStats]:
    """Return each backend's numbers; those over a limit are estimates."""
    tables = executor.tables.all
    states = await executor.read(partial(gate_states, tables=tables))
    return {
        table.backend: BackendStats(
            **(await _count(executor, table) if limit is None else await _depth(executor, table, limit)),
            **states[table.backend],
        )
        for table in tables
    }


async def _count(executor: Executor, table: JobTable) -> Mapping[str, Any]:
    (row,) = await executor.query("stats", table=table, row="job")
    return dict(row)


async def _depth(executor: Executor, table: JobTable, limit: int) -> Mapping[str, Any]:
    """Count up to a limit; of what is more, take the planner's estimate."""
    (row,) = await executor.query("depth", limit + 1, table=table, row="job")
    large = [name for name in CONDITIONS if row[name] > limit]
    estimates = {name: await _estimate(executor, table, CONDITIONS[name], limit) for name in large}
    return {**row, **estimates}


async def _estimate(executor: Executor, table: JobTable, condition: str, least: int) -> int:
    (row,) = await executor.query("depth_estimate", table=table, condition=condition)
    plan = json.loads(row[0])[0]["Plan"]
    return max(int(plan["Plan Rows"]), least)
