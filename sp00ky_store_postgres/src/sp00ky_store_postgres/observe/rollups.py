"""Sum rollups of attempts up, and fold their minutes to hours."""

from __future__ import annotations

from functools import partial

from sp00ky_core.ports import BUCKETS, MINUTES_KEPT, Rollup, RollupQuery
from sp00ky_core.stores.transactional.observe import prune_rollups
from sp00ky_store_postgres.connection.executor import Executor

SUMS = ", ".join(f"sum(rollup.buckets[{n}])::bigint" for n in range(1, BUCKETS + 1))
ADDED = ", ".join(f"hour.buckets[{n}] + excluded.buckets[{n}]" for n in range(1, BUCKETS + 1))
"""Bucket by bucket: an array has no sum."""


async def read(executor: Executor, query: RollupQuery) -> list[Rollup]:
    """Sum up rows as a query says."""
    wanted = query.since, query.until, query.backend, query.step, query.routes
    rows = await executor.query("rollups_read", *wanted, buckets=f"ARRAY[{SUMS}]")
    return [Rollup(**{**row, "buckets": tuple(row["buckets"])}) for row in rows]


async def fold(executor: Executor, limit: int) -> int:
    """Fold minutes, and delete old hours: the hour that two runners add to at once has both their minutes."""
    buckets, added = f"ARRAY[{SUMS}]", f"ARRAY[{ADDED}]"
    rows = await executor.query("rollups_fold", MINUTES_KEPT, limit, buckets=buckets, added=added)
    await executor.write(partial(prune_rollups, limit=limit))
    return int(rows[0][0])
