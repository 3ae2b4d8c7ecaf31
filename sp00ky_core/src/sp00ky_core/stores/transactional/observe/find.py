"""Find and count jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from heapq import nlargest

from sp00ky_core.errors import JobNotFound
from sp00ky_core.job import Job
from sp00ky_core.ports import JobFilter, JobQuery, JobTable
from sp00ky_core.stores.filters import BEGINNING, age_of
from sp00ky_core.stores.ids import job_id, table_of
from sp00ky_core.stores.transactional.connection.session import NO_LENGTHS, Both, Either, Is, Session, Where
from sp00ky_core.stores.transactional.observe.filters import NEWEST_FIRST, filters
from sp00ky_core.stores.transactional.rows import LISTED, key_of, load_rows, to_job
from sp00ky_core.stores.transactional.schema.definition import job_table


async def find(session: Session, tables: Sequence[JobTable], query: JobQuery, after: Job | None) -> list[Job]:
    """Return jobs, newest first, those of the page after a job."""
    found: list[Job] = []
    for table in tables:
        where = filters(query, table)
        if where is not None:
            if after is not None:
                where.append(_older_than(after, table.table))
            rows = await session.select(
                job_table(table.table), where, order=NEWEST_FIRST, limit=query.limit, longest=LISTED
            )
            found += [to_job(table, row) for row in rows]
    return nlargest(query.limit, found, key=age_of)


def _older_than(job: Job, table: str) -> Where:
    """Write the condition that a row comes after a job: by ``created_at``, then by its id."""
    own = table_of(job.id)
    same_age: list[Where] = [Is("created_at", "=", job.created_at)]
    if table == own:
        same_age.append(Is("id", "<", key_of(job.id)))
    elif f"{table}:" > f"{own}:":
        same_age.append(Is("id", "in", ()))
    if job.created_at is None:
        return Both(tuple(same_age))
    older = (Is("created_at", "<", job.created_at), Is("created_at", "=", None))
    return Either((*older, Both(tuple(same_age))))


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
    for job in await load(session, tables, [job_id]):
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
