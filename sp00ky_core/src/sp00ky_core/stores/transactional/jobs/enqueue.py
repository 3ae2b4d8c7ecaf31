"""Insert new jobs, each dedup key once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import compress
from operator import attrgetter

from sp00ky_core.errors import RowRefused
from sp00ky_core.job.job import Job, NewJob
from sp00ky_core.ports import JobTable
from sp00ky_core.stores.ids import new_key, new_keys
from sp00ky_core.stores.rows import new_row
from sp00ky_core.stores.transactional.connection.session import Is, Row, Session
from sp00ky_core.stores.transactional.rows import CHUNK, claimed_lengths, select_jobs
from sp00ky_core.stores.transactional.schema import LIVE_STATUSES, job_table

TRIES = 3
"""How often keys are looked up again that another transaction has committed in between."""

LiveJobs = dict[tuple[str, str], Job]
"""Jobs that aren't terminal, by backend and dedup key."""


async def add(
    session: Session,
    tables: Mapping[str, JobTable],
    new_jobs: Sequence[NewJob],
    *,
    joined: bool = False,
    keys: Sequence[str] | None = None,
) -> list[Job]:
    """Insert pending jobs, all or none; where a live job has the dedup key, that one is returned.

    Args:
        session: A transaction.
        tables: By backend.
        new_jobs: Each of a backend that has a table.
        joined: The transaction is a caller's, and goes on where this fails.
        keys: Of the rows; None: new ones.

    Raises:
        RowRefused: The database refuses a row; a caller's transaction is as it was.
    """
    if len(new_jobs) == 1 and new_jobs[0].dedup_key is None and (not joined or session.undoes_statements):
        return [await _add_one(session, tables, new_jobs[0], keys)]
    if not joined and all(job.dedup_key is None for job in new_jobs):
        return await _insert(session, tables, new_jobs, keys, {})  # a savepoint costs as much as the rows
    for tries in range(TRIES):
        live = await _live_jobs(session, tables, new_jobs, lock=joined and tries > 0)
        try:
            async with session.savepoint():
                return await _insert(session, tables, new_jobs, keys, live)
        except RowRefused:
            if tries == TRIES - 1 or await _live_jobs(session, tables, new_jobs, lock=joined) == live:
                raise
    raise AssertionError("unreachable")


async def _add_one(
    session: Session, tables: Mapping[str, JobTable], new_job: NewJob, keys: Sequence[str] | None
) -> Job:
    """Insert one job, which is nearly every call: without what only several need."""
    table, key = tables[new_job.backend].table, keys[0] if keys else new_key()
    job = new_row(new_job, f"{table}:{key}", await session.now())
    await session.insert(job_table(table), [row_of(job, key, _options_given([new_job]))])
    return job


async def _insert(
    session: Session,
    tables: Mapping[str, JobTable],
    new_jobs: Sequence[NewJob],
    keys: Sequence[str] | None,
    live: LiveJobs,
) -> list[Job]:
    jobs, added = _jobs(new_jobs, keys or new_keys(len(new_jobs)), live, tables, await session.now())
    for table, rows in added.items():
        await session.insert(job_table(table), rows)
    return jobs


async def _live_jobs(
    session: Session, tables: Mapping[str, JobTable], new_jobs: Sequence[NewJob], *, lock: bool
) -> LiveJobs:
    """Find the live jobs of these keys; a caller's transaction may need a lock to see what others did."""
    live: LiveJobs = {}
    keys: dict[str, list[str]] = {}
    for new_job in new_jobs:
        if new_job.dedup_key is not None:
            keys.setdefault(new_job.backend, []).append(new_job.dedup_key)
    for backend, wanted in keys.items():
        table = tables[backend]
        for start in range(0, len(wanted), CHUNK):
            where = [Is("status", "in", LIVE_STATUSES), Is("dedup_key", "in", wanted[start : start + CHUNK])]
            for job in await select_jobs(session, table, where, longest=claimed_lengths(table), lock=lock):
                live[backend, str(job.dedup_key)] = job
    return live


def _jobs(
    new_jobs: Sequence[NewJob],
    keys: Sequence[str],
    live: LiveJobs,
    tables: Mapping[str, JobTable],
    now: datetime,
) -> tuple[list[Job], dict[str, list[Row]]]:
    """Return every job in order, and the rows that are to be inserted, by table."""
    jobs: list[Job] = []
    added: dict[str, list[Row]] = {}
    live = dict(live)
    options = _options_given(new_jobs)
    for new_job, key in zip(new_jobs, keys, strict=True):
        table, dedup = tables[new_job.backend].table, new_job.dedup_key
        job = None if dedup is None else live.get((new_job.backend, dedup))
        if job is None:
            job = new_row(new_job, f"{table}:{key}", now)
            added.setdefault(table, []).append(row_of(job, key, options))
            if dedup is not None:
                live[new_job.backend, dedup] = job
        jobs.append(job)
    return jobs, added


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

_options_of = attrgetter(*OPTIONS)


def _options_given(new_jobs: Sequence[NewJob]) -> list[str]:
    """Name the columns that some job needs; mostly none does."""
    given = list(map(_options_of, new_jobs))
    if not any(map(any, given)):
        return []
    options = list(compress(OPTIONS, map(any, zip(*given, strict=True))))
    return [*options, "ordering_at"] if "ordering_key" in options else options


def row_of(job: Job, key: str, options: Sequence[str]) -> Row:
    """Return the row of a job to which nothing has happened."""
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
