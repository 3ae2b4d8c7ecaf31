"""Delete jobs that have ended: by age, by conditions, by id."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sp00ky_core.errors import RowRefused
from sp00ky_core.job import TERMINAL, JobStatus
from sp00ky_core.ports import AUDIT_KEPT, JobFilter, JobTable
from sp00ky_core.stores.filters import BEGINNING
from sp00ky_core.stores.ids import job_id
from sp00ky_core.stores.isolation import Quarantine
from sp00ky_core.stores.transactional.connection.session import Is, Session
from sp00ky_core.stores.transactional.jobs.due import select_up_to
from sp00ky_core.stores.transactional.observe.filters import NEWEST_FIRST, filters
from sp00ky_core.stores.transactional.rows import chunks, guard_of, load_rows, others_than, to_job
from sp00ky_core.stores.transactional.schema.definition import AUDITS, TERMINAL_STATUSES, job_table

ENDED = Is("status", "in", TERMINAL_STATUSES)

Ended = tuple[str, str]
"""The table and the key of a row."""

Select = Callable[[int], Awaitable[list[Ended]]]
"""Selects so many rows at most, in the order in which they are to be deleted."""


class Deleting:
    """Deletes jobs that have ended; a row that the database keeps is left out, and holds up no other.

    Args:
        refused: Rows that it has kept before.
        apart: Delete each row in a savepoint of its own.
    """

    def __init__(self, refused: Quarantine, *, apart: bool) -> None:
        self._refused = refused
        self._apart = apart

    async def by_age(self, session: Session, tables: Sequence[JobTable], limit: int) -> int:
        """Delete what ended longer ago than its table keeps it; how many. Audit entries go uncounted."""
        now, count = await session.now(), 0
        await session.delete(AUDITS, [Is("at", "<=", now - timedelta(seconds=AUDIT_KEPT))])
        for table in tables:
            kept = ((JobStatus.SUCCESS, table.keep_success), (JobStatus.FAILED, table.keep_failed))
            for status, seconds in kept:
                if seconds is not None and seconds < math.inf:
                    until = now - timedelta(seconds=seconds)
                    oldest = partial(self._oldest, session, table, status, until)
                    count += await self._delete(session, oldest, limit - count)
        return count

    async def _oldest(
        self, session: Session, table: JobTable, status: JobStatus, until: datetime, limit: int
    ) -> list[Ended]:
        where = [Is("status", "=", status), *others_than(self._refused, "deleted", table.table)]
        options: dict[str, Any] = {"limit": limit, "columns": ["id"]}
        rows = await select_up_to(session, table, where, "updated_at", until, **options)
        return [(table.table, row["id"]) for row in rows]

    async def matching(
        self, session: Session, tables: Sequence[JobTable], conditions: JobFilter, limit: int
    ) -> int:
        """Delete what has ended and meets the conditions, newest first; how many."""
        return await self._delete(session, partial(self._newest, session, tables, conditions), limit)

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
                )
                found += [(row["created_at"] or BEGINNING, row["id"], table.table) for row in rows]
        found.sort(reverse=True)
        return [(name, key) for _, key, name in found[:limit]]

    async def by_ids(
        self, session: Session, tables: Mapping[str, JobTable], ids: Sequence[str]
    ) -> dict[str, str | None]:
        """Delete those of these jobs that have ended; their ids, with what it said if it keeps one."""
        fates: dict[str, str | None] = {}
        for each, (table, row) in (await load_rows(session, tables, ids)).items():
            if to_job(table, row).status in TERMINAL:
                try:
                    await self._delete_row(session, table, guard_of(row))
                except RowRefused as error:
                    if not self._apart:
                        raise
                    fates[each] = error.problem
                else:
                    fates[each] = None
        return fates

    async def _delete(self, session: Session, select: Select, limit: int) -> int:
        """Delete the first rows of a selection, behind those that the database keeps; how many."""
        rows = await select(limit)
        if not self._apart:
            return await self._delete_all(session, rows)
        count, kept = 0, set[Ended]()
        while rows := [each for each in rows if each not in kept][: limit - count]:
            refused = [each for each in rows if not await self._is_deleted(session, *each)]
            count += len(rows) - len(refused)
            kept.update(refused)
            rows = await select(limit - count + len(kept))  # some may be found again
        return count

    async def _delete_all(self, session: Session, rows: Sequence[Ended]) -> int:
        count = 0
        for table in {name for name, _ in rows}:
            for some in chunks(key for name, key in rows if name == table):
                count += await session.delete(job_table(table), [Is("id", "in", some), ENDED])
        return count

    async def _is_deleted(self, session: Session, table: str, key: str) -> bool:
        try:
            async with session.savepoint():
                return await session.delete(job_table(table), [Is("id", "=", key), ENDED]) > 0
        except RowRefused as error:
            self._refused.add("deleted", [job_id(table, key)], error.problem)
            return False

    async def _delete_row(self, session: Session, table: JobTable, where: Sequence[Is]) -> int:
        if not self._apart:
            return await session.delete(job_table(table.table), where)
        async with session.savepoint():
            return await session.delete(job_table(table.table), where)
