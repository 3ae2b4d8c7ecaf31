"""Write rows as they are to be, whatever they were: jobs that come from another database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sp00ky_core.job.job import Job
from sp00ky_core.ports import JobTable
from sp00ky_core.stores.ids import table_of
from sp00ky_core.stores.transactional.connection.session import Is, Row, Session
from sp00ky_core.stores.transactional.rows import changes, key_of
from sp00ky_core.stores.transactional.schema import job_table

OPTIONS = (
    *("timeout", "assigned_to", "traceparent", "priority", "ordering_key", "ordering_at", "expires_at"),
    "copied_from",
)
"""Columns that a job has from the beginning."""


async def insert_whole(session: Session, tables: Mapping[str, JobTable], jobs: Sequence[Job]) -> None:
    """Insert jobs with all that has happened to them: new rows first, as some databases take no other.

    Raises:
        RowRefused: The database refuses one.
    """
    by_table: dict[str, list[Job]] = {}
    for job in jobs:
        by_table.setdefault(tables[table_of(job.id)].table, []).append(job)
    for name, some in by_table.items():
        table = job_table(name)
        await session.insert(table, [_new(job) for job in some])
        updates = [([Is("id", "=", key_of(job.id))], _happened(job)) for job in some]
        await session.update_many(table, updates)


def _new(job: Job) -> Row:
    row: Row = {name: getattr(job, name) for name in OPTIONS}
    return row | {
        "id": key_of(job.id),
        "path": job.path,
        "payload": job.payload_json.decode(),
        "max_retries": job.max_retries,
        "retry_strategy": job.retry_strategy,
        "dedup_key": None if job.is_terminal else job.dedup_key,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "run_at": job.run_at,
    }


def _happened(job: Job) -> dict[str, Any]:
    before = Job(id=job.id, backend=job.backend, path=job.path, payload_json=b"", status=job.status)
    values = changes(before, job) | {
        name: getattr(job, name) for name in ("dedup_key", "request_id", "redacted_at")
    }
    del values["updated_at"]  # as it was inserted
    return values
