"""Write rows as they are to be: jobs from another database, copies, and what is left of redacted ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from sp00ky_core.errors import OptionInvalid, RowRefused
from sp00ky_core.job.job import AttemptError, Job
from sp00ky_core.job.outcome import HTTP
from sp00ky_core.ports import JobTable
from sp00ky_store_surreal.connection.executor import ONCE
from sp00ky_store_surreal.ids import id_text, id_value, table_of
from sp00ky_store_surreal.rows import TEXT, row_from
from sp00ky_store_surreal.schema.readiness import Readiness
from sp00ky_store_surreal.surql.loader import quoted, surql

HAPPENED = (
    *("retries", "created_at", "updated_at", "deferred_since", "lease_epoch", "lease_until", "runner_id"),
    *("ordering_at", "request_id", "redacted_at", "copied_from"),
)
"""Columns that a new job doesn't have, with a job's values as they are."""


@attrs.frozen
class Rewrites:
    """Rewrites the jobs of a store.

    Attributes:
        ready: Knows what the tables can hold.
        tables: By name.
    """

    ready: Readiness
    tables: Mapping[str, JobTable]

    async def insert_whole(self, jobs: Sequence[Job]) -> None:
        """See ``Rewrites.import_jobs`` of the ports."""
        connection = await self.ready.ensure()
        by_table: dict[str, list[dict[str, Any]]] = {}
        for job in jobs:
            by_table.setdefault(table_of(job.id), []).append(self._row(job))
        inserts = (surql("session_insert", table=quoted(table), n=str(n)) for n, table in enumerate(by_table))
        bindings: dict[str, Any] = {f"new{n}": rows for n, rows in enumerate(by_table.values())}
        ids = [row["id"] for rows in by_table.values() for row in rows]
        statement = surql("rewrite_insert", inserts="".join(inserts))
        await connection.write(statement, ONCE, **bindings, ids=ids)

    async def redact(self, jobs: Sequence[Job]) -> list[str]:
        """See ``Rewrites.redact`` of the ports."""
        connection = await self.ready.ensure()
        writes = [[id_value(job.id), self._left(job)] for job in jobs]
        ids = [row_id for row_id, _ in writes]
        reply = await connection.write(surql("rewrite_redact"), ONCE, writes=writes, ids=ids)
        return [id_text(row_id) for row_id in reply[-1]]

    def _left(self, job: Job) -> dict[str, Any]:
        backend = self.tables[table_of(job.id)].backend
        kept = backend not in self.ready.without_entries()
        return {
            "status": job.status.value,
            "epoch": job.lease_epoch,
            "payload": job.payload_json.decode(),
            "result": self.ready.results().get(backend, TEXT).value_of(job.result_json),
            "errors": [_entry(error) for error in job.errors] if kept else [],
            "dedup_key": job.dedup_key,
            "ordering_key": job.ordering_key,
            "assigned": job.assigned_to is not None,
        }

    def _row(self, job: Job) -> dict[str, Any]:
        table = self.tables[table_of(job.id)]
        kept = table.backend not in self.ready.without_entries()
        whole = table.backend in self.ready.whole_seconds()
        try:
            row = row_from(job, id_value(job.id), whole_seconds=whole)
        except OptionInvalid as error:
            raise RowRefused(store=self.ready.connection.target.location, problem=str(error)) from error
        row |= {name: getattr(job, name) for name in HAPPENED} | {
            "status": job.status.value,
            "errors": [_entry(error) for error in job.errors] if kept else [],
            "result": self.ready.results().get(table.backend, TEXT).value_of(job.result_json),
            "dedup_live": None if job.is_terminal else job.dedup_key,
        }
        return {name: value for name, value in row.items() if value is not None}


def _entry(error: AttemptError) -> dict[str, Any]:
    entry = {name: value for name, value in attrs.asdict(error).items() if value is not None}
    if error.count == 1:
        del entry["count"]
    if error.scheme == HTTP:
        del entry["scheme"]
    return entry
