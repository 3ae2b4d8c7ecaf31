"""Delete jobs that have ended: by age, by conditions, by id."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
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
                if seconds is not None and seconds < math.inf and count < limit:
                    where = [Is("status", "=", status), *others_than(self._refused, "deleted", table.table)]
                    until = now - timedelta(seconds=seconds)
                    rows = await select_up_to(
                        session, table, where, "updated_at", until, limit=limit - count, columns=["id"]
                    )
                    count += await self._delete(session, table, [row["id"] for row in rows])
        return count

    async def matching(
        self, session: Session, tables: Sequence[JobTable], conditions: JobFilter, limit: int
    ) -> int:
        """Delete what has ended and meets the conditions, newest first; how many."""
        found: list[tuple[Any, str, JobTable]] = []
        for table in tables:
            where = filters(conditions, table)
            if where is not None:
                where += [
                    Is("status", "in", TERMINAL_STATUSES),
                    *others_than(self._refused, "deleted", table.table),
                ]
                rows = await session.select(
                    job_table(table.table),
                    where,
                    order=NEWEST_FIRST,
                    limit=limit,
                    columns=["id", "created_at"],
                )
                found += [(row["created_at"] or BEGINNING, row["id"], table) for row in rows]
        found.sort(key=lambda each: each[:2], reverse=True)
        count = 0
        for table in tables:
            keys = [key for _, key, of in found[:limit] if of is table]
            count += await self._delete(session, table, keys)
        return count

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

    async def _delete(self, session: Session, table: JobTable, keys: Sequence[str]) -> int:
        ended, count = Is("status", "in", TERMINAL_STATUSES), 0
        if not self._apart:
            for some in chunks(keys):
                count += await session.delete(job_table(table.table), [Is("id", "in", some), ended])
            return count
        for key in keys:
            try:
                count += await self._delete_row(session, table, [Is("id", "=", key), ended])
            except RowRefused as error:
                self._refused.add("deleted", [job_id(table.table, key)], error.problem)
        return count

    async def _delete_row(self, session: Session, table: JobTable, where: Sequence[Is]) -> int:
        if not self._apart:
            return await session.delete(job_table(table.table), where)
        async with session.savepoint():
            return await session.delete(job_table(table.table), where)
