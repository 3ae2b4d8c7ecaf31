"""Load rows as jobs, in one go where that works, with care where a value can't be put in a reply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import attrs
from surrealdb import RecordID

from sp00ky_core.errors import StoreError
from sp00ky_core.job import Job
from sp00ky_core.ports import JobTable
from sp00ky_core.stores.isolation import bisect
from sp00ky_store_surreal.connection.executor import Connection
from sp00ky_store_surreal.errors import NO_ROWS_FAULT, may_be_a_rows, reason_of
from sp00ky_store_surreal.rows import job_from
from sp00ky_store_surreal.surql.loader import NUL, surql

COLUMNS = (
    *("id", "path", "payload", "status", "retries", "max_retries", "retry_strategy"),
    *("created_at", "run_at", "lease_epoch", "rare"),
    *("lease_until", "updated_at", "runner_id", "errors", "result"),
)
"""The names of ``fragments/job_columns.surql``, and what ``load_jobs.surql`` adds; a claim gives the first.

Rows come as lists, cheaper to decode.
"""

RARE = (
    *("timeout", "assigned_to", "dedup_key", "priority", "ordering_key", "ordering_at", "expires_at"),
    *("traceparent", "deferred_since"),
)
"""The names of ``fragments/job_columns_rare.surql``."""

_SPELT = (str, int, UUID)
"""Keys that have the same text here and there."""

_ERRORS = surql("fragments/errors_made_fit").strip()


async def load(connection: Connection, table: JobTable, ids: Sequence[RecordID]) -> list[Job]:
    """Load the rows of these ids that exist, whole."""
    if not ids:
        return []
    try:
        reply = await connection.read(surql("load_jobs", n="0"), ids0=list(ids), **NUL)
    except NO_ROWS_FAULT:
        raise
    except StoreError:
        return await load_safely(connection, table, ids)
    return await jobs_in(connection, table, reply[-1], {})


async def jobs_in(connection: Connection, table: JobTable, reply: Any, given: Mapping[str, Any]) -> list[Job]:
    """Read a reply of ``fragments/reply_rows_if_fit.surql``; load again the rows that need care.

    ``given``: what all rows hold that the reply doesn't say of each.
    """
    if isinstance(reply, Mapping):
        return await load_safely(connection, table, reply["unsafe"])
    rows = [_row_of(values, given) for values in reply]
    odd = [row["id"] for row in rows if _needs_care(row)]
    careful = {job.id: job for job in await load_safely(connection, table, odd)} if odd else {}
    jobs = (job_from(row, table) for row in rows)
    return [careful.get(job.id, job) for job in jobs]


def _row_of(values: Sequence[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    row = {**given, **dict(zip(COLUMNS, values, strict=False))}
    rare = row.pop("rare")
    return row if rare is None else row | dict(zip(RARE, rare, strict=True))


async def jobs_of(connection: Connection, table: JobTable, rows: Sequence[Mapping[str, Any]]) -> list[Job]:
    """Read a shared claim's rows; load again those that need care."""
    sound: list[Mapping[str, Any]] = []
    odd: list[Mapping[str, Any]] = []
    for row in rows:
        (odd if _needs_care(row) else sound).append(row)
    careful = await load_safely(connection, table, [row["id"] for row in odd]) if odd else []
    return [job_from(row, table) for row in sound] + careful


def _needs_care(row: Mapping[str, Any]) -> bool:
    """Whether the payload is no text, or the parent's key is one that the database must make text of."""
    parent = row.get("assigned_to")
    odd_parent = isinstance(parent, RecordID) and not isinstance(parent.id, _SPELT)
    return odd_parent or not isinstance(row.get("payload"), str)


async def load_safely(connection: Connection, table: JobTable, ids: Sequence[RecordID]) -> list[Job]:
    """Load rows with clients' text made fit for a reply, and a row that still isn't alone."""

    async def select(some: Sequence[RecordID]) -> list[Job]:
        return [job_from(row, table) for row in await _select(connection, some, _ERRORS)]

    async def alone(row_id: RecordID, _: StoreError) -> list[Job]:
        return await _worst(connection, table, row_id)

    return await bisect(ids, select, alone, refuses=may_be_a_rows)


async def _worst(connection: Connection, table: JobTable, row_id: RecordID) -> list[Job]:
    for more in ("[] AS errors", "[] AS errors, <string>[payload] AS payload"):
        try:
            rows = await _select(connection, [row_id], more)
        except NO_ROWS_FAULT:
            raise
        except StoreError as error:
            problem = reason_of(error)
        else:
            return [job_from(row, table) for row in rows]
    # What the transitions need and nothing of a client's, so that the job can still be ended.
    try:
        reply = await connection.read(surql("load_transition_columns"), ids=[row_id], **NUL)
    except NO_ROWS_FAULT:
        raise
    except StoreError:
        return []  # not even its id
    defect = f"its values can't be read: {problem}"
    return [attrs.evolve(job_from(row, table), defect=defect) for row in reply[-1]]


async def _select(connection: Connection, ids: Sequence[RecordID], more: str) -> list[dict[str, Any]]:
    reply = await connection.read(surql("load_jobs_made_fit", more=more), ids=list(ids), **NUL)
    rows: list[dict[str, Any]] = reply[-1]
    return rows
