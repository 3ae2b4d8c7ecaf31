"""Delete ended jobs that are named, or that meet conditions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import attrs

from sp00ky_core.ports import JobFilter, JobTable
from sp00ky_store_surreal.errors import unwritable
from sp00ky_store_surreal.ids import id_text
from sp00ky_store_surreal.observe.filters import ids_of
from sp00ky_store_surreal.observe.find import ended_ids
from sp00ky_store_surreal.row_changes import Change, RowChanges

__all__ = ["DELETE", "clear_matching", "delete_ended", "deleted_of"]

DELETED_AT_ONCE = 2_000
"""Rows: more of them would take a busy server seconds, in which it answers nothing else on the connection."""

DELETE = Change(verb="deleted", statement="delete", names={"returned": "1"})
"""Returns something for each row: an id of each would cost as much as finding it."""

DELETE_NAMED = attrs.evolve(DELETE, names={"returned": "$before.id"})


async def delete_ended(changes: RowChanges, job_ids: Collection[str]) -> set[str]:
    """Delete those of these jobs that have ended; return their ids."""
    deleted: set[str] = set()
    for table in changes.tables:
        parts = await changes.named(DELETE_NAMED, ids_of(table, job_ids))
        deleted |= set(map(id_text, deleted_of(changes, table, parts)))
    return deleted


async def clear_matching(changes: RowChanges, conditions: JobFilter, limit: int) -> int:
    """Delete ended jobs that meet the conditions, at most ``limit``; return how many."""
    count = 0
    for table in await changes.ready.there(changes.tables):
        ids = await ended_ids(changes.connection, table, conditions, limit - count)
        for first in range(0, len(ids), DELETED_AT_ONCE):
            parts = await changes.named(DELETE, ids[first : first + DELETED_AT_ONCE])
            count += len(deleted_of(changes, table, parts))
    return count


def deleted_of(changes: RowChanges, table: JobTable, parts: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Return what was returned of each deleted row.

    Raises ``SchemaError`` where none was deleted, and some are still there.
    """
    gone = [each for part in parts for each in part["gone"]]
    if not gone and any(part["left"] for part in parts):
        raise unwritable(changes.connection.target.location, table.table)
    return gone
