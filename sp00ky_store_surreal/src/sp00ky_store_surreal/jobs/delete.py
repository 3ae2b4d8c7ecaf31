"""Delete jobs that have ended: those that are named, that meet conditions, or that are older than is kept.

Rows are changed in one go; on refusal they are bisected, so that a bad row holds up no other.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs
from surrealdb import RecordID

from sp00ky_core.errors import StoreError
from sp00ky_core.job.job import JobStatus
from sp00ky_core.ports import AUDIT_KEPT, JobFilter, JobTable
from sp00ky_core.stores.refusals import Quarantine, bisect
from sp00ky_store_surreal.connection.executor import Connection, Lane, Way
from sp00ky_store_surreal.errors import may_be_a_rows, reason_of, unwritable
from sp00ky_store_surreal.ids import id_text
from sp00ky_store_surreal.jobs.claim_statement import longest_lease
from sp00ky_store_surreal.observe.find import ended_ids, ids_of
from sp00ky_store_surreal.rows import duration_text
from sp00ky_store_surreal.schema.readiness import Readiness
from sp00ky_store_surreal.surql.loader import quoted, surql


@attrs.frozen(kw_only=True)
class Change:
    """Describes a change of rows.

    Attributes:
        verb: For the log, as a participle: ``released``.
        statement: The file of a statement with a place for ids, that returns something of each.
        names: Its other places, and what fills them.
        bindings: Bound by it.
        how: The way it is sent.
    """

    verb: str
    statement: str
    names: Mapping[str, str] = attrs.field(factory=dict)
    bindings: Mapping[str, Any] = attrs.field(factory=dict)
    how: Way = attrs.field(factory=Way)


@attrs.frozen(kw_only=True)
class RowChanges:
    """Changes rows of a store's tables.

    Attributes:
        connection: The store's.
        quarantine: Remembers rows that the database refuses to write.
    """

    connection: Connection
    quarantine: Quarantine

    async def selected(self, change: Change, selecting: str) -> list[Any]:
        """Change the rows that a statement selects."""
        try:
            return await self._write(change, f"({selecting})")
        except StoreError as error:
            if not may_be_a_rows(error):
                raise
        reply = await self.connection.read(selecting, **change.bindings)
        return await self.named(change, reply[-1])

    async def named(self, change: Change, ids: Sequence[RecordID]) -> list[Any]:
        """Change these rows; one that the database refuses is logged and left out."""

        async def write(some: Sequence[RecordID]) -> list[Any]:
            return await self._write(change, "$these", these=list(some))

        async def alone(row_id: RecordID, error: StoreError) -> list[Any]:
            self.quarantine.add(change.verb, [id_text(row_id)], reason_of(error))
            return []

        return await bisect(ids, write, alone, refuses=may_be_a_rows)

    async def _write(self, change: Change, ids: str, **these: Any) -> list[Any]:
        statement = surql(change.statement, ids=ids, **change.names)
        reply = await self.connection.write(statement, change.how, **change.bindings, **these)
        rows: list[Any] = reply[-1]
        return rows


DELETED_AT_ONCE = 1_000
"""Rows: more of them would take a busy server seconds, in which it answers nothing else on the connection."""

DELETE = Change(verb="deleted", statement="clear_ended", names={"returned": "1"})
"""Returns something for each row: an id of each would cost as much as finding it."""

SIDE_BY_SIDE = (DELETE, attrs.evolve(DELETE, how=Way(lane=Lane.DELETE)))
"""A server carries out one connection's statements in turn, so two connections delete faster than one."""

DELETE_NAMED = attrs.evolve(DELETE, names={"returned": "$before.id"})


@attrs.frozen
class Deletes:
    """Deletes jobs of a store.

    Attributes:
        ready: Knows the tables that are there.
        changes: Changes rows.
    """

    ready: Readiness
    changes: RowChanges

    async def named(self, tables: Iterable[JobTable], job_ids: Sequence[str]) -> Mapping[str, str | None]:
        """See ``Store.delete``; what the database said of those that it keeps is in the log."""
        await self.ready.ensure()
        deleted: dict[str, str | None] = {}
        for table in tables:
            parts = await self.changes.named(DELETE_NAMED, ids_of(table, job_ids))
            deleted |= dict.fromkeys(map(id_text, self._deleted(table, parts)))
        return deleted

    async def matching(self, tables: Iterable[JobTable], conditions: JobFilter, limit: int) -> int:
        """See ``Clears.clear_matching``."""
        count = 0
        for table in await self.ready.there(tables):
            ids = await ended_ids(self.changes.connection, table, conditions, limit - count)
            count += await self._delete_side_by_side(table, ids)
        return count

    async def _delete_side_by_side(self, table: JobTable, ids: Sequence[RecordID]) -> int:
        """Delete rows; where one connection's share fails, raise its error once the other has ended."""
        waiting = deque(ids[first : first + DELETED_AT_ONCE] for first in range(0, len(ids), DELETED_AT_ONCE))
        deleted: list[Any] = []

        async def delete(change: Change) -> None:
            try:
                while waiting:
                    parts = await self.changes.named(change, waiting.popleft())
                    deleted.extend(self._deleted(table, parts))
            except BaseException:
                waiting.clear()
                raise

        ways = SIDE_BY_SIDE[:1] if self.changes.connection.target.embedded else SIDE_BY_SIDE
        for error in await asyncio.gather(*map(delete, ways), return_exceptions=True):
            if error is not None:
                raise error
        return len(deleted)

    async def by_age(self, tables: Iterable[JobTable], limit: int, spared: Collection[str]) -> int:
        """See ``Retention.prune``. Without a retention jobs are the user's, and kept."""
        count = 0
        for table in await self.ready.there(tables):
            for name, bindings in _selections(table):
                if count < limit:
                    with self.ready.passing_over():
                        bindings |= {"limit": limit - count, "spared": list(spared)}
                        count += await self._prune(table, name, bindings)
            with self.ready.passing_over():
                names = {"table": quoted(table.table), "longest_lease": longest_lease(table)}
                await self.changes.connection.write(surql("retention_ordering_holders", **names))
        await self.changes.connection.write(surql("retention_own_tables"), kept=duration_text(AUDIT_KEPT))
        return count

    async def _prune(self, table: JobTable, name: str, bindings: Mapping[str, Any]) -> int:
        unspared = surql("retention_unspared") if bindings["spared"] else "true"
        ids = surql(name, table=quoted(table.table), unspared=unspared)
        parts = await self.changes.selected(attrs.evolve(DELETE, bindings=bindings), ids)
        return len(self._deleted(table, parts))

    def _deleted(self, table: JobTable, parts: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Return what was returned of each deleted row.

        Raises ``SchemaError`` where none was deleted, and some are still there.
        """
        deleted = [row for part in parts for row in part["gone"]]
        if not deleted and any(part["left"] for part in parts):
            raise unwritable(self.changes.connection.target.location, table.table)
        return deleted


def _selections(table: JobTable) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the statements that select what the table doesn't keep, and what they bind."""
    kept = {JobStatus.SUCCESS: table.keep_success, JobStatus.FAILED: table.keep_failed}
    for status, keep in kept.items():
        if keep is not None and keep < math.inf:
            yield "retention_ended_ids", {"status": status.value, "keep": duration_text(keep)}
    if table.max_successes is not None:
        yield "retention_surplus_ids", {"most": table.max_successes}
