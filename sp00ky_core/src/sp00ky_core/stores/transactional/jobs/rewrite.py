"""Write rows as they are to be, whatever they were: jobs from another database, copies, what is redacted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs

from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.ports import JobTable
from sp00ky_core.stores.ids import job_id, table_of
from sp00ky_core.stores.transactional.connection.session import Either, Is, Row, Session, Where
from sp00ky_core.stores.transactional.jobs.enqueue import row_of
from sp00ky_core.stores.transactional.rows import changes, chunks, errors_text, key_of
from sp00ky_core.stores.transactional.schema import SCHEDULE_RUNS, job_table

OPTIONS = (
    *("timeout", "assigned_to", "traceparent", "priority", "ordering_key", "ordering_at", "expires_at"),
    "copied_from",
)
"""Columns that a job has from the beginning."""

WRITTEN = ("dedup_key", "request_id", "redacted_at")
"""Columns that something has written since, beside those of a transition."""


async def insert_whole(session: Session, tables: Mapping[str, JobTable], jobs: Sequence[Job]) -> None:
    """Insert jobs with all that has happened to them: new rows first, as some databases take no other.

    Raises:
        RowRefused: The database refuses one.
    """
    now, by_table = await session.now(), dict[str, list[Job]]()
    for job in (job if job.created_at else _created(job, now) for job in jobs):
        by_table.setdefault(tables[table_of(job.id)].table, []).append(job)
    for name, some in by_table.items():
        table = job_table(name)
        await session.insert(table, [_new(job) for job in some])
        happened = [(job, _happened(job)) for job in some]
        updates = [([Is("id", "=", key_of(job.id))], values) for job, values in happened if values]
        await session.update_many(table, updates)


async def redact(session: Session, tables: Mapping[str, JobTable], jobs: Sequence[Job]) -> Collection[str]:
    """Write what is left of jobs that have ended; the ids of those that were.

    Raises:
        RowRefused: The database refuses one.
    """
    now, written = await session.now(), list[str]()
    for job in jobs:
        table = job_table(tables[table_of(job.id)].table)
        if await session.update(table, _guard(job), {**_left(job), "redacted_at": now}):
            written.append(job.id)
    return written


def _guard(job: Job) -> list[Where]:
    epoch = Is("lease_epoch", "=", job.lease_epoch)
    same = epoch if job.lease_epoch else Either((Is("lease_epoch", "=", None), epoch))
    return [Is("id", "=", key_of(job.id)), Is("status", "=", job.status), same]


def _left(job: Job) -> dict[str, Any]:
    return {
        "payload": job.payload_json.decode(),
        "result": None if job.result_json is None else job.result_json.decode(),
        "errors": errors_text(job.errors),
        "dedup_key": job.dedup_key,
        "ordering_key": job.ordering_key,
        "assigned_to": job.assigned_to,
        "lease_epoch": job.lease_epoch + 1,
    }


async def copies_of(session: Session, tables: Iterable[JobTable], job_ids: Collection[str]) -> list[str]:
    """List the ids of the jobs that are copies of these."""
    copies = list[str]()
    for table in tables:
        for some in chunks(job_ids):
            where = [Is("copied_from", "in", some)]
            rows = await session.select(job_table(table.table), where, columns=["id"])
            copies += [job_id(table.table, row["id"]) for row in rows]
    return copies


async def forget_runs(session: Session, job_ids: Collection[str]) -> int:
    """Delete the runs that have made these jobs; how many."""
    return sum([await session.delete(SCHEDULE_RUNS, [Is("job_id", "in", some)]) for some in chunks(job_ids)])


def _created(job: Job, now: datetime) -> Job:
    ordering_at = None if job.ordering_key is None else now
    return attrs.evolve(job, created_at=now, updated_at=now, run_at=now, ordering_at=ordering_at)


def _new(job: Job) -> Row:
    dedup_key = None if job.is_terminal else job.dedup_key
    return {**row_of(job, key_of(job.id), OPTIONS), "dedup_key": dedup_key}


def _happened(job: Job) -> dict[str, Any]:
    """Return what isn't as in a new row."""
    new = Job(id=job.id, backend=job.backend, path=job.path, payload_json=b"", status=JobStatus.PENDING)
    values = changes(new, job) | {name: getattr(job, name) for name in WRITTEN}
    kept = {"updated_at", "run_at", "priority"} | ({"dedup_key"} if not job.is_terminal else set())
    return {
        name: value
        for name, value in values.items()
        if name not in kept and value != getattr(new, name, None)
    }
