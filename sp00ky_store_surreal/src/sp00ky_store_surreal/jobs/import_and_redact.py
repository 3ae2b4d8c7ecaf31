"""Write rows as they are to be: jobs from another database, copies, and what is left of redacted ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sp00ky_core.errors import OptionInvalid, RowRefused
from sp00ky_core.job.job import AttemptError, Job
from sp00ky_core.ports import JobTable
from sp00ky_store_surreal.connection.conflict_retries import ONCE
from sp00ky_store_surreal.ids import id_text, id_value, table_of
from sp00ky_store_surreal.kit_session import inserts_of
from sp00ky_store_surreal.rows import TEXT, entry_of, row_from
from sp00ky_store_surreal.schema.table_layouts import TableLayouts
from sp00ky_store_surreal.surql.loader import surql

HAPPENED = (
    *("retries", "created_at", "updated_at", "deferred_since", "lease_epoch", "lease_until", "runner_id"),
    *("ordering_at", "request_id", "redacted_at", "copied_from", "claimed_max_retries", "claimed_at"),
)
"""Columns that a new job doesn't have, with a job's values as they are."""


async def insert_whole(layouts: TableLayouts, tables: Mapping[str, JobTable], jobs: Sequence[Job]) -> None:
    """See ``Store.import_jobs`` of the ports; ``tables`` by name."""
    connection = await layouts.ensure()
    rows = [_row(layouts, tables[table_of(job.id)], job) for job in jobs]
    inserts, bindings = inserts_of(rows)
    statement = surql("rewrite_insert", inserts=inserts)
    await connection.write(statement, ONCE, **bindings, ids=[row["id"] for row in rows])


async def redact(layouts: TableLayouts, tables: Mapping[str, JobTable], jobs: Sequence[Job]) -> list[str]:
    """See ``Store.redact`` of the ports; ``tables`` by name."""
    connection = await layouts.ensure()
    writes = [[id_value(job.id), _left(layouts, tables[table_of(job.id)], job)] for job in jobs]
    ids = [row_id for row_id, _ in writes]
    reply = await connection.write(surql("rewrite_redact"), ONCE, writes=writes, ids=ids)
    return [id_text(row_id) for row_id in reply[-1]]


def _left(layouts: TableLayouts, table: JobTable, job: Job) -> dict[str, Any]:
    return _outcome(layouts, table, job) | {
        "epoch": job.lease_epoch,
        "payload": job.payload_json.decode(),
        "dedup_key": job.dedup_key,
        "ordering_key": job.ordering_key,
        "assigned": job.assigned_to is not None,
    }


def _row(layouts: TableLayouts, table: JobTable, job: Job) -> dict[str, Any]:
    try:
        row = row_from(job, id_value(job.id), whole_seconds=table.backend in layouts.whole_seconds())
    except OptionInvalid as error:
        raise RowRefused(store=layouts.connection.target.location, problem=str(error)) from error
    row |= {name: getattr(job, name) for name in HAPPENED} | _outcome(layouts, table, job)
    row["dedup_live"] = None if job.is_terminal else job.dedup_key
    return {name: value for name, value in row.items() if value is not None}


def _outcome(layouts: TableLayouts, table: JobTable, job: Job) -> dict[str, Any]:
    """Build what has become of a job, as far as its table can hold it."""
    kept = table.backend not in layouts.without_entries()
    return {
        "status": job.status.value,
        "result": layouts.results().get(table.backend, TEXT).value_of(job.result_json),
        "errors": [_entry(error) for error in job.errors] if kept else [],
    }


def _entry(error: AttemptError) -> dict[str, Any]:
    count = None if error.count == 1 else error.count
    entry = entry_of(error) | {"count": count}
    entry |= {name: getattr(error, name) for name in ("at", "since", "claimed_at")}
    return {name: value for name, value in entry.items() if value is not None}
