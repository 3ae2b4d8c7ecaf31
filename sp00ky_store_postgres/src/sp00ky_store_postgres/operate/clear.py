"""Delete ended jobs by statements with conditions; step over what can't be deleted."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from sp00ky_core.errors import RowRefused
from sp00ky_core.ports import JobFilter, JobTable
from sp00ky_core.stores.ids import job_id as id_of
from sp00ky_core.stores.isolation import write_around
from sp00ky_store_postgres.connection.executor import Row
from sp00ky_store_postgres.observe.filters import select_ended, tables_of
from sp00ky_store_postgres.part import StorePart

PAGE = 1_000
"""Rows that are looked at at once where the database refuses to delete some."""

_Place = tuple[object, object] | None
"""``created_at`` and key of the oldest row that a clear has looked at; None: it begins with the newest."""


class Clears(StorePart):
    """A part of the store: it deletes what meets conditions, newest first, so many rows for each call.

    Calls with the same conditions follow each other until nothing is left. Each goes on where the one before
    has ended: to step over what is deleted already, or can't be, would cost more each time.
    """

    _reached: tuple[str, JobFilter, _Place] | None = None  # by the last call that got all it wanted

    async def clear_matching(self, conditions: JobFilter, *, limit: int = 10_000) -> int:
        """See ``Store.clear_matching``."""
        count = 0
        for table in tables_of(conditions, self._executor.tables):
            if count < limit:
                count += await self._clear(conditions, table, limit - count)
        self._notifications.send()
        return count

    async def _clear(self, conditions: JobFilter, table: JobTable, limit: int) -> int:
        """Go on where the call before has ended; look at the newest again where that isn't enough."""
        count, place = 0, self._take_place(conditions, table)
        is_first = place is None
        while count < limit:
            step = await self._clear_after(conditions, table, place, limit - count)
            if step is not None:
                count, place = count + step[0], step[1]
            elif is_first:
                return count
            else:
                is_first, place = True, None
        self._reached = table.table, conditions, place
        return count

    def _take_place(self, conditions: JobFilter, table: JobTable) -> _Place:
        if self._reached is None or self._reached[:2] != (table.table, conditions):
            return None
        place, self._reached = self._reached[2], None
        return place

    async def _clear_after(
        self, conditions: JobFilter, table: JobTable, place: _Place, limit: int
    ) -> tuple[int, _Place] | None:
        """Delete what is older than a place; how many, and the place that has been reached; None: no more."""
        tables = self._executor.tables
        select = partial(select_ended, conditions=conditions, table=table, tables=tables, after=place)
        with suppress(RowRefused):
            rows = await select("clear_matching", limit=limit).fetch(self._executor)
            return (rows[0][0], tuple(rows[0][1:])) if rows else None
        limit = min(limit, PAGE)
        page = await select("clear_page", limit=limit).fetch(self._executor)
        if not page:
            return None
        return await self._delete(table, [row[1] for row in page]), tuple(page[-1])

    async def _delete(self, table: JobTable, keys: Sequence[object]) -> int:
        deleted, refused = await write_around(keys, partial(self._cleared, table))
        ids = {id_of(table.table, str(key)): error for key, error in refused.items()}
        self._refused.add_all("deleted", ids)
        return len(deleted)

    async def _cleared(self, table: JobTable, keys: Sequence[object]) -> list[Row]:
        return await self._executor.query("clear", keys, table=table)
