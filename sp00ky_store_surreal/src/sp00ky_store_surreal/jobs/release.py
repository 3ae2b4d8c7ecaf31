"""Release a runner's claims: its rows are pending again, at once."""

from __future__ import annotations

from collections.abc import Collection

from sp00ky_core.ports import JobTable
from sp00ky_store_surreal.connection.executor import Lane, Way
from sp00ky_store_surreal.ids import id_text
from sp00ky_store_surreal.observe.filters import ids_of
from sp00ky_store_surreal.row_changes import Change, RowChanges
from sp00ky_store_surreal.store_part import StorePart
from sp00ky_store_surreal.surql.loader import quoted, surql

RELEASE = Way(lane=Lane.CLAIM)


class Releases(StorePart):
    """A part of the store: claims that are given back."""

    async def release(self, runner_id: str, *, keep: Collection[str]) -> list[str]:
        """See ``Store.release``."""
        await self._ready.ensure()
        released: list[str] = []
        for table in await self._ready.there(self._tables):
            with self._ready.passing_over():
                released += await _release(self._changes, table, runner_id, keep)
        if released:
            self._claimer.forget_heads()
        self._wake(released, work=bool(released))
        return released


async def _release(changes: RowChanges, table: JobTable, runner_id: str, keep: Collection[str]) -> list[str]:
    bindings = {"runner": runner_id, "keep": ids_of(table, keep)}
    change = Change(verb="released", statement="release_jobs", bindings=bindings, how=RELEASE)
    rows = await changes.selected(change, surql("release_held_ids", table=quoted(table.table)))
    return [id_text(row["id"]) for row in rows]
