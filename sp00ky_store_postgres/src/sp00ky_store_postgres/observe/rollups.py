"""Sum rollups of attempts up."""

from __future__ import annotations

from sp00ky_core.ports import BUCKETS, Rollup, RollupQuery
from sp00ky_store_postgres.part import StorePart

SUMS = ", ".join(f"sum(rollup.buckets[{n}])::bigint" for n in range(1, BUCKETS + 1))
"""Bucket by bucket: an array has no sum."""


class RollupRows(StorePart):
    """A part of the store: its rollups."""

    async def rollups(self, query: RollupQuery) -> list[Rollup]:
        """See ``Rollups.rollups``."""
        wanted = query.since, query.until, query.backend, query.step, query.routes
        rows = await self._executor.query("rollups_read", *wanted, buckets=f"ARRAY[{SUMS}]")
        return [Rollup(**{**row, "buckets": tuple(row["buckets"])}) for row in rows]
