"""Find ``processing`` rows to be reclaimed: of dead runners, and those whose lease is over."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import attrs

from sp00ky_core.job import Job
from sp00ky_core.ports import LONGEST_LEASE, JobTable, OverdueClaim
from sp00ky_store_surreal.connection.executor import Connection
from sp00ky_store_surreal.ids import id_text
from sp00ky_store_surreal.observe.filters import ids_of
from sp00ky_store_surreal.row_changes import RowChanges
from sp00ky_store_surreal.row_loading import load
from sp00ky_store_surreal.rows import duration_text
from sp00ky_store_surreal.surql.loader import quoted, surql

__all__ = ["Lost", "lost", "overdue"]

FEW = 5
"""Rows at a time of those whose ``errors`` hold more than any runner keeps: each takes up to 0.3 s."""

OVER = {"longest": duration_text(LONGEST_LEASE)}
"""What ``over.surql`` binds."""


@attrs.frozen(kw_only=True)
class Lost:
    """Says which rows are lost.

    Attributes:
        dead: Runners that have stopped beating.
        beating: Runners whose rows are left alone, also where a lease is over.
        named: Ids of rows that are taken where their lease is over, whoever has them.
    """

    dead: Collection[str]
    beating: Collection[str]
    named: Collection[str]


async def lost(changes: RowChanges, which: Lost, limit: int) -> list[Job]:
    """Read the rows that are lost, whole."""
    jobs: list[Job] = []
    for table in await changes.ready.there(changes.tables):
        if len(jobs) < limit:
            with changes.ready.passing_over():
                jobs += await _lost(changes.connection, table, which, limit - len(jobs))
    return jobs


async def overdue(changes: RowChanges, runners: Collection[str], limit: int) -> list[OverdueClaim]:
    """List these runners' claims whose lease is over."""
    found: list[OverdueClaim] = []
    for table in await changes.ready.there(changes.tables):
        with changes.ready.passing_over():
            found += await _overdue(changes.connection, table, runners, limit - len(found))
    return found


async def _lost(connection: Connection, table: JobTable, which: Lost, limit: int) -> list[Job]:
    rows = (
        await connection.read(
            surql("lost", table=quoted(table.table)),
            dead=list(which.dead),
            beating=list(which.beating),
            named=ids_of(table, which.named),
            limit=limit,
            **OVER,
        )
    )[-1]
    full = [row for row in rows if row["full"]]
    ids = [row["id"] for row in rows if not row["full"]] + [row["id"] for row in full[:FEW]]
    return await load(connection, table, ids)


async def _overdue(
    connection: Connection, table: JobTable, runners: Collection[str], limit: int
) -> list[OverdueClaim]:
    if limit <= 0 or not runners:
        return []
    statement = surql("overdue", table=quoted(table.table))
    rows = (await connection.read(statement, runners=list(runners), limit=limit, **OVER))[-1]
    return [_claim_of(row, table) for row in rows]


def _claim_of(row: dict[str, Any], table: JobTable) -> OverdueClaim:
    own = row.get("timeout")
    counts = isinstance(own, int | float) and not isinstance(own, bool) and math.isfinite(own)
    return OverdueClaim(
        job_id=id_text(row["id"]),
        epoch=row["lease_epoch"],
        runner_id=row["runner_id"],
        lasts=table.attempt_timeout(own if counts else None) + table.lease_margin,
    )
