"""Delete ended jobs that are named, or that meet conditions."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from surrealdb import RecordID

from sp00ky_core.ports import JobFilter, JobTable
from sp00ky_store_surreal.connection.executor import Lane, Way
from sp00ky_store_surreal.errors import unwritable
from sp00ky_store_surreal.ids import id_text
from sp00ky_store_surreal.observe.filters import ids_of
from sp00ky_store_surreal.observe.find import ended_ids
from sp00ky_store_surreal.row_changes import Change, RowChanges
from sp00ky_store_surreal.store_part import StorePart

__all__ = ["DELETE", "Clears", "deleted_of"]

DELETED_AT_ONCE = 1_000
"""Rows: more of them would take a busy server seconds, in which it answers nothing else on the connection."""

DELETE = Change(verb="deleted", statement="clear_ended", names={"returned": "1"})
"""Returns something for each row: an id of each would cost as much as finding it."""

SIDE_BY_SIDE = (DELETE, attrs.evolve(DELETE, how=Way(lane=Lane.DELETE)))
"""A server carries out one connection's statements in turn, so two connections delete faster than one."""

DELETE_NAMED = attrs.evolve(DELETE, names={"returned": "$before.id"})


class Clears(StorePart):
    """A part of the store: what operators delete."""

    async def clear_matching(self, conditions: JobFilter, *, limit: int = 10_000) -> int:
        """See ``Clears.clear_matching``."""
        await self._ready.ensure()
        count = 0
        for table in await self._ready.there(self._tables):
            ids = await ended_ids(self._connection, table, conditions, limit - count)
            count += await self._delete_side_by_side(table, ids)
        self._signals.changed()
        return count

    async def _delete_side_by_side(self, table: JobTable, ids: Sequence[RecordID]) -> int:
        """Delete rows; where one connection's share fails, raise its error once the other has ended."""
        waiting = deque(ids[first : first + DELETED_AT_ONCE] for first in range(0, len(ids), DELETED_AT_ONCE))
        gone: list[Any] = []

        async def delete(change: Change) -> None:
            try:
                while waiting:
                    parts = await self._changes.named(change, waiting.popleft())
                    gone.extend(deleted_of(self._changes, table, parts))
            except BaseException:
                waiting.clear()
                raise

        changes = SIDE_BY_SIDE[:1] if self._connection.target.embedded else SIDE_BY_SIDE
        for error in await asyncio.gather(*map(delete, changes), return_exceptions=True):
            if error is not None:
                raise error
        return len(gone)

    async def delete(self, job_ids: Sequence[str]) -> Mapping[str, str | None]:
        """See ``Store.delete``; what the database said of those that it keeps is in the log."""
        await self._ready.ensure()
        deleted: dict[str, str | None] = {}
        for table in self._tables:
            parts = await self._changes.named(DELETE_NAMED, ids_of(table, job_ids))
            deleted |= dict.fromkeys(map(id_text, deleted_of(self._changes, table, parts)))
        self._signals.changed()
        return deleted


def deleted_of(changes: RowChanges, table: JobTable, parts: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Return what was returned of each deleted row.

    Raises ``SchemaError`` where none was deleted, and some are still there.
    """
    gone = [each for part in parts for each in part["gone"]]
    if not gone and any(part["left"] for part in parts):
        raise unwritable(changes.connection.target.location, table.table)
    return gone
