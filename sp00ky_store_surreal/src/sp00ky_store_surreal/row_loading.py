"""Load rows as jobs, in one go where that works, with care where a value can't be put in a reply."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any
from uuid import UUID

import attrs
from surrealdb import RecordID

from sp00ky_core.errors import StoreError
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.ports import LONGEST_ERRORS, LONGEST_LISTED, LONGEST_TEXT, JobTable
from sp00ky_core.stores.isolation import bisect
from sp00ky_core.stores.rows import claimed_of
from sp00ky_store_surreal.connection.executor import Connection
from sp00ky_store_surreal.errors import NO_ROWS_FAULT, may_be_a_rows, reason_of
from sp00ky_store_surreal.rows import job_from
from sp00ky_store_surreal.surql.loader import NUL, surql

COLUMNS = (
    *("id", "path", "payload", "status", "retries", "max_retries", "retry_strategy"),
    *("created_at", "run_at", "lease_epoch", "rare"),
    *("lease_until", "updated_at", "runner_id", "errors", "result"),
)
"""The names of ``job_columns``, and what ``load_jobs`` adds; a claim gives the first.

Rows come as lists, cheaper to decode.
"""

RARE = (
    *("timeout", "assigned_to", "dedup_key", "priority", "ordering_key", "ordering_at", "expires_at"),
    *("traceparent", "deferred_since"),
)
"""The names of ``job_columns_rare``."""

_SPELT = (str, int, UUID)
"""Keys that have the same text here and there."""

_ERRORS = surql("errors_made_fit").strip()


@attrs.frozen(kw_only=True)
class Lengths:
    """Says how much is read of what may be long; what is longer stays in the database.

    Attributes:
        payload: Characters.
        result: Characters.
        errors: Characters.
    """

    payload: int
    result: int
    errors: int = LONGEST_ERRORS

    def bindings(self, n: str = "0") -> dict[str, int]:
        """Build what statements bind for it; ``n``: the table's number."""
        return {
            f"longest{n}": self.payload,
            f"longest_row{n}": self.payload + self.result + self.errors + 16 * LONGEST_TEXT,
            "longest_result": self.result,
            "longest_errors": self.errors,
        }


LISTED = Lengths(payload=LONGEST_LISTED, result=LONGEST_LISTED, errors=LONGEST_LISTED)
WHOLE = Lengths(payload=2**62, result=2**62)
DECIDED = Lengths(payload=0, result=0)
"""What a decision depends on."""

_Row = Mapping[str, Any]
_Again = Callable[[Sequence[_Row]], Awaitable[list[Job]]]
"""Loads rows again, with care; of each, ``id`` and ``lease_epoch`` are given."""


def claimed_lengths(table: JobTable) -> Lengths:
    """Return how much a claim reads."""
    return Lengths(payload=table.max_payload_bytes, result=LONGEST_ERRORS)


async def load(
    connection: Connection, table: JobTable, ids: Sequence[RecordID], lengths: Lengths
) -> list[Job]:
    """Load the rows of these ids that exist."""
    if not ids:
        return []
    try:
        reply = await connection.read(surql("load_jobs", n="0"), ids0=list(ids), **NUL, **lengths.bindings())
    except NO_ROWS_FAULT:
        raise
    except StoreError:
        return await load_safely(connection, table, ids, lengths)

    async def again(rows: Sequence[_Row]) -> list[Job]:
        return await load_safely(connection, table, [row["id"] for row in rows], lengths)

    return await _jobs_in(reply[-1], table, again, {})


async def read_claimed(
    connection: Connection, table: JobTable, reply: Any, runner_id: str, given: _Row = MappingProxyType({})
) -> list[Job]:
    """Read what a claim returned; load again the rows that need care, as ``load_claimed`` does.

    ``given``: what all rows hold that the reply doesn't say of each.
    """

    async def again(rows: Sequence[_Row]) -> list[Job]:
        return await load_claimed(connection, table, rows, runner_id)

    return [claimed_of(job, table) for job in await _jobs_in(reply, table, again, given)]


async def load_claimed(
    connection: Connection, table: JobTable, rows: Sequence[_Row], runner_id: str
) -> list[Job]:
    """Load claimed rows whole, without those that are the claim's no more.

    Since the claim a client may have written to a row, or its lease have ended: an attempt of it would be
    made without a claim.

    Args:
        connection: The store's.
        table: The rows' table.
        rows: Of each, ``id`` and ``lease_epoch`` as the claim left them.
        runner_id: Whose claim it was.
    """
    claims = {(each.id, each.lease_epoch) for each in (job_from(row, table) for row in rows)}
    jobs = await load_safely(connection, table, [row["id"] for row in rows], claimed_lengths(table))
    return [
        claimed_of(job, table)
        for job in jobs
        if job.status is JobStatus.PROCESSING
        and job.runner_id == runner_id
        and (job.id, job.lease_epoch) in claims
    ]


async def _jobs_in(reply: Any, table: JobTable, again: _Again, given: _Row) -> list[Job]:
    """Read rows, or what ``rows_if_fit`` returns instead, in order."""
    if isinstance(reply, Mapping):
        return await again(reply["unsafe"])
    rows = [row if isinstance(row, dict) else _row_of(row, given) for row in reply]
    odd = [row for row in rows if _needs_care(row)]
    if not odd:
        return [job_from(row, table) for row in rows]
    careful = {job.id: job for job in await again(odd)}
    loaded = [(job_from(row, table), _needs_care(row)) for row in rows]
    jobs = [careful.get(job.id) if is_odd else job for job, is_odd in loaded]
    return [job for job in jobs if job is not None]


def _row_of(values: Sequence[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    row = {**given, **dict(zip(COLUMNS, values, strict=False))}
    rare = row.pop("rare")
    return row if rare is None else row | dict(zip(RARE, rare, strict=True))


def _needs_care(row: _Row) -> bool:
    """Whether the payload is no text, or the parent's key is one that the database must make text of."""
    parent = row.get("assigned_to")
    odd_parent = isinstance(parent, RecordID) and not isinstance(parent.id, _SPELT)
    return odd_parent or not isinstance(row.get("payload"), str)


async def load_safely(
    connection: Connection, table: JobTable, ids: Sequence[RecordID], lengths: Lengths
) -> list[Job]:
    """Load rows with clients' text made fit for a reply, and a row that still isn't alone."""

    async def select(some: Sequence[RecordID]) -> list[Job]:
        return [job_from(row, table) for row in await _select(connection, some, _ERRORS, lengths)]

    async def alone(row_id: RecordID, _: StoreError) -> list[Job]:
        return await _worst(connection, table, row_id, lengths)

    return await bisect(ids, select, alone, refuses=may_be_a_rows)


async def _worst(connection: Connection, table: JobTable, row_id: RecordID, lengths: Lengths) -> list[Job]:
    written = "(IF string::len(<string>[payload]) > $longest { $unread } ELSE { <string>[payload] })"
    for more in ("[] AS errors", f"[] AS errors, {written} AS payload"):
        try:
            rows = await _select(connection, [row_id], more, lengths)
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


async def _select(
    connection: Connection, ids: Sequence[RecordID], more: str, lengths: Lengths
) -> list[dict[str, Any]]:
    bindings = {"ids": list(ids), **NUL, **lengths.bindings("")}
    reply = await connection.read(surql("load_jobs_made_fit", more=more), **bindings)
    rows: list[dict[str, Any]] = reply[-1]
    return rows
