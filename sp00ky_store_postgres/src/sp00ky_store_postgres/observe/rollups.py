"""Keep rollups of attempts: write them, sum them up, fold minutes to hours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import attrs

from sp00ky_core.ports import BUCKETS, MINUTES_KEPT, ROLLUPS_KEPT, Rollup, RollupQuery
from sp00ky_store_postgres.part import StorePart

SUMS = ", ".join(f"sum(rollup.buckets[{n}])::bigint" for n in range(1, BUCKETS + 1))
ADDED = ", ".join(f"hour.buckets[{n}] + excluded.buckets[{n}]" for n in range(1, BUCKETS + 1))
"""Bucket by bucket: an array has no sum."""

COLUMNS = tuple(attrs.fields_dict(Rollup))


class RollupRows(StorePart):
    """A part of the store: its rollups."""

    async def write_rollups(self, rollups: Sequence[Rollup]) -> datetime:
        """See ``Rollups.write_rollups``."""
        columns = [[getattr(each, name) for each in rollups] for name in COLUMNS[:-1]]
        buckets = [str(list(each.buckets)).replace("[", "{").replace("]", "}") for each in rollups]
        rows = await self._executor.query("rollups_write", *columns, buckets)
        now: datetime = rows[0][0]
        return now

    async def rollups(self, query: RollupQuery) -> list[Rollup]:
        """See ``Rollups.rollups``."""
        wanted = query.since, query.until, query.backend, query.step, query.routes
        rows = await self._executor.query("rollups_read", *wanted, buckets=f"ARRAY[{SUMS}]")
        return [Rollup(**{**row, "buckets": tuple(row["buckets"])}) for row in rows]

    async def fold_rollups(self, *, limit: int = 10_000) -> int:
        """See ``Rollups.fold_rollups``."""
        buckets, added = f"ARRAY[{SUMS}]", f"ARRAY[{ADDED}]"
        rows = await self._executor.query("rollups_fold", MINUTES_KEPT, limit, buckets=buckets, added=added)
        await self._executor.query("rollups_prune", ROLLUPS_KEPT, limit)
        return int(rows[0][0])
