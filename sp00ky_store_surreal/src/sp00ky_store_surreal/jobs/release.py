"""Release a runner's claims: its rows are pending again, at once."""

from __future__ import annotations

from collections.abc import Collection

from sp00ky_core.ports import JobTable
from sp00ky_store_surreal.connection.executor import Lane, Way
from sp00ky_store_surreal.ids import id_text
from sp00ky_store_surreal.observe.filters import ids_of
from sp00ky_store_surreal.row_changes import Change, RowChanges
from sp00ky_store_surreal.surql.loader import quoted, surql

__all__ = ["release"]

RELEASE = Way(lane=Lane.CLAIM)


async def release(changes: RowChanges, runner_id: str, keep: Collection[str]) -> list[str]:
    """Release what a runner holds, but for ``keep``; return the ids of the released jobs."""
    released: list[str] = []
    for table in await changes.ready.there(changes.tables):
        with changes.ready.passing_over():
            released += await _release(changes, table, runner_id, keep)
    return released


async def _release(changes: RowChanges, table: JobTable, runner_id: str, keep: Collection[str]) -> list[str]:
    bindings = {"runner": runner_id, "keep": ids_of(table, keep)}
    change = Change(verb="released", statement="release", bindings=bindings, how=RELEASE)
    rows = await changes.selected(change, surql("held", table=quoted(table.table)))
    return [id_text(row["id"]) for row in rows]
