"""Delete ended jobs when they are old or an operator says so; step over what the database keeps."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import attrs

from sp00ky_core.errors import RowRefused
from sp00ky_core.job import JobStatus
from sp00ky_core.ports import JobTable
from sp00ky_core.stores.filters import BEGINNING
from sp00ky_core.stores.ids import job_id as id_of
from sp00ky_core.stores.isolation import Quarantine, write_around
from sp00ky_store_postgres.connection.executor import Executor, Row
from sp00ky_store_postgres.connection.workload import Workload
from sp00ky_store_postgres.ids import keys_by_table
from sp00ky_store_postgres.schema.tables import Tables
from sp00ky_store_postgres.sql.loader import fill, literal, read_sql

__all__ = ["Retention", "KEEP_SUCCESS", "KEEP_FAILED"]

KEEP_SUCCESS, KEEP_FAILED = 6 * 3_600.0, 14 * 86_400.0
"""Seconds that jobs are kept after they ended, where the configuration says nothing."""

FIRST_KEY = UUID(int=0)

START_OVER = 3_600.0
"""Seconds after which what the database keeps, for a foreign key of a user's for one, is tried again."""


@attrs.frozen(kw_only=True)
class _Place:
    """The place up to which rows of a table and status have been looked at: what lies before it is kept."""

    at: datetime = BEGINNING
    key: UUID = FIRST_KEY
    since: float | None = None  # when the first of those was kept


@attrs.frozen(kw_only=True)
class _Old:
    """Rows of a status that ended so long ago."""

    table: JobTable
    status: JobStatus
    seconds: float


class Retention:
    """Deletes jobs."""

    def __init__(self, executor: Executor, tables: Tables, quarantine: Quarantine) -> None:
        self._executor = executor
        self._tables = tables
        self._quarantine = quarantine
        self._places: dict[tuple[str, JobStatus], _Place] = {}

    async def prune(self, limit: int) -> int:
        """See ``Store.prune``."""
        count = 0
        for table in self._tables.all:
            for status, kept, default in (
                (JobStatus.SUCCESS, table.keep_success, KEEP_SUCCESS),
                (JobStatus.FAILED, table.keep_failed, KEEP_FAILED),
            ):
                if count < limit:
                    old = _Old(table=table, status=status, seconds=default if kept is None else kept)
                    count += await self._prune(old, limit - count)
        return count

    async def _prune(self, old: _Old, limit: int) -> int:
        place = self._place(old)
        try:
            rows = await self._fetch("prune", old, limit, place.at, place.key)
        except RowRefused:
            return await self._prune_around(old, limit, place)
        return int(rows[0][0])

    async def _prune_around(self, old: _Old, limit: int, place: _Place) -> int:
        """Delete what can be, of the oldest; the next prune begins after those."""
        found = await self._fetch("old", old, limit, place.at, place.key)
        deleted, refused = await write_around(
            [row[0] for row in found], lambda keys: self._fetch("prune_these", old, keys)
        )
        if refused:
            key, at = found[-1]
            since = time.monotonic() if place.since is None else place.since
            self._places[old.table.table, old.status] = _Place(at=at, key=key, since=since)
        self._quarantine.add_all(
            "deleted", {id_of(old.table.table, str(key)): refused[key] for key in refused}
        )
        return len(deleted)

    def _place(self, old: _Old) -> _Place:
        place = self._places.get((old.table.table, old.status), _Place())
        is_over = place.since is not None and time.monotonic() - place.since >= START_OVER
        return _Place() if is_over else place

    async def _fetch(self, name: str, old: _Old, *arguments: object) -> list[Row]:
        names = {"table": self._tables.name(old.table), "status": literal(old.status.value)}
        statement = fill(read_sql(name), **names)
        return await self._executor.fetch(Workload.REST, statement, old.seconds, *arguments)

    async def delete_ended(self, job_ids: Sequence[str]) -> dict[str, str | None]:
        """Delete those of these jobs that have ended; their ids, with what kept one that is kept."""
        results: dict[str, str | None] = {}
        for name, keys in keys_by_table(job_ids).items():
            table = self._tables.by_name.get(name)
            if table is not None:
                results |= await self._delete(table, keys)
        return results

    async def _delete(self, table: JobTable, keys: Sequence[str]) -> dict[str, str | None]:
        statement = fill(read_sql("clear"), table=self._tables.name(table))
        rows, refused = await write_around(
            keys, lambda some: self._executor.fetch(Workload.REST, statement, some)
        )
        kept = {id_of(table.table, key): error.problem for key, error in refused.items()}
        return {id_of(table.table, str(row[0])): None for row in rows} | kept
