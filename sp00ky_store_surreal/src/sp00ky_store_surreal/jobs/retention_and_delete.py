"""Delete jobs that have ended: those that are named, that meet conditions, or that are older than is kept.

Rows are written together, and bisected where the database refuses some: a bad row holds up no other.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs
from surrealdb import RecordID

from sp00ky_core.errors import StoreError
from sp00ky_core.job.job import JobStatus
from sp00ky_core.ports import AUDIT_KEPT, JobFilter, JobTable, Spared
from sp00ky_core.stores.refused_writes import Quarantine, bisect
from sp00ky_store_surreal.connection.conflict_retries import Connection, Lane, Way
from sp00ky_store_surreal.embedded_or_server import lease_names
from sp00ky_store_surreal.errors import may_be_a_rows, reason_of, unwritable
from sp00ky_store_surreal.ids import id_text
from sp00ky_store_surreal.observe.find import ended_ids, ids_of
from sp00ky_store_surreal.schema.table_layouts import TableLayouts
from sp00ky_store_surreal.surql.durations import duration_text
from sp00ky_store_surreal.surql.loader import quoted, surql

DELETED_AT_ONCE = 1_000
"""Rows: more of them would take a busy server seconds, in which it answers nothing else on the connection."""


@attrs.frozen(kw_only=True)
class RowWrites:
    """Writes rows of a store's tables.

    Attributes:
        connection: The store's.
        quarantine: Remembers rows that the database refuses to write.
    """

    connection: Connection
    quarantine: Quarantine

    async def write(
        self, verb: str, statement: str, ids: Sequence[RecordID], lane: Lane, **bindings: Any
    ) -> list[Any]:
        """Write the rows ``$ids`` and return what the statement returns of each; a refused one is left out.

        ``verb`` is for the log, as a participle: ``released``.
        """

        async def write(some: Sequence[RecordID]) -> Any:
            return (await self.connection.write(statement, Way(lane=lane), ids=list(some), **bindings))[-1]

        async def alone(row_id: RecordID, error: StoreError) -> list[Any]:
            self.quarantine.add(verb, [id_text(row_id)], reason_of(error))
            return []

        return await bisect(ids, write, alone, refuses=may_be_a_rows)


@attrs.frozen
class Deletes:
    """Deletes jobs of a store.

    Attributes:
        layouts: Knows the tables that are there.
        writes: Writes rows.
    """

    layouts: TableLayouts
    writes: RowWrites

    async def named(self, tables: Iterable[JobTable], job_ids: Sequence[str]) -> Mapping[str, str | None]:
        """See ``Store.delete``; what the database says of rows that it keeps is in the log."""
        await self.layouts.ensure()
        deleted: dict[str, str | None] = {}
        for table in tables:
            rows = await self._delete(table, ids_of(table, job_ids), "$before.id")
            deleted |= dict.fromkeys(map(id_text, rows))
        return deleted

    async def matching(self, tables: Iterable[JobTable], conditions: JobFilter, limit: int) -> int:
        """See ``Store.clear_matching``."""
        count = 0
        for table in await self.layouts.there(tables):
            ids = await ended_ids(self.writes.connection, table, conditions, limit - count)
            count += await self._delete_in_portions(table, ids)
        return count

    async def by_age(self, tables: Iterable[JobTable], limit: int, spared: Collection[Spared]) -> int:
        """See ``Store.prune``. Without a retention jobs are the user's, and kept."""
        connection, count = self.writes.connection, 0
        unspared, values = _unspared(spared)
        for table in await self.layouts.there(tables):
            names = lease_names(table)
            with self.layouts.passing_over():
                for name, bindings in _selections(table):
                    if count < limit:
                        selection = surql(name, unspared=unspared, **names)
                        bindings |= {"limit": limit - count, **values}
                        seen, ids = await connection.read(f"RETURN time::now(); {selection}", **bindings)
                        count += await self._delete_in_portions(table, ids, seen)
                await connection.write(surql("retention_ordering_holders", **names))
        await connection.write(surql("retention_audit"), kept=duration_text(AUDIT_KEPT))
        return count

    async def _delete_in_portions(
        self, table: JobTable, ids: Sequence[RecordID], seen: datetime | None = None
    ) -> int:
        """Delete rows but for those that were written after ``seen``; return how many it were."""
        count = 0
        for first in range(0, len(ids), DELETED_AT_ONCE):
            portion = ids[first : first + DELETED_AT_ONCE]
            count += len(await self._delete(table, portion, seen=seen))
        return count

    async def _delete(
        self, table: JobTable, ids: Sequence[RecordID], returned: str = "1", *, seen: datetime | None = None
    ) -> list[Any]:
        """Delete rows that have ended; return ``returned`` of each, for an id costs as much as finding it.

        Raises ``SchemaError`` where none was deleted, and some are still there.
        """
        statement = surql("clear_ended", returned=returned)
        parts = await self.writes.write("deleted", statement, ids, Lane.DELETE, seen=seen)
        deleted = [row for part in parts for row in part["gone"]]
        if not deleted and any(part["left"] for part in parts):
            raise unwritable(self.writes.connection.target.location, table.table)
        return deleted


def _unspared(spared: Collection[Spared]) -> tuple[str, Mapping[str, Sequence[str]]]:
    """Write the condition that no row of an extension's spares a job, and what it binds."""
    texts = ["true"]
    for number, rows in enumerate(spared):
        names = {"column": quoted(rows.column), "values": f"$spared{number}"}
        if rows.table.row_id is not None:
            texts.append(surql("retention_unspared", rows=rows.table.name, **names))
        else:
            table = {"job": quoted(rows.job), "table": quoted(rows.table.name)}
            texts.append(surql("retention_unspared_by_id", **table, **names))
    return " AND ".join(texts), {f"spared{number}": rows.values for number, rows in enumerate(spared)}


def _selections(table: JobTable) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the statements that select what the table doesn't keep, and what they bind."""
    kept = {JobStatus.SUCCESS: table.keep_success, JobStatus.FAILED: table.keep_failed}
    for status, keep in kept.items():
        if keep is not None and keep < math.inf:
            yield "retention_ended_ids", {"status": status.value, "keep": duration_text(keep)}
    if table.max_successes is not None:
        yield "retention_surplus_ids", {"most": table.max_successes}
