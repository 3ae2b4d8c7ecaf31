"""Delete ended jobs when they are old; step over what the database keeps."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import attrs

from sp00ky_core.errors import RowRefused
from sp00ky_core.job import JobStatus
from sp00ky_core.ports import JobTable
from sp00ky_core.stores.filters import BEGINNING
from sp00ky_core.stores.ids import job_id as id_of
from sp00ky_core.stores.isolation import write_around
from sp00ky_store_postgres.connection.executor import Row
from sp00ky_store_postgres.operate.audit import Audits
from sp00ky_store_postgres.sql.loader import fill, literal, read_sql

KEEP_SUCCESS, KEEP_FAILED = 6 * 3_600.0, 14 * 86_400.0
"""Seconds that jobs are kept after they ended, where the configuration says nothing."""

FIRST_KEY = UUID(int=0)

Query = Callable[..., Awaitable[list[Row]]]

Until = tuple[Any, ...]
"""When the last row that is to be deleted was updated, and its key."""

START_OVER = 3_600.0
"""Seconds after which what the database keeps, for a foreign key of a user's for one, is tried again."""


@attrs.frozen(kw_only=True)
class _Place:
    """The place up to which rows of a table and status have been looked at: what lies before it is kept."""

    at: datetime = BEGINNING
    key: UUID = FIRST_KEY
    since: float = math.inf  # monotonic: when the first of those was kept


class Retention(Audits):
    """A part of the store: it deletes jobs that ended long ago, and old entries of the audit."""

    _places: dict[tuple[str, JobStatus], _Place]

    async def prune(self, *, limit: int = 1_000, spared: Collection[str] = ()) -> int:
        """See ``Store.prune``."""
        count = 0
        for table in self._executor.tables.delivered:
            for status, kept, default, most in (
                (JobStatus.SUCCESS, table.keep_success, KEEP_SUCCESS, table.max_successes),
                (JobStatus.FAILED, table.keep_failed, KEEP_FAILED, None),
            ):
                seconds = default if kept is None else kept
                if count < limit and (seconds < math.inf or most is not None):
                    query = self._pruning(table, status, spared)
                    until = await query("prune_until", seconds if seconds < math.inf else None, most)
                    if until:
                        count += await self._prune(query, (table, status), tuple(until[0]), limit - count)
        await self._prune_audit()
        return count

    def _pruning(self, table: JobTable, status: JobStatus, spared: Collection[str]) -> Query:
        """Return what runs a prune's statements, which leave out jobs of the schedules ``spared``."""
        run, prefix = self._executor.tables.schedule_run, literal(f"{table.table}:")
        parts = {"schedule_run": run, "schedules": _texts(spared), "prefix": prefix}
        unspared = fill(read_sql("prune_unspared"), **parts) if spared else "TRUE"
        return partial(self._executor.query, table=table, status=literal(status.value), unspared=unspared)

    async def _prune(self, query: Query, what: tuple[JobTable, JobStatus], until: Until, limit: int) -> int:
        """Delete what can be, of the oldest; where some can't, the next prune begins after those."""
        table, status = what
        place = self._place(table, status)
        with suppress(RowRefused):
            return int((await query("prune", *until, limit, place.at, place.key))[0][0])
        found = await query("old", *until, limit, place.at, place.key)
        deleted, refused = await write_around(
            [row[0] for row in found], lambda keys: query("prune_these", *until, keys)
        )
        if refused:
            key, at = found[-1]
            since = min(place.since, time.monotonic())
            self._places[table.table, status] = _Place(at=at, key=key, since=since)
        ids = {id_of(table.table, str(key)): error for key, error in refused.items()}
        self._refused.add_all("deleted", ids)
        return len(deleted)

    def _place(self, table: JobTable, status: JobStatus) -> _Place:
        place = self._places.get((table.table, status), _Place())
        return _Place() if time.monotonic() - place.since >= START_OVER else place


def _texts(names: Collection[str]) -> str:
    """Write names as an array; a parameter would have another number in each statement."""
    return f"ARRAY[{', '.join(map(literal, sorted(names)))}]"
