"""Delete jobs that ended longer ago than their retention, and old heartbeats and audit entries."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import attrs

from sp00ky_core.job.job import JobStatus
from sp00ky_core.ports import JobTable
from sp00ky_store_surreal.operate.audit import prune_audit
from sp00ky_store_surreal.operate.clear import DELETE, deleted_of
from sp00ky_store_surreal.row_changes import RowChanges
from sp00ky_store_surreal.rows import duration_text
from sp00ky_store_surreal.store_part import StorePart
from sp00ky_store_surreal.surql.claim_parts import longest_lease
from sp00ky_store_surreal.surql.loader import quoted, surql


class Retention(StorePart):
    """A part of the store: what is deleted as time goes by."""

    async def prune(self, *, limit: int = 1_000, spared: Collection[str] = ()) -> int:
        """See ``Retention.prune``. Without a retention jobs are the user's, and kept."""
        await self._ready.ensure()
        count = 0
        for table in await self._ready.there(self._delivered):
            for name, bindings in _selections(table):
                if count < limit:
                    with self._ready.passing_over():
                        bindings |= {"limit": limit - count, "spared": list(spared)}
                        count += await _prune(self._changes, table, name, bindings)
            with self._ready.passing_over():
                await self._connection.write(_free_keys(table))
        await self._connection.write(surql("retention_runners"))
        await prune_audit(self._connection)
        self._signals.changed()
        return count


def _free_keys(table: JobTable) -> str:
    return surql("retention_ordering_holders", table=quoted(table.table), longest_lease=longest_lease(table))


def _selections(table: JobTable) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the statements that select what the table doesn't keep, and what they bind."""
    kept = {JobStatus.SUCCESS: table.keep_success, JobStatus.FAILED: table.keep_failed}
    for status, keep in kept.items():
        if keep is not None and keep < math.inf:
            yield "retention_ended_ids", {"status": status.value, "keep": duration_text(keep)}
    if table.max_successes is not None:
        yield "retention_surplus_ids", {"most": table.max_successes}


async def _prune(changes: RowChanges, table: JobTable, name: str, bindings: Mapping[str, Any]) -> int:
    unspared = surql("retention_unspared") if bindings["spared"] else "true"
    ids = surql(name, table=quoted(table.table), unspared=unspared)
    parts = await changes.selected(attrs.evolve(DELETE, bindings=bindings), ids)
    return len(deleted_of(changes, table, parts))
