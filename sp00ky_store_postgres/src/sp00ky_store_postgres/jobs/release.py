"""Give a runner's claims back, so that other runners can take them at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sp00ky_core.errors import RowRefused
from sp00ky_core.ports import JobTable
from sp00ky_core.stores.ids import job_id as id_of
from sp00ky_core.stores.isolation import write_around
from sp00ky_store_postgres.connection.executor import Row
from sp00ky_store_postgres.ids import keys_by_table
from sp00ky_store_postgres.part import StorePart


class Releases(StorePart):
    """A part of the store: claims that a runner gives back."""

    async def release(self, runner_id: str, *, keep: Collection[str]) -> list[str]:
        """See ``Store.release``; a row that can't go back is left to its lease."""
        kept = keys_by_table(keep)
        released: list[str] = []
        for table in self._executor.tables.all:
            rows = await self._release(table, runner_id, kept.get(table.table, []))
            released += [id_of(table.table, str(row[0])) for row in rows]
        await self._announcements.pending(released)
        return released

    async def _release(self, table: JobTable, runner_id: str, kept: Sequence[str]) -> list[Row]:
        async def release(keys: Sequence[Any] | None) -> list[Row]:
            return await self._executor.query("release", runner_id, kept, keys, table=table)

        try:
            return await release(None)
        except RowRefused:
            held = await self._executor.query("held", runner_id, kept, table=table)
        rows, refused = await write_around([row[0] for row in held], release)
        self._quarantine.add_all("released", {id_of(table.table, str(key)): refused[key] for key in refused})
        return rows
