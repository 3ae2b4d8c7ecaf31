"""Find and count jobs, put a queue into numbers, group errors, and sum attempts up."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from heapq import nlargest, nsmallest
from typing import Any, Unpack

import attrs

from sp00ky_core.errors import JobNotFound
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.ports import (
    ALL_JOBS,
    GROUPED,
    MINUTES_KEPT,
    ROLLUPS_KEPT,
    BackendStats,
    BreakerStats,
    ErrorGroup,
    GroupBy,
    JobFilter,
    JobGroup,
    JobQuery,
    JobTable,
    Rollup,
    RollupQuery,
)
from sp00ky_core.ports.statistics import coarse_buckets, fine_buckets, hour_of, joined_errors, summed
from sp00ky_core.stores.decisions import BEGINNING, age_of
from sp00ky_core.stores.ids import job_id, table_of
from sp00ky_core.stores.rows import instant_of
from sp00ky_store_kit.breakers_and_pauses import pause_of, read_breakers, read_controls
from sp00ky_store_kit.connection.session import (
    Either,
    Is,
    ReadOptions,
    Row,
    Session,
    Where,
    Work,
    beyond,
)
from sp00ky_store_kit.jobs.due import priority_ranges
from sp00ky_store_kit.rows import (
    LISTED,
    NEWEST_FIRST,
    OLDEST_FIRST,
    ORDERED,
    PENDING,
    PROCESSING,
    UNORDERED,
    JobRows,
    Tables,
    key_of,
    load_rows,
    matching,
    rows_of,
    select_jobs,
    to_job,
)
from sp00ky_store_kit.schema import ROLLUPS, job_table

__all__ = ["find", "fold_rollups", "gate_states", "load", "prune_rollups", "read_rollups", "write_rollups"]


async def find(
    session: Session, tables: Tables, query: JobQuery, after: Job | None, *, oldest_first: bool = False
) -> list[Job]:
    """Return jobs, newest first or the other way round, those of the page after a job."""
    jobs: list[Job] = []
    order, first = (OLDEST_FIRST, nsmallest) if oldest_first else (NEWEST_FIRST, nlargest)
    for table, where in matching(tables, query):
        if after is not None:
            row, own = {"created_at": after.created_at, "id": key_of(after.id)}, table_of(after.id)
            ties = table.table != own and (table.table > own) is oldest_first
            where.extend(beyond(row, order if table.table == own else order[:1], ties=ties))
        jobs += await select_jobs(session, table, where, order=order, limit=query.limit, longest=LISTED)
    return first(query.limit, jobs, key=age_of)


async def ids_by_age(
    session: Session, tables: Tables, query: JobQuery, latest: int | None = None
) -> list[str]:
    """Return the ids of all matching jobs, or of the latest so many, the oldest first."""
    ids: list[tuple[datetime, str]] = []
    order = () if latest is None else NEWEST_FIRST
    for table, where in matching(tables, query):
        columns = ["id", "created_at"]
        rows = await session.select(job_table(table.table), where, order=order, limit=latest, columns=columns)
        ids += [(row["created_at"] or BEGINNING, job_id(table.table, row["id"])) for row in rows]
    ids.sort()
    return [each_id for _, each_id in (ids if latest is None else ids[max(len(ids) - latest, 0) :])]


async def ids_starting_with(session: Session, tables: Tables, prefix: str, *, limit: int = 2) -> list[str]:
    """Return ids of one table whose key starts so."""
    table, start = table_of(prefix), key_of(prefix)
    if table not in {known.table for known in tables}:
        return []
    where, columns = session.beginning_with(start), ["id"]
    rows = await session.select(job_table(table), where, order=("id",), limit=limit, columns=columns)
    return [job_id(table, row["id"]) for row in rows]


async def load(
    session: Session, tables: Mapping[str, JobTable], ids: Sequence[str], **options: Unpack[ReadOptions]
) -> list[Job]:
    """Return the jobs of these ids that exist, in the order of the ids."""
    rows = await load_rows(session, tables, ids, **options)
    return [to_job(*rows[each_id]) for each_id in dict.fromkeys(ids) if each_id in rows]


async def one(session: Session, tables: Mapping[str, JobTable], job_id: str) -> Job:
    """Return one job. Raises ``JobNotFound``."""
    for job in await load(session, tables, [session.canonical(job_id)]):
        return job
    raise JobNotFound(job_id=job_id)


async def count(session: Session, tables: Tables, conditions: JobFilter) -> int:
    """Count the jobs that meet the conditions."""
    parts = matching(tables, conditions)
    return sum([await session.count(job_table(table.table), where) for table, where in parts])


PENDING_WITH_KEY = (*ORDERED, Is("status", "!=", JobStatus.PROCESSING))


async def stats(session: Session, tables: Tables, *, limit: int | None = None) -> Mapping[str, BackendStats]:
    """Return each backend's numbers; what is larger than ``limit`` is said to be so large."""
    rows, states = await rows_of(session, tables), await gate_states(session, tables)
    return {
        stored.table.backend: attrs.evolve(await _stats(stored, limit), **states[stored.table.backend])
        for stored in rows
    }


async def gate_states(session: Session, tables: Tables) -> dict[str, dict[str, Any]]:
    """Return each backend's breaker and pause, as its numbers have them."""
    now = await session.now()
    breakers, controls = await read_breakers(session, tables, now), await read_controls(session, tables)
    return {
        table.backend: {
            "breaker": BreakerStats.of(table, breakers.get(table.backend)),
            "paused": pause_of(controls.get(table.backend, {}), now),
        }
        for table in tables
    }


async def _stats(stored: JobRows, limit: int | None) -> BackendStats:
    async def count(*where: Where) -> int:
        if limit is None:
            return await stored.count(*where)
        return len(await stored.select(where, limit=limit, columns=["id"]))

    counts = {status: await count(Is("status", "=", status)) for status in JobStatus}
    waiting = [[*UNORDERED, priority] for ranges in await priority_ranges(stored) for priority in ranges]
    waiting.append([*PENDING_WITH_KEY])
    dues = [await count(*of, run_at) for of in waiting for run_at in stored.due()]
    deferred: list[Where] = [PENDING, Is("deferred_since", "!=", None)]
    return BackendStats(
        pending=counts[JobStatus.PENDING],
        processing=counts[JobStatus.PROCESSING],
        success=counts[JobStatus.SUCCESS],
        failed=counts[JobStatus.FAILED],
        due=sum(dues) if limit is None else min(sum(dues), limit),
        stalled=await count(PROCESSING, stored.overdue()),
        deferred=await count(*deferred),
        oldest_deferred_s=await _oldest(stored, deferred, "deferred_since"),
        oldest_due_s=await _oldest_due(stored, waiting),
    )


async def _oldest_due(stored: JobRows, waiting: Sequence[Sequence[Where]]) -> float | None:
    missing, past = stored.due()
    ages = [
        await _oldest(stored, [*of, condition], column)
        for of in waiting
        for condition, column in ((missing, "created_at"), (past, "run_at"))
    ]
    return max((age for age in ages if age is not None), default=None)


async def _oldest(stored: JobRows, where: Sequence[Where], column: str) -> float | None:
    """Return the seconds since the earliest instant in a column; 0 where the row has none."""
    rows, now = await stored.select(where, order=(column,), limit=1, columns=[column]), stored.now
    return max((now - (rows[0][column] or now)).total_seconds(), 0.0) if rows else None


async def job_groups(
    session: Session, tables: Tables, by: GroupBy, *, conditions: JobFilter = ALL_JOBS, limit: int = 20
) -> list[JobGroup]:
    """Count jobs by status in the largest groups."""
    groups: list[JobGroup] = []
    for table, where in matching(tables, conditions):
        groups += await _groups_of(session, table, where, by, limit)
    return nlargest(limit, groups, key=lambda group: group.count)


async def _groups_of(
    session: Session, table: JobTable, where: Sequence[Where], by: GroupBy, limit: int
) -> list[JobGroup]:
    """Count the largest groups of a table first: there may be as many groups as jobs."""
    stored, column = job_table(table.table), GROUPED[by]
    largest = [row[column] for row, _ in await session.tally(stored, [column], where, limit=limit)]
    named = tuple(value for value in largest if value is not None)
    within = Either((Is(column, "in", named), *([Is(column, "=", None)] if None in largest else ())))
    counts: dict[str | None, dict[str, int]] = {value: {} for value in largest}
    for row, count in await session.tally(stored, [column, "status"], [*where, within]) if largest else ():
        if row["status"] in set(JobStatus):
            counts.setdefault(row[column], {})[row["status"]] = count
    return [
        JobGroup(
            backend=table.backend,
            path=(value or "") if by == "route" else "",
            assigned_to=value if by == "assigned" else None,
            **numbers,
        )
        for value, numbers in counts.items()
    ]


PAGE = 2_000
"""Rows that are read in one transaction."""

COLUMNS = ("id", "path", "assigned_to", "last_error_name", "last_error_code", "updated_at")
LAST_FAILED = Is("last_error_name", "!=", None)
CHANGED = ("updated_at", "id")

Read = Callable[[Work[list[Row]]], Awaitable[list[Row]]]


async def error_groups(
    read: Read, tables: Tables, *, since: datetime | None, limit: int, conditions: JobFilter, by: GroupBy
) -> list[ErrorGroup]:
    """Group the rows by their last error; they are read page by page.

    Args:
        read: Does work in a transaction that reads; each page has its own, so that claims aren't held up.
        tables: All of the store's.
        since: Only what was changed then or later.
        limit: How many groups, the largest.
        conditions: Only those that meet them.
        by: What else the groups have in common.
    """
    groups: list[ErrorGroup] = []
    for table, where in matching(tables, conditions):
        async for page in _pages(read, table, where, since):
            groups = joined_errors([*groups, *(_group_of(table, row, by) for row in page)])
    return groups[:limit]


async def _pages(
    read: Read, table: JobTable, where: Sequence[Where], since: datetime | None
) -> AsyncIterator[list[Row]]:
    for status in (JobStatus.FAILED, JobStatus.PENDING):
        wanted = [Is("status", "=", status), LAST_FAILED, *where]
        wanted += [] if since is None else [Is("updated_at", ">=", since)]
        page: list[Row] = await read(partial(_page, table=table, where=wanted))
        while page:
            yield page
            later = [*wanted, *beyond(page[-1], CHANGED)]
            page = [] if len(page) < PAGE else await read(partial(_page, table=table, where=later))


async def _page(session: Session, table: JobTable, where: Sequence[Where]) -> list[Row]:
    return await session.select(job_table(table.table), where, order=CHANGED, limit=PAGE, columns=COLUMNS)


def _group_of(table: JobTable, row: Row, by: GroupBy) -> ErrorGroup:
    code: Any = row["last_error_code"]
    at = instant_of(row["updated_at"]) or BEGINNING
    return ErrorGroup(
        backend=table.backend,
        path=str(row["path"]) if by == "route" else "",
        assigned_to=row["assigned_to"] if by == "assigned" else None,
        name=str(row["last_error_name"]),
        code=code if isinstance(code, int) else 0,
        count=1,
        first=at,
        last=at,
        example=job_id(table.table, row["id"]),
    )


async def write_rollups(session: Session, rollups: Sequence[Rollup]) -> datetime:
    """Write rows, each in the place of one with its key; return the time."""
    await session.put(ROLLUPS, [_row(rollup) for rollup in rollups])
    return await session.now()


async def read_rollups(session: Session, query: RollupQuery) -> list[Rollup]:
    """Sum up rows as a query says."""
    where: list[Where] = [Is("minute", ">=", query.since)]
    where += [] if query.until is None else [Is("minute", "<", query.until)]
    where += [] if query.backend is None else [Is("backend", "=", query.backend)]
    return summed(map(_rollup, await session.select(ROLLUPS, where)), query)


async def fold_rollups(session: Session, *, limit: int = 10_000) -> int:
    """Fold old minutes to hours, and delete what is older still; how many minutes.

    Of two that add to one hour at once one would be lost: while another transaction folds, there is nothing
    to do.
    """
    await prune_rollups(session, limit=limit)
    if not await session.alone(ROLLUPS):
        return 0
    before = hour_of(await session.now() - timedelta(seconds=MINUTES_KEPT))
    minutes: list[Where] = [Is("minute", "<", before), Is("runner_id", "!=", "")]
    rows = await session.select(ROLLUPS, minutes, order=ROLLUPS.key, limit=limit, lock=True)
    taken = await session.take(ROLLUPS, rows)
    await _fold(session, [_rollup(row) for row in taken])
    return len(taken)


async def prune_rollups(session: Session, *, limit: int) -> None:
    """Delete rows that are older than any is kept."""
    old: list[Where] = [Is("minute", "<", await session.now() - timedelta(seconds=ROLLUPS_KEPT))]
    rows = await session.select(ROLLUPS, old, limit=limit, columns=ROLLUPS.key, lock=True)
    await session.take(ROLLUPS, rows)


async def _fold(session: Session, minutes: Sequence[Rollup]) -> None:
    """Add minutes that this transaction has deleted, which no other can have, to those of their hours."""
    hours = RollupQuery(since=datetime.min, step=3_600, routes=True)
    for hour in summed(minutes, hours):
        there = [_rollup(row) for row in await session.select(ROLLUPS, _same(hour))]
        await write_rollups(session, summed([hour, *there], hours))


def _same(rollup: Rollup) -> Sequence[Where]:
    return [Is(name, "=", getattr(rollup, name)) for name in ROLLUPS.key]


def _row(rollup: Rollup) -> Row:
    buckets = {"buckets": json.dumps(coarse_buckets(rollup.buckets)), "fine": json.dumps(rollup.buckets)}
    names = (column.name for column in ROLLUPS.columns if column.name not in buckets)
    return {**{name: getattr(rollup, name) for name in names}, **buckets}


def _rollup(row: Row) -> Rollup:
    """Read a row; one of 0.2 has coarse buckets alone."""
    known = {name: value for name, value in row.items() if name not in {"buckets", "fine"}}
    buckets = json.loads(row["fine"]) if row["fine"] else fine_buckets(json.loads(row["buckets"]))
    return Rollup(**known, buckets=tuple(buckets))
