"""Delete ended jobs when they are old; step over what the database keeps."""

from __future__ import annotations

import math
import time
from contextlib import suppress
from datetime import datetime
from functools import partial
from uuid import UUID

import attrs

from sp00ky_core.errors import RowRefused
from sp00ky_core.job import JobStatus
from sp00ky_core.ports import JobTable
from sp00ky_core.stores.filters import BEGINNING
from sp00ky_core.stores.ids import job_id as id_of
from sp00ky_core.stores.isolation import write_around
from sp00ky_store_postgres.operate.audit import Audits
from sp00ky_store_postgres.sql.loader import literal

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
    since: float = math.inf  # monotonic: when the first of those was kept


class Retention(Audits):
    """A part of the store: it deletes jobs that ended long ago, and old entries of the audit."""

    _places: dict[tuple[str, JobStatus], _Place]

    async def prune(self, *, limit: int = 1_000) -> int:
        """See ``Store.prune``."""
        count = 0
        for table in self._executor.tables.all:
            for status, kept, default in (
                (JobStatus.SUCCESS, table.keep_success, KEEP_SUCCESS),
                (JobStatus.FAILED, table.keep_failed, KEEP_FAILED),
            ):
                seconds = default if kept is None else kept
                if count < limit and seconds < math.inf:
                    count += await self._prune(table, status, seconds, limit - count)
        await self._prune_audit()
        return count

    async def _prune(self, table: JobTable, status: JobStatus, seconds: float, limit: int) -> int:
        """Delete what can be, of the oldest; where some can't, the next prune begins after those."""
        query = partial(self._executor.query, table=table, status=literal(status.value))
        place = self._place(table, status)
        with suppress(RowRefused):
            return int((await query("prune", seconds, limit, place.at, place.key))[0][0])
        found = await query("old", seconds, limit, place.at, place.key)
        deleted, refused = await write_around(
            [row[0] for row in found], lambda keys: query("prune_these", seconds, keys)
        )
        if refused:
            key, at = found[-1]
            since = min(place.since, time.monotonic())
            self._places[table.table, status] = _Place(at=at, key=key, since=since)
        ids = {id_of(table.table, str(key)): error for key, error in refused.items()}
        self._quarantine.add_all("deleted", ids)
        return len(deleted)

    def _place(self, table: JobTable, status: JobStatus) -> _Place:
        place = self._places.get((table.table, status), _Place())
        return _Place() if time.monotonic() - place.since >= START_OVER else place
