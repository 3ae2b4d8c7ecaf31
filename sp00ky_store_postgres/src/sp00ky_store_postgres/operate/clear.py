"""Delete ended jobs by statements with conditions; step over what can't be deleted."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import attrs

from sp00ky_core.errors import RowRefused
from sp00ky_core.ports import JobFilter, JobTable
from sp00ky_core.stores.ids import job_id as id_of
from sp00ky_core.stores.isolation import Quarantine, write_around
from sp00ky_store_postgres.connection.executor import Executor, Row
from sp00ky_store_postgres.connection.workload import Workload
from sp00ky_store_postgres.observe.filters import select_ended, tables_of
from sp00ky_store_postgres.schema.tables import Tables
from sp00ky_store_postgres.sql.loader import fill, read_sql

__all__ = ["Clears"]

PAGE = 1_000
"""Rows that are looked at at once where the database refuses to delete some."""

FORGET = 60.0
"""Seconds after which a clear begins with the newest again, those that couldn't be deleted among them."""

MOST = 100
"""Places that are remembered at most."""


@attrs.frozen
class _Place:
    """The oldest row that a clear has looked at; what is newer can't be deleted, or is gone."""

    created_at: datetime
    key: str
    at: float  # monotonic: when that was
    kept: bool  # whether rows before it can't be deleted


def _place(row: Sequence[Any], *, kept: bool = False) -> _Place:
    return _Place(row[0], str(row[1]), time.monotonic(), kept)


class Clears:
    """Deletes what meets conditions, newest first, at most so many rows for each call.

    Calls with the same conditions follow each other until nothing is left. Each goes on where the one before
    has ended: to step over what is deleted already would cost more each time.
    """

    def __init__(self, executor: Executor, tables: Tables, quarantine: Quarantine) -> None:
        self._executor = executor
        self._tables = tables
        self._quarantine = quarantine
        self._places: dict[tuple[str, JobFilter], _Place] = {}

    async def clear(self, conditions: JobFilter, limit: int) -> int:
        """See ``Store.clear_matching``."""
        count = 0
        for table in tables_of(conditions, self._tables):
            if count < limit:
                count += await self._clear(conditions, table, limit - count)
        return count

    async def _clear(self, conditions: JobFilter, table: JobTable, limit: int) -> int:
        """Go on where the call before has ended; look at the newest again where that isn't enough."""
        count, place = 0, self._places.pop((table.table, conditions), None)
        if place is not None and time.monotonic() - place.at <= FORGET:
            count, place = await self._clear_after(conditions, table, place, limit)
        if count < limit and (place is None or not place.kept):
            more, place = await self._clear_after(conditions, table, None, limit - count)
            count += more
        if count >= limit and place is not None and len(self._places) < MOST:
            self._places[table.table, conditions] = place
        return count

    async def _clear_after(
        self, conditions: JobFilter, table: JobTable, place: _Place | None, limit: int
    ) -> tuple[int, _Place | None]:
        """Delete what is older than a place; how many, and the place that has been reached."""
        if place is None or not place.kept:
            with suppress(RowRefused):
                rows = await self._run("clear_matching", conditions, table, place, limit)
                return (rows[0][0], _place(rows[0][1:])) if rows else (0, place)
        return await self._clear_around(conditions, table, place, limit)

    async def _clear_around(
        self, conditions: JobFilter, table: JobTable, place: _Place | None, limit: int
    ) -> tuple[int, _Place | None]:
        """Delete page by page, past what can't be deleted."""
        count = 0
        while count < limit:
            page = await self._run("clear_page", conditions, table, place, min(limit - count, PAGE))
            if not page:
                break
            count += await self._delete(table, [str(row[1]) for row in page])
            place = _place(page[-1], kept=True)
        return count, place

    async def _delete(self, table: JobTable, keys: list[str]) -> int:
        statement = fill(read_sql("clear"), table=self._tables.name(table))
        rows, refused = await write_around(
            keys, lambda some: self._executor.fetch(Workload.REST, statement, some)
        )
        self._quarantine.add_all("deleted", {id_of(table.table, key): refused[key] for key in refused})
        return len(rows)

    async def _run(
        self, name: str, conditions: JobFilter, table: JobTable, place: _Place | None, limit: int
    ) -> list[Row]:
        after = None if place is None else (place.created_at, place.key)
        chosen = select_ended(name, conditions, table, self._tables, after=after, limit=limit)
        return await self._executor.fetch(Workload.REST, chosen.statement, *chosen.arguments)
