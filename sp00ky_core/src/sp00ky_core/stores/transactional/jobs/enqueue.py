"""Insert new jobs, each dedup key once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from operator import attrgetter

from sp00ky_core.errors import RowRefused
from sp00ky_core.job import Job, NewJob
from sp00ky_core.ports import JobTable
from sp00ky_core.stores.ids import new_keys
from sp00ky_core.stores.rows import new_row
from sp00ky_core.stores.transactional.connection.session import Is, Row, Session
from sp00ky_core.stores.transactional.rows import CHUNK, to_job
from sp00ky_core.stores.transactional.schema.definition import LIVE_STATUSES, job_table

TRIES = 3
"""How often keys are looked up again that another transaction has committed in between."""

Held = dict[tuple[str, str], Job]
"""Jobs that aren't terminal, by backend and dedup key."""


async def add(
    session: Session,
    tables: Mapping[str, JobTable],
    new_jobs: Sequence[NewJob],
    *,
    joined: bool = False,
    keys: Sequence[str] | None = None,
) -> list[Job]:
    """Insert pending jobs, all or none; a job whose key is held comes as it is.

    Args:
        session: A transaction.
        tables: By backend.
        new_jobs: Each of a backend that has a table.
        joined: The transaction is a caller's, and goes on where this fails.
        keys: Of the rows; None: new ones.

    Raises:
        RowRefused: The database refuses a row; a caller's transaction is as it was.
    """
    undoes = joined and not (len(new_jobs) == 1 and session.undoes_statements)
    undoes = undoes or any(each.dedup_key is not None for each in new_jobs)  # it costs as much as the rows
    for tries in range(TRIES):
        held = await _held(session, tables, new_jobs)
        jobs, added = _jobs(new_jobs, keys or new_keys(len(new_jobs)), held, tables, await session.now())
        try:
            async with session.savepoint() if undoes else nullcontext():
                for table, rows in added.items():
                    await session.insert(job_table(table), rows)
        except RowRefused:
            if not undoes or tries == TRIES - 1 or await _held(session, tables, new_jobs) == held:
                raise
        else:
            return jobs
    raise AssertionError("unreachable")


async def _held(session: Session, tables: Mapping[str, JobTable], new_jobs: Sequence[NewJob]) -> Held:
    held: Held = {}
    keys: dict[str, list[str]] = {}
    for each in new_jobs:
        if each.dedup_key is not None:
            keys.setdefault(each.backend, []).append(each.dedup_key)
    for backend, wanted in keys.items():
        table = tables[backend]
        for start in range(0, len(wanted), CHUNK):
            where = [Is("status", "in", LIVE_STATUSES), Is("dedup_key", "in", wanted[start : start + CHUNK])]
            for row in await session.select(job_table(table.table), where):
                held[backend, row["dedup_key"]] = to_job(table, row)
    return held


def _jobs(
    new_jobs: Sequence[NewJob],
    keys: Sequence[str],
    held: Held,
    tables: Mapping[str, JobTable],
    now: datetime,
) -> tuple[list[Job], dict[str, list[Row]]]:
    """Return every job in order, and the rows that are to be inserted, by table."""
    jobs: list[Job] = []
    added: dict[str, list[Row]] = {tables[each.backend].table: [] for each in new_jobs}
    held = dict(held)
    options = [name for name in OPTIONS if any(map(attrgetter(name), new_jobs))]
    options += ["ordering_at"] if "ordering_key" in options else []
    for new_job, key in zip(new_jobs, keys, strict=True):
        table, dedup = tables[new_job.backend].table, new_job.dedup_key
        job = None if dedup is None else held.get((new_job.backend, dedup))
        if job is None:
            job = new_row(new_job, f"{table}:{key}", now)
            added[table].append(_row(job, key, options))
            if dedup is not None:
                held[new_job.backend, dedup] = job
        jobs.append(job)
    return jobs, {table: rows for table, rows in added.items() if rows}


OPTIONS = (
    "timeout",
    "assigned_to",
    "dedup_key",
    "traceparent",
    "priority",
    "ordering_key",
    "expires_at",
)
"""Columns that are at their default in most jobs; they are left out where they are in the whole batch."""


def _row(job: Job, key: str, options: Sequence[str]) -> Row:
    row: Row = {
        "id": key,
        "path": job.path,
        "payload": job.payload_json.decode(),
        "max_retries": job.max_retries,
        "retry_strategy": job.retry_strategy,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
        "run_at": job.run_at,
    }
    for name in options:
        row[name] = getattr(job, name)
    return row
