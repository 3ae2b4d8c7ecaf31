"""Delete jobs that have ended: by age, by conditions, by id."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

import attrs

from sp00ky_core.errors import StoreError
from sp00ky_core.job.job import JobStatus
from sp00ky_core.ports import AUDIT_KEPT, JobFilter, JobTable, Spared
from sp00ky_core.stores.ids import chunks, job_id, table_of
from sp00ky_core.stores.refused_writes import Quarantine, write_around
from sp00ky_core.stores.rows import instant_of
from sp00ky_store_kit.connection.session import Is, Session, Where
from sp00ky_store_kit.rows import (
    NEWEST_FIRST,
    Tables,
    as_given,
    key_of,
    keys_by_table,
    matching,
    others_than,
)
from sp00ky_store_kit.schema import (
    AUDITS,
    LIVE_STATUSES,
    TERMINAL_STATUSES,
    job_table,
)

ENDED = Is("status", "in", TERMINAL_STATUSES)
NOT_LIVE = Is("status", "not in", LIVE_STATUSES)
"""The statuses of ``ENDED``, and that of rows whose status is none: those are deleted by their ids alone."""

KEPT_SECONDS = 3_600.0
"""After which what the database keeps, for a foreign key of a user's for one, is tried again."""

ENDED_FIRST = ("updated_at",)


@attrs.define
class Cleared:
    """Remembers up to where calls with the same conditions, one after the other, have cleared.

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


@attrs.frozen(kw_only=True)
class Deleting:
    """Deletes jobs that have ended; a row that the database keeps is left out, and holds up no other.

    Attributes:
        session: A transaction that writes.
        refused: Rows that it has kept before.
        apart: Find out which rows it keeps, and delete the others.
        cleared: How far a clear has come.
    """

    session: Session
    refused: Quarantine
    apart: bool
    cleared: Cleared = attrs.field(factory=Cleared)

    async def by_age(self, tables: Tables, limit: int, spared: Collection[Spared] = ()) -> int:
        """Delete what ended longer ago, or is more, than its table keeps; how many.

        Jobs that are ``spared`` stay. Audit entries go uncounted.
        """
        now, count = await self.session.now(), 0
        await self.session.delete(AUDITS, [Is("at", "<=", now - timedelta(seconds=AUDIT_KEPT))])
        jobs = await _jobs_of(self.session, spared)
        for table in tables:
            for status, seconds in (
                (JobStatus.SUCCESS, table.keep_success),
                (JobStatus.FAILED, table.keep_failed),
            ):
                if seconds is not None and seconds < math.inf:
                    until = now - timedelta(seconds=seconds)
                    count += await self._delete_oldest(table, status, until, limit - count, jobs)
            most = min(await _surplus(self.session, table, jobs), limit - count)
            count += await self._delete_oldest(table, JobStatus.SUCCESS, now, most, jobs)
        return count

    async def _delete_oldest(
        self, table: JobTable, status: JobStatus, until: datetime, limit: int, spared: Collection[str]
    ) -> int:
        count = 0  # in two ranges of an index
        for old in (Is("updated_at", "=", None), Is("updated_at", "<=", until)):
            first = table, [old, Is("status", "=", status)], ENDED_FIRST, limit - count
            count += (await self._delete_first(*first, spared=spared))[0]
        return count

    async def matching(self, tables: Tables, conditions: JobFilter, limit: int) -> int:
        """Delete what has ended and meets the conditions, of each table the newest first; how many."""
        count, until = 0, self.cleared.go_on(conditions)
        for since in (until, None) if until is not None else (None,):
            begin = [] if since is None else [Is("created_at", "<=", since)]
            for table, where in matching(tables, conditions) if count < limit else ():
                first = table, [*where, ENDED, *begin], NEWEST_FIRST, limit - count
                deleted, oldest = await self._delete_first(*first)
                count += deleted
                if deleted and count == limit:
                    self.cleared.conditions, self.cleared.until = conditions, instant_of(oldest)
        return count

    async def by_ids(self, tables: Mapping[str, JobTable], ids: Sequence[str]) -> dict[str, str | None]:
        """Delete those of these jobs that have ended; their ids, with what it said if it keeps one."""
        given, deleted = as_given(self.session, ids), dict[str, str | None]()
        for name, keys in keys_by_table(given, tables):
            where = [Is("id", "in", keys), NOT_LIVE]
            rows = await self.session.select(job_table(name), where, columns=["id"], lock=True)
            kept = await self._delete(name, [row["id"] for row in rows])
            for row in rows:
                problem = kept[row["id"]].problem if row["id"] in kept else None
                deleted |= dict.fromkeys(given[job_id(name, row["id"])], problem)
        return deleted

    async def _delete_first(
        self,
        table: JobTable,
        where: Sequence[Where],
        order: Sequence[str],
        limit: int,
        *,
        spared: Collection[str] = (),
    ) -> tuple[int, datetime | None]:
        """Delete the first rows under conditions, behind those that the database keeps.

        How many, and the least value that the first column of the order had, if it is known.
        """
        if limit < 1:
            return 0, None
        where = [*where, *others_than(self.refused, "deleted", table.table)]
        if not self.apart and not spared:
            return await self.session.delete_first(job_table(table.table), where, order, limit)
        count, seen = 0, {key_of(spared_id) for spared_id in spared if table_of(spared_id) == table.table}
        while count < limit:
            most = limit - count + len(seen)
            rows = await self.session.select(
                job_table(table.table), where, order=order, limit=most, columns=["id"], lock=True
            )
            keys = [row["id"] for row in rows if row["id"] not in seen][: limit - count]
            if not keys:
                break
            kept = await self._delete(table.table, keys)
            problems = {job_id(table.table, key): error for key, error in kept.items()}
            self.refused.add_all("deleted", problems, seconds=KEPT_SECONDS)
            count += len(keys) - len(kept)
            seen.update(keys)
        return count, None

    async def _delete(self, table: str, keys: Sequence[str]) -> Mapping[str, StoreError]:
        """Delete rows; return what the database keeps, and why. Unless it is ``apart``, that raises."""

        async def delete(some: Sequence[str]) -> Sequence[None]:
            async with self.session.savepoint():
                await _delete_all(self.session, table, some)
            return ()

        if self.apart:
            return (await write_around(keys, delete))[1]
        await _delete_all(self.session, table, keys)
        return {}


async def _delete_all(session: Session, table: str, keys: Sequence[str]) -> None:
    for some in chunks(keys):
        await session.delete(job_table(table), [Is("id", "in", some), NOT_LIVE])


async def _jobs_of(session: Session, spared: Collection[Spared]) -> Collection[str]:
    """Return the ids of the jobs that stand in rows of extensions."""
    ids = set[str]()
    for rows in spared:
        where = [Is(rows.column, "in", rows.values), Is(rows.job, "!=", None)]
        ids |= {row[rows.job] for row in await session.select(rows.table, where, columns=[rows.job])}
    return ids


async def _surplus(session: Session, table: JobTable, spared: Collection[str]) -> int:
    """Count the successes beyond those that the table keeps, but for those that are spared."""
    if table.max_successes is None:
        return 0
    where = [Is("status", "=", JobStatus.SUCCESS)]
    count = await session.count(job_table(table.table), where)
    for some in chunks(key_of(spared_id) for spared_id in spared if table_of(spared_id) == table.table):
        count -= await session.count(job_table(table.table), [*where, Is("id", "in", some)])
    return max(count - table.max_successes, 0)
