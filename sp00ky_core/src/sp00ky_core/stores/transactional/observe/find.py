"""Find and count jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from heapq import nlargest, nsmallest
from typing import Literal

from sp00ky_core.errors import JobNotFound
from sp00ky_core.job.job import Job
from sp00ky_core.ports import JobFilter, JobQuery, JobTable
from sp00ky_core.stores.filters import BEGINNING, age_of
from sp00ky_core.stores.ids import job_id, table_of
from sp00ky_core.stores.transactional.connection.session import NO_LENGTHS, Both, Either, Is, Session, Where
from sp00ky_core.stores.transactional.observe.filters import NEWEST_FIRST, OLDEST_FIRST, filters
from sp00ky_core.stores.transactional.rows import LISTED, key_of, load_rows, to_job
from sp00ky_core.stores.transactional.schema.definition import job_table

__all__ = ["find", "load"]


async def find(
    session: Session,
    tables: Sequence[JobTable],
    query: JobQuery,
    after: Job | None,
    *,
    oldest_first: bool = False,
) -> list[Job]:
    """Return jobs, newest first or the other way round, those of the page after a job."""
    found: list[Job] = []
    order, first = (OLDEST_FIRST, nsmallest) if oldest_first else (NEWEST_FIRST, nlargest)
    for table in tables:
        where = filters(query, table)
        if where is not None:
            if after is not None:
                where += _beyond(after, table.table, ">" if oldest_first else "<")
            rows = await session.select(
                job_table(table.table), where, order=order, limit=query.limit, longest=LISTED
            )
            found += [to_job(table, row) for row in rows]
    return first(query.limit, found, key=age_of)


def _beyond(job: Job, table: str, past: Literal["<", ">"]) -> list[Where]:
    """Write the condition that a row comes after a job: by ``created_at``, then by its id."""
    own, at = table_of(job.id), job.created_at
    same_age: list[Where] = [Is("created_at", "=", at)]
    if table == own:
        same_age.append(Is("id", past, key_of(job.id)))
    elif (table > own) is (past == "<"):
        same_age.append(Is("id", "in", ()))
    if at is None:
        return same_age if past == "<" else [Either((Both(tuple(same_age)), Is("created_at", "!=", None)))]
    undated = [Is("created_at", "=", None)] if past == "<" else []
    within = Is("created_at", "<=" if past == "<" else ">=", at)  # a range of the index
    return [
        Either((within, *undated)),
        Either((Is("created_at", past, at), *undated, Both(tuple(same_age)))),
    ]


async def ids_by_age(
    session: Session, tables: Sequence[JobTable], query: JobQuery, latest: int | None = None
) -> list[str]:
    """Return the ids of all matching jobs, or of the latest so many, the oldest first."""
    found: list[tuple[datetime, str]] = []
    for table in tables:
        where = filters(query, table)
        if where is not None:
            rows = await session.select(
                job_table(table.table),
                where,
                order=() if latest is None else NEWEST_FIRST,
                limit=latest,
                columns=["id", "created_at"],
            )
            found += [(row["created_at"] or BEGINNING, job_id(table.table, row["id"])) for row in rows]
    found.sort()
    return [each for _, each in (found if latest is None else found[max(len(found) - latest, 0) :])]


async def ids_starting_with(session: Session, table: str, start: str, limit: int) -> list[str]:
    """Return ids of one table whose key starts so."""
    where = [Is("id", ">=", start), Is("id", "<", f"{start}\U0010ffff")]
    rows = await session.select(job_table(table), where, order=("id",), limit=limit, columns=["id"])
    return [job_id(table, row["id"]) for row in rows]


async def load(
    session: Session,
    tables: Mapping[str, JobTable],
    ids: Sequence[str],
    *,
    longest: Mapping[str, int] = NO_LENGTHS,
) -> list[Job]:
    """Return the jobs of these ids that exist, in the order of the ids."""
    found = await load_rows(session, tables, ids, longest=longest)
    return [to_job(*found[each]) for each in dict.fromkeys(ids) if each in found]


async def one(session: Session, tables: Mapping[str, JobTable], job_id: str) -> Job:
    """Return one job. Raises ``JobNotFound``."""
    for job in await load(session, tables, [session.canonical(job_id)]):
        return job
    raise JobNotFound(job_id=job_id)


async def count(session: Session, tables: Sequence[JobTable], conditions: JobFilter) -> int:
    """Count the jobs that meet the conditions."""
    total = 0
    for table in tables:
        where = filters(conditions, table)
        if where is not None:
            total += await session.count(job_table(table.table), where)
    return total
