"""Delete jobs that ended longer ago than their retention, and old heartbeats and audit entries."""

from __future__ import annotations

import attrs

from sp00ky_core.job import JobStatus
from sp00ky_core.ports import JobTable
from sp00ky_store_surreal.operate.audit import prune_audit
from sp00ky_store_surreal.operate.clear import DELETE, deleted_of
from sp00ky_store_surreal.row_changes import RowChanges
from sp00ky_store_surreal.rows import duration_text
from sp00ky_store_surreal.surql.loader import quoted, surql

__all__ = ["prune"]


async def prune(changes: RowChanges, limit: int) -> int:
    """Delete at most ``limit`` jobs; return how many. Without a retention jobs are the user's, and kept."""
    count = 0
    for table in await changes.ready.there(changes.tables):
        kept = {JobStatus.SUCCESS: table.keep_success, JobStatus.FAILED: table.keep_failed}
        for status, keep in kept.items():
            if keep is not None and count < limit:
                with changes.ready.passing_over():
                    count += await _prune(changes, table, status, keep, limit - count)
        with changes.ready.passing_over():
            await changes.connection.write(surql("prune_holders", table=quoted(table.table)))
    await changes.connection.write(surql("prune_runners"))
    await prune_audit(changes.connection)
    return count


async def _prune(changes: RowChanges, table: JobTable, status: JobStatus, keep: float, limit: int) -> int:
    bindings = {"status": status.value, "keep": duration_text(keep), "limit": limit}
    old = surql("ended", table=quoted(table.table))
    parts = await changes.selected(attrs.evolve(DELETE, bindings=bindings), old)
    return len(deleted_of(changes, table, parts))
