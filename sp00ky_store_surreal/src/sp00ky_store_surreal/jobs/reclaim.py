"""Find ``processing`` rows to be reclaimed: of dead runners, and those whose lease is over."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from sp00ky_core.job.job import Job
from sp00ky_core.ports import JobTable, OverdueClaim
from sp00ky_store_surreal.connection.executor import Connection
from sp00ky_store_surreal.ids import id_text
from sp00ky_store_surreal.jobs.claim_window import ClaimIndex
from sp00ky_store_surreal.observe.filters import ids_of
from sp00ky_store_surreal.row_loading import DECIDED, load
from sp00ky_store_surreal.store_part import StorePart
from sp00ky_store_surreal.surql.claim_parts import longest_lease
from sp00ky_store_surreal.surql.loader import quoted, surql

FEW = 5
"""Rows at a time of those whose ``errors`` hold more than any runner keeps: each takes up to 0.3 s."""


class LostClaims(StorePart):
    """A part of the store: claims whose runner is dead, or whose lease is over."""

    _index: ClaimIndex

    async def overdue(self, runners: Collection[str], *, limit: int = 500) -> list[OverdueClaim]:
        """See ``OverdueClaims.overdue`` (what changes seldom is looked at here: a runner asks every 2 s)."""
        await self._ready.ensure()
        await self._ready.refresh()
        with self._ready.passing_over():
            await self._index.look()
        found: list[OverdueClaim] = []
        for table in await self._ready.there(self._tables):
            left = limit - len(found)
            if left > 0 and runners:
                with self._ready.passing_over():
                    statement = surql("reclaim_overdue_ids", **_names(table))
                    reply = await self._connection.read(statement, runners=list(runners), limit=left)
                    found += [_claim_of(row, table) for row in reply[-1]]
        return found

    async def _lost(
        self,
        dead_runners: Collection[str],
        *,
        beating: Collection[str],
        overdue: Collection[OverdueClaim],
        limit: int,
    ) -> list[Job]:
        await self._ready.ensure()
        who = {"dead": list(dead_runners), "beating": list(beating)}
        jobs: list[Job] = []
        for table in await self._ready.there(self._delivered):
            if len(jobs) < limit:
                named = ids_of(table, [each.job_id for each in overdue])
                with self._ready.passing_over():
                    jobs += await _lost_of(self._connection, table, limit - len(jobs), named=named, **who)
        return jobs


async def _lost_of(connection: Connection, table: JobTable, limit: int, **which: list[Any]) -> list[Job]:
    statement = surql("reclaim_lost_ids", **_names(table))
    *_, plain, full = await connection.read(statement, limit=limit, few=FEW, **which)
    return await load(connection, table, [*plain, *full][:limit], DECIDED)


def _names(table: JobTable) -> dict[str, str]:
    return {"table": quoted(table.table), "longest_lease": longest_lease(table)}


def _claim_of(row: dict[str, Any], table: JobTable) -> OverdueClaim:
    own = row.get("timeout")
    counts = isinstance(own, int | float) and not isinstance(own, bool) and math.isfinite(own)
    return OverdueClaim(
        job_id=id_text(row["id"]),
        epoch=row["lease_epoch"],
        runner_id=row["runner_id"],
        lasts=table.attempt_timeout(own if counts else None) + table.lease_margin,
    )
