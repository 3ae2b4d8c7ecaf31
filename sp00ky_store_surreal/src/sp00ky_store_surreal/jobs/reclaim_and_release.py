"""Find claims whose end is unknown, of dead runners or with a lease that is over, and give claims back."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Unpack

from sp00ky_core.job.job import Job
from sp00ky_core.ports import LONGEST_LEASE, JobTable, OverdueClaim
from sp00ky_core.stores import LostOptions
from sp00ky_store_surreal.connection.conflict_retries import Lane, Way
from sp00ky_store_surreal.embedded_or_server import lease_names
from sp00ky_store_surreal.ids import id_text
from sp00ky_store_surreal.jobs.retention_and_delete import RowWrites
from sp00ky_store_surreal.observe.find import ids_of
from sp00ky_store_surreal.rows import DECIDED, load_safely
from sp00ky_store_surreal.schema.index_rebuilds import ClaimIndex
from sp00ky_store_surreal.schema.table_layouts import TableLayouts
from sp00ky_store_surreal.surql.loader import quoted, surql

FEW = 5
"""So many rows at a time are read whose ``errors`` hold more than any runner keeps: each takes 0.3 s."""


async def overdue(
    layouts: TableLayouts, index: ClaimIndex, tables: Iterable[JobTable], runners: Collection[str], limit: int
) -> list[OverdueClaim]:
    """See ``Store.overdue``. A runner asks every 2 s, so what changes seldom is looked at here, too."""
    connection = await layouts.ensure()
    await layouts.refresh()
    with layouts.passing_over():
        await index.look()
    claims: list[OverdueClaim] = []
    for table in await layouts.there(tables):
        left = limit - len(claims)
        if left > 0 and runners:
            with layouts.passing_over():
                statement = surql("reclaim_overdue_ids", **lease_names(table))
                reply = await connection.read(statement, runners=list(runners), limit=left)
                claims += [_claim_of(row, table) for row in reply[-1]]
    return claims


async def lost(
    layouts: TableLayouts, tables: Iterable[JobTable], dead: Collection[str], **options: Unpack[LostOptions]
) -> list[Job]:
    """See ``DecidingStore._lost``."""
    connection = await layouts.ensure()
    jobs: list[Job] = []
    for table in await layouts.there(tables):
        left = options["limit"] - len(jobs)
        if left > 0:
            named = ids_of(table, [claim.job_id for claim in options["overdue"]])
            which = {"dead": list(dead), "beating": list(options["beating"]), "named": named}
            with layouts.passing_over():
                statement = surql("reclaim_lost_ids", **lease_names(table))
                *_, plain, full = await connection.read(statement, limit=left, few=FEW, **which)
                jobs += await load_safely(connection, table, [*plain, *full][:left], DECIDED)
    return jobs


async def release(
    layouts: TableLayouts,
    writes: RowWrites,
    tables: Iterable[JobTable],
    runner_id: str,
    keep: Collection[str],
) -> list[str]:
    """See ``Store.release``; the rows are pending again at once."""
    released: list[str] = []
    for table in await layouts.there(tables):
        bindings = {"runner": runner_id, "keep": ids_of(table, keep)}
        with layouts.passing_over():
            # selected on the connection of claims, so that one under way comes first
            held = surql("release_held_ids", table=quoted(table.table))
            ids = (await layouts.connection.write(held, Way(lane=Lane.CLAIM), **bindings))[-1]
            rows = await writes.write("released", surql("release_jobs"), ids, Lane.CLAIM, **bindings)
            released += [id_text(row["id"]) for row in rows]
    return released


def _claim_of(row: Mapping[str, Any], table: JobTable) -> OverdueClaim:
    own, written = row.get("timeout"), row["written"] / 1_000
    counts = isinstance(own, int | float) and not isinstance(own, bool) and math.isfinite(own)
    lasts = table.attempt_timeout(own if counts else None) + table.lease_margin
    return OverdueClaim(
        job_id=id_text(row["id"]),
        epoch=row["lease_epoch"],
        runner_id=row["runner_id"],
        lasts=max(lasts, written if written <= LONGEST_LEASE else 0.0),
    )
