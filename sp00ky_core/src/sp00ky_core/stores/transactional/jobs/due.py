"""Select jobs that are due: a higher priority first, then the oldest due; a range of an index for each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sp00ky_core.job import JobStatus
from sp00ky_core.ports import JobTable
from sp00ky_core.stores.filters import BEGINNING
from sp00ky_core.stores.rows import instant_of, priority_of
from sp00ky_core.stores.transactional.connection.session import NO_LENGTHS, Is, Row, Session, Where
from sp00ky_core.stores.transactional.jobs.ordering import next_head
from sp00ky_core.stores.transactional.observe.filters import UNORDERED, leased, overdue
from sp00ky_core.stores.transactional.schema.definition import job_table

__all__ = ["next_due"]

MOST_PRIORITIES = 8
"""So many values have a range of their own; a client may have written any number."""


async def select_due(
    session: Session,
    table: JobTable,
    where: Sequence[Where],
    now: datetime,
    *,
    limit: int,
    columns: Sequence[str] | None = None,
    longest: Mapping[str, int] = NO_LENGTHS,
    lock: bool = False,
    latest: bool = False,
) -> list[Row]:
    """Select pending rows without a key that are due, the first to be claimed first.

    ``latest``: those that became due last instead, up to the limit of each priority.
    """
    rows: list[Row] = []
    options: dict[str, Any] = {
        "order": ("-run_at", "-id") if latest else ("run_at", "id"),
        "columns": columns,
        "longest": longest,
        "lock": lock,
    }
    for ranges in await priority_ranges(session, table):
        left, found = limit if latest else limit - len(rows), list[Row]()
        for each in ranges if left > 0 else ():
            conditions = [*UNORDERED, *where, each]
            found += await select_up_to(session, table, conditions, "run_at", now, limit=left, **options)
        rows += (sorted(found, key=rank) if len(ranges) > 1 else found)[:left]
    return rows


async def select_up_to(
    session: Session,
    table: JobTable,
    where: Sequence[Where],
    column: str,
    until: datetime,
    *,
    limit: int,
    order: Sequence[str] = (),
    columns: Sequence[str] | None = None,
    longest: Mapping[str, int] = NO_LENGTHS,
    lock: bool = True,
) -> list[Row]:
    """Select rows whose instant is missing, then those up to an instant: two ranges of one index."""
    rows: list[Row] = []
    for condition in (Is(column, "=", None), Is(column, "<=", until)):
        if len(rows) < limit:
            rows += await session.select(
                job_table(table.table),
                [*where, condition],
                order=order or (column,),
                limit=limit - len(rows),
                columns=columns,
                longest=longest,
                lock=lock,
            )
    return rows


def rank(row: Row) -> tuple[int, datetime, str]:
    """Return the key that sorts rows in the order in which they are claimed."""
    return -priority_of(row["priority"]), instant_of(row["run_at"]) or BEGINNING, row["id"]


def unleased(table: JobTable, now: datetime) -> list[Where]:
    """Return the conditions of pending rows that count for no request, where those in flight are counted."""
    return [] if table.max_in_flight is None else [overdue(table, now)]


async def priority_ranges(session: Session, table: JobTable) -> list[list[Is]]:
    """List the priorities of pending rows without a key, highest first, each as its ranges of the index.

    Values that are no priority, and a missing one, count as 0.
    """
    ranges: dict[int, list[Is]] = {}
    for each in await _present(session, table):
        priority = priority_of(each.value) if each.operator == "=" else 0
        ranges.setdefault(priority, []).append(each)
    return [ranges[priority] for priority in sorted(ranges, reverse=True)]


async def _present(session: Session, table: JobTable) -> list[Is]:
    """Look up which values there are, from both ends of the index, as nearly always there is but one."""
    lowest, highest = [await _first(session, table, (), end) for end in ("priority", "-priority")]
    if not lowest or not highest:
        return []
    found = [Is("priority", "=", highest[0])]
    while (value := found[-1].value) != lowest[0] and value is not None:
        lower = Is("priority", "<", value)
        if len(found) >= MOST_PRIORITIES:
            return [*found, lower, Is("priority", "=", None)]
        below = await _first(session, table, [lower], "-priority")
        found.append(Is("priority", "=", below[0] if below else None))
    return found


async def _first(session: Session, table: JobTable, where: Sequence[Is], order: str) -> list[Any]:
    """Return the first priority in an order, which may be None; an empty list: there is no row."""
    rows = await session.select(
        job_table(table.table), [*UNORDERED, *where], order=(order,), limit=1, columns=["priority"]
    )
    return [row["priority"] for row in rows]


async def next_due(session: Session, tables: Collection[JobTable]) -> datetime | None:
    """Return when the next pending job is due, now where it says nothing; None: there is none."""
    found = [await next_without_key(session, tables)]
    found += [await next_head(session, table, await session.now()) for table in tables]
    return min((each for each in found if each is not None), default=None)


async def next_without_key(session: Session, tables: Collection[JobTable]) -> datetime | None:
    """Return the same of jobs without a key."""
    found: list[datetime] = []
    for table in tables:
        now = await session.now()
        where = [*UNORDERED, *unleased(table, now)]
        for ranges in await priority_ranges(session, table):
            for each in ranges:
                found += await _earliest(session, table, [*where, each])
        if table.max_in_flight is not None:
            found += await _ends_of_leases(session, table, now)
    return min(found, default=None)


async def _ends_of_leases(session: Session, table: JobTable, now: datetime) -> list[datetime]:
    """Return from when on the jobs that ``unleased`` leaves out may be claimed."""
    rows = await session.select(
        job_table(table.table),
        leased(table, now),  # these alone, so that their own index answers
        order=("lease_until",),
        columns=["status", "ordering_key", "run_at", "lease_until"],
    )
    return [
        max(row["lease_until"], row["run_at"] or BEGINNING)
        for row in rows
        if row["status"] == JobStatus.PENDING and row["ordering_key"] is None
    ]


async def _earliest(session: Session, table: JobTable, where: Sequence[Where]) -> list[datetime]:
    for condition in (Is("run_at", "=", None), Is("run_at", "!=", None)):  # two ranges of the index
        rows = await session.select(
            job_table(table.table), [*where, condition], order=("run_at", "id"), limit=1, columns=["run_at"]
        )
        if rows:
            return [rows[0]["run_at"] or await session.now()]
    return []
