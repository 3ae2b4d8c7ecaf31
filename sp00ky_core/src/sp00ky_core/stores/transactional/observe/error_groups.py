"""Group jobs that have failed, or wait after a failed attempt, by their last error."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from heapq import nsmallest
from typing import Any

import attrs

from sp00ky_core.job.job import JobStatus
from sp00ky_core.ports import ErrorGroup, JobTable
from sp00ky_core.stores.filters import BEGINNING
from sp00ky_core.stores.ids import job_id
from sp00ky_core.stores.rows import instant_of
from sp00ky_core.stores.transactional.connection.session import Either, Is, Row, Session, Where, Work
from sp00ky_core.stores.transactional.schema.definition import job_table

PAGE = 2_000
"""Rows that are read in one transaction."""

COLUMNS = ("id", "path", "last_error_name", "last_error_code", "updated_at")
LAST_FAILED = Is("last_error_name", "!=", None)

Read = Callable[[Work[list[Row]]], Awaitable[list[Row]]]


async def error_groups(
    read: Read, tables: Sequence[JobTable], since: datetime | None, limit: int
) -> list[ErrorGroup]:
    """Read such rows page by page, and count them.

    Args:
        read: Does work in a transaction that reads; each page has its own, so that claims aren't held up.
        tables: All of the store's.
        since: Only what was changed then or later.
        limit: How many groups, the largest.
    """
    groups: dict[tuple[str, str, str, int], ErrorGroup] = {}
    for table in tables:
        async for row in _rows(read, table, since):
            one = _group_of(table, row)
            key = (one.backend, one.path, one.name, one.code)
            groups[key] = _joined(groups[key], one) if key in groups else one
    return [groups[key] for key in nsmallest(limit, groups, key=lambda key: (-groups[key].count, key))]


async def _rows(read: Read, table: JobTable, since: datetime | None) -> AsyncIterator[Row]:
    for status in (JobStatus.FAILED, JobStatus.PENDING):
        wanted = [Is("status", "=", status), LAST_FAILED]
        dated = Is("updated_at", "!=", None) if since is None else Is("updated_at", ">=", since)
        undated = [] if since is not None else [Is("updated_at", "=", None)]
        for each in (dated, *undated):
            page: list[Row] = await read(partial(_page, table=table, where=[*wanted, each]))
            while page:
                for row in page:
                    yield row
                where = [*wanted, *_after(page[-1])]
                page = [] if len(page) < PAGE else await read(partial(_page, table=table, where=where))


async def _page(session: Session, table: JobTable, where: Sequence[Where]) -> list[Row]:
    return await session.select(
        job_table(table.table), where, order=("updated_at", "id"), limit=PAGE, columns=COLUMNS
    )


def _after(row: Row) -> list[Where]:
    at, later_id = row["updated_at"], Is("id", ">", row["id"])
    if at is None:
        return [Is("updated_at", "=", None), later_id]
    return [Is("updated_at", ">=", at), Either((Is("updated_at", ">", at), later_id))]  # a range of the index


def _group_of(table: JobTable, row: Row) -> ErrorGroup:
    code: Any = row["last_error_code"]
    at = instant_of(row["updated_at"]) or BEGINNING
    return ErrorGroup(
        backend=table.backend,
        path=str(row["path"]),
        name=str(row["last_error_name"]),
        code=code if isinstance(code, int) else 0,
        count=1,
        first=at,
        last=at,
        example=job_id(table.table, row["id"]),
    )


def _joined(group: ErrorGroup, one: ErrorGroup) -> ErrorGroup:
    latest = max(group, one, key=lambda each: (each.last, each.example))
    return attrs.evolve(
        latest,
        count=group.count + one.count,
        first=min(group.first, one.first),
    )
