"""Delete jobs that have ended: by age, by conditions, by id."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any

import attrs

from sp00ky_core.errors import StoreError
from sp00ky_core.job.job import JobStatus
from sp00ky_core.ports import AUDIT_KEPT, JobFilter, JobTable
from sp00ky_core.stores.filters import BEGINNING
from sp00ky_core.stores.ids import job_id, table_of
from sp00ky_core.stores.isolation import Quarantine, write_around
from sp00ky_core.stores.transactional.connection.session import Is, Session, Where
from sp00ky_core.stores.transactional.jobs.due import select_up_to
from sp00ky_core.stores.transactional.rows import (
    NEWEST_FIRST,
    as_given,
    chunks,
    filters,
    key_of,
    keys_by_table,
    others_than,
)
from sp00ky_core.stores.transactional.schema import (
    AUDITS,
    LIVE_STATUSES,
    SCHEDULE_RUNS,
    TERMINAL_STATUSES,
    job_table,
)

ENDED = Is("status", "in", TERMINAL_STATUSES)
NOT_LIVE = Is("status", "not in", LIVE_STATUSES)
"""As ``ENDED``, and of rows whose status is none: those are deleted by their ids alone."""

KEPT_SECONDS = 3_600.0
"""After which what the database keeps, for a foreign key of a user's for one, is tried again."""

Ended = tuple[str, str]
"""The table and the key of a row."""

Select = Callable[[int], Awaitable[list[Ended]]]
"""Selects so many rows at most, in the order in which they are to be deleted."""


@attrs.define
class Cleared:
    """The place up to which calls with the same conditions, of which one follows the other, have cleared.

    To step over what is deleted already would cost more each time.

    Attributes:
        conditions: Of the last call that got all it wanted.
        until: When the oldest row that it has deleted was created.
    """

    conditions: JobFilter | None = None
    until: datetime | None = None

    def go_on(self, conditions: JobFilter) -> datetime | None:
        """Return where a call begins; None: at the newest."""
        until, self.until = self.until, None
        return until if conditions == self.conditions else None


class Deleting:
    """Deletes jobs that have ended; a row that the database keeps is left out, and holds up no other.

    Args:
        refused: Rows that it has kept before.
        apart: Delete each row in a savepoint of its own.
        cleared: How far a clear has come.
    """

    def __init__(self, refused: Quarantine, *, apart: bool, cleared: Cleared | None = None) -> None:
        self._refused = refused
        self._cleared = cleared or Cleared()
        self._apart = apart

    async def by_age(
        self, session: Session, tables: Sequence[JobTable], limit: int, spared: Sequence[str] = ()
    ) -> int:
        """Delete what ended longer ago, or is more, than its table keeps; how many.

        Jobs of the schedules ``spared`` stay. Audit entries go uncounted.
        """
        now, count = await session.now(), 0
        await session.delete(AUDITS, [Is("at", "<=", now - timedelta(seconds=AUDIT_KEPT))])
        jobs = await _jobs_of(session, spared)
        for table in tables:
            kept = ((JobStatus.SUCCESS, table.keep_success), (JobStatus.FAILED, table.keep_failed))
            for status, seconds in kept:
                if seconds is not None and seconds < math.inf:
                    until = now - timedelta(seconds=seconds)
                    if session.deletes_first and not self._apart and not jobs:
                        where = [Is("updated_at", "<=", until), *self._ended(table, status)]
                        first = job_table(table.table), where, ("updated_at",), limit - count
                        count += (await session.delete_first(*first))[0]
                        continue
                    oldest = partial(self._oldest, session, table, status, until, spared=jobs)
                    count += await self._delete(session, oldest, limit - count)
            surplus = await _surplus(session, table, jobs)
            oldest = partial(self._oldest, session, table, JobStatus.SUCCESS, now, spared=jobs)
            count += await self._delete(session, oldest, min(surplus, limit - count))
        return count

    def _ended(self, table: JobTable, status: JobStatus) -> list[Where]:
        return [Is("status", "=", status), *others_than(self._refused, "deleted", table.table)]

    async def _oldest(
        self,
        session: Session,
        table: JobTable,
        status: JobStatus,
        until: datetime,
        limit: int,
        *,
        spared: Collection[str],
    ) -> list[Ended]:
        where = self._ended(table, status)
        options: dict[str, Any] = {"order": ("updated_at", "id"), "columns": ["id"]}
        most = limit + len(spared)
        rows = await select_up_to(session, table, where, "updated_at", until, limit=most, **options)
        keys = (row["id"] for row in rows if job_id(table.table, row["id"]) not in spared)
        return [(table.table, key) for key in islice(keys, limit)]

    async def matching(
        self, session: Session, tables: Sequence[JobTable], conditions: JobFilter, limit: int
    ) -> int:
        """Delete what has ended and meets the conditions, newest first; how many."""
        if session.deletes_first and not self._apart:
            count, until = 0, self._cleared.go_on(conditions)
            for since in (until, None) if until is not None else (None,):
                for table in tables if count < limit else ():
                    count += await self._delete_newest(session, table, conditions, since, limit - count)
            return count
        return await self._delete(session, partial(self._newest, session, tables, conditions), limit)

    async def _delete_newest(
        self,
        session: Session,
        table: JobTable,
        conditions: JobFilter,
        until: datetime | None,
        limit: int,
    ) -> int:
        where = filters(conditions, table) if limit > 0 else None
        if where is None:
            return 0
        where += [ENDED, *others_than(self._refused, "deleted", table.table)]
        where += [] if until is None else [Is("created_at", "<=", until)]
        count, oldest = await session.delete_first(job_table(table.table), where, NEWEST_FIRST, limit)
        if count == limit:
            self._cleared.conditions, self._cleared.until = conditions, oldest
        return count

    async def _newest(
        self, session: Session, tables: Sequence[JobTable], conditions: JobFilter, limit: int
    ) -> list[Ended]:
        found: list[tuple[datetime, str, str]] = []
        for table in tables:
            where = filters(conditions, table)
            if where is not None:
                where += [ENDED, *others_than(self._refused, "deleted", table.table)]
                rows = await session.select(
                    job_table(table.table),
                    where,
                    order=NEWEST_FIRST,
                    limit=limit,
                    columns=["id", "created_at"],
                    lock=True,
                )
                found += [(row["created_at"] or BEGINNING, row["id"], table.table) for row in rows]
        found.sort(reverse=True)
        return [(name, key) for _, key, name in found[:limit]]

    async def by_ids(
        self, session: Session, tables: Mapping[str, JobTable], ids: Sequence[str]
    ) -> dict[str, str | None]:
        """Delete those of these jobs that have ended; their ids, with what it said if it keeps one."""
        given, rows = as_given(session, ids), list[Ended]()
        for name, keys in keys_by_table(given, tables):
            where = [Is("id", "in", keys), NOT_LIVE]
            ended = await session.select(job_table(name), where, columns=["id"], lock=True)
            rows += [(name, row["id"]) for row in ended]
        refused = await self._delete_around(session, rows) if self._apart else {}
        if not self._apart:
            await self._delete_all(session, rows)
        problems = {row: error.problem for row, error in refused.items()}
        return {each: problems.get(row) for row in rows for each in given[job_id(*row)]}

    async def _delete(self, session: Session, select: Select, limit: int) -> int:
        """Delete the first rows of a selection, behind those that the database keeps; how many."""
        rows = await select(limit)
        if not self._apart:
            return await self._delete_all(session, rows)
        count, seen = 0, set[Ended]()
        while rows := [each for each in rows if each not in seen][: limit - count]:
            refused = await self._delete_around(session, rows)
            self._refused.add_all(
                "deleted", {job_id(*row): refused[row] for row in refused}, seconds=KEPT_SECONDS
            )
            count += len(rows) - len(refused)
            seen.update(refused)
            rows = await select(limit - count + len(seen))  # some may be found again
        return count

    async def _delete_around(self, session: Session, rows: Sequence[Ended]) -> Mapping[Ended, StoreError]:
        """Delete what the database doesn't keep; return what it keeps, and why."""

        async def write(some: Sequence[Ended]) -> Sequence[int]:
            async with session.savepoint():
                return [await self._delete_all(session, some)]

        return (await write_around(rows, write))[1]

    async def _delete_all(self, session: Session, rows: Sequence[Ended]) -> int:
        count = 0
        for table in {name for name, _ in rows}:
            for some in chunks(key for name, key in rows if name == table):
                count += await session.delete(job_table(table), [Is("id", "in", some), NOT_LIVE])
        return count


async def _jobs_of(session: Session, schedules: Sequence[str]) -> Collection[str]:
    """Return the ids of the jobs that runs of these schedules have made."""
    where = [Is("schedule", "in", tuple(schedules)), Is("job_id", "!=", None)]
    rows = await session.select(SCHEDULE_RUNS, where, columns=["job_id"]) if schedules else ()
    return {row["job_id"] for row in rows}


async def _surplus(session: Session, table: JobTable, spared: Collection[str]) -> int:
    """Count the successes beyond those that the table keeps, but for those that are spared."""
    if table.max_successes is None:
        return 0
    where = [Is("status", "=", JobStatus.SUCCESS)]
    count = await session.count(job_table(table.table), where)
    for some in chunks(key_of(each) for each in spared if table_of(each) == table.table):
        count -= await session.count(job_table(table.table), [*where, Is("id", "in", some)])
    return max(count - table.max_successes, 0)
