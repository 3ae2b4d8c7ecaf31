"""Insert new jobs, each dedup key once; write jobs as they are to be, whatever they were."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import compress
from operator import attrgetter
from typing import Any

import attrs

from sp00ky_core.errors import RowRefused
from sp00ky_core.job.job import Job, JobStatus, NewJob
from sp00ky_core.ports import JobTable, KeyedJob
from sp00ky_core.stores.ids import chunks, job_id, new_key, new_keys, table_of
from sp00ky_core.stores.rows import new_row
from sp00ky_store_kit.connection.session import Either, Is, Row, Session, Where
from sp00ky_store_kit.rows import (
    changes,
    claimed_lengths,
    errors_text,
    key_of,
    select_jobs,
)
from sp00ky_store_kit.schema import LIVE_STATUSES, job_table

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


async def insert_keyed(
    session: Session,
    tables: Mapping[str, JobTable],
    jobs: Sequence[KeyedJob],
    location: str,
    *,
    joined: bool = False,
) -> Sequence[Job]:
    """Insert jobs under their keys, all or none; in order, those that are there already as they are."""
    keys = [f"{job.prefix}{job.key.hex}" for job in jobs]
    named = {key: job.job for key, job in zip(keys, jobs, strict=True)}
    stored = dict[str, Job]()
    for table in {tables[job.job.backend] for job in jobs}:
        for some in chunks(key for key, job in named.items() if tables[job.backend] is table):
            for found in await select_jobs(session, table, [Is("id", "in", some)]):
                stored[key_of(found.id)] = found
    new = [key for key in named if key not in stored]
    added = await add(session, tables, [named[key] for key in new], joined=joined, keys=new) if new else []
    stored |= zip(new, added, strict=True)
    return [job.refuse_other(stored[key], location) for job, key in zip(jobs, keys, strict=True)]


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
    """Insert the jobs whose dedup key no live one has; return every job, in order."""
    jobs, added = list[Job](), dict[str, list[Row]]()
    live, now, options = dict(live), await session.now(), _options_given(new_jobs)
    for new_job, key in zip(new_jobs, keys or new_keys(len(new_jobs)), strict=True):
        table, dedup = tables[new_job.backend].table, new_job.dedup_key
        job = None if dedup is None else live.get((new_job.backend, dedup))
        if job is None:
            job = new_row(new_job, f"{table}:{key}", now)
            added.setdefault(table, []).append(row_of(job, key, options))
            if dedup is not None:
                live[new_job.backend, dedup] = job
        jobs.append(job)
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
        for some in chunks(wanted):
            where = [Is("status", "in", LIVE_STATUSES), Is("dedup_key", "in", some)]
            for job in await select_jobs(session, table, where, longest=claimed_lengths(table), lock=lock):
                live[backend, str(job.dedup_key)] = job
    return live


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


FROM_THE_BEGINNING = (
    *("timeout", "assigned_to", "traceparent", "priority", "ordering_key", "ordering_at", "expires_at"),
    "copied_from",
)
"""Columns that a job has from the beginning."""

WRITTEN = ("dedup_key", "request_id", "redacted_at", "claimed_max_retries", "claimed_at")
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


def _created(job: Job, now: datetime) -> Job:
    ordering_at = None if job.ordering_key is None else now
    return attrs.evolve(job, created_at=now, updated_at=now, run_at=now, ordering_at=ordering_at)


def _new(job: Job) -> Row:
    dedup_key = None if job.is_terminal else job.dedup_key
    return {**row_of(job, key_of(job.id), FROM_THE_BEGINNING), "dedup_key": dedup_key}


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
