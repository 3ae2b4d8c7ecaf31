"""Delete jobs that ended longer ago than their retention, and old heartbeats and audit entries."""

from __future__ import annotations

import math

import attrs

from sp00ky_core.job import JobStatus
from sp00ky_core.ports import JobTable
from sp00ky_store_surreal.operate.audit import prune_audit
from sp00ky_store_surreal.operate.clear import DELETE, deleted_of
from sp00ky_store_surreal.part import StorePart
from sp00ky_store_surreal.row_changes import RowChanges
from sp00ky_store_surreal.rows import duration_text
from sp00ky_store_surreal.surql.claim_parts import longest_lease
from sp00ky_store_surreal.surql.loader import quoted, surql


class Retention(StorePart):
    """A part of the store: what is deleted as time goes by."""

    async def prune(self, *, limit: int = 1_000) -> int:
        """See ``Store.prune``. Without a retention jobs are the user's, and kept."""
        await self._ready.ensure()
        count = 0
        for table in await self._ready.there(self._tables):
            kept = {JobStatus.SUCCESS: table.keep_success, JobStatus.FAILED: table.keep_failed}
            for status, keep in kept.items():
                if keep is not None and keep < math.inf and count < limit:
                    with self._ready.passing_over():
                        count += await _prune(self._changes, table, status, keep, limit - count)
            with self._ready.passing_over():
                await self._connection.write(_free_keys(table))
        await self._connection.write(surql("retention_runners"))
        await prune_audit(self._connection)
        self._signals.changed()
        return count


def _free_keys(table: JobTable) -> str:
    return surql("retention_ordering_holders", table=quoted(table.table), longest_lease=longest_lease(table))


async def _prune(changes: RowChanges, table: JobTable, status: JobStatus, keep: float, limit: int) -> int:
    bindings = {"status": status.value, "keep": duration_text(keep), "limit": limit}
    old = surql("retention_ended_ids", table=quoted(table.table))
    parts = await changes.selected(attrs.evolve(DELETE, bindings=bindings), old)
    return len(deleted_of(changes, table, parts))
