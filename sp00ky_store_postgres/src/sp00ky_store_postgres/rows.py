"""Turn rows into jobs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from sp00ky_core.encoding.json_bytes import JsonObject
from sp00ky_core.job import Job, JobStatus
from sp00ky_core.ports import JobTable
from sp00ky_core.retry import MAX_RETRIES
from sp00ky_core.stores.rows import job_of
from sp00ky_store_postgres.schema.definition import COLUMNS
from sp00ky_store_postgres.sql.loader import literal

TABLE_NUMBER = "table_number"

NAMES = tuple(COLUMNS)
JSON = frozenset({"payload", "errors", "result"})

CLAIMED_COLUMNS = 20
"""Columns of the rows that a claim returns (``claim_returned.sql``)."""
KEY, PATH, RUN_AT, PRIORITY = 1, 2, 12, 16
"""Some of them, by number."""

LONGEST_ERRORS = 2**20
"""Bytes of ``errors`` that are read: a runner keeps 50 entries, each with a reason of 2 KiB at most."""

TOO_LONG = (
    '[{"name": "invalid_row", "reason": "errors is longer than any runner writes it: it was not read"}]'
)


EARLIEST, LATEST = "'0001-01-02 00:00:00+00'::timestamptz", "'9999-12-30 00:00:00+00'::timestamptz"

DEFERRED_SINCE = (
    "CASE WHEN job.deferred_since IS NOT NULL"
    f" THEN greatest(least(job.deferred_since, {LATEST}), {EARLIEST}) END AS deferred_since"
)
"""In select lists: a row from before the CHECK on it may have an instant that the driver can't decode."""


def _selected(name: str, *, light: bool = False) -> str:
    """Write a column in a select list, as text where it is json.

    As text, for a caller's connection may have another idea of what json becomes in Python.
    """
    if light and name in {"payload", "result"}:
        return f"{literal('{}') if name == 'payload' else 'NULL'}::text AS {name}"
    if name == "errors":
        is_short = f"octet_length(job.errors::text) <= {LONGEST_ERRORS}"
        return f"CASE WHEN {is_short} THEN job.errors::text ELSE {literal(TOO_LONG)} END AS errors"
    if name == "deferred_since":
        return DEFERRED_SINCE
    return f"job.{name}::text AS {name}" if name in JSON else f"job.{name}"


WHOLE = ", ".join(map(_selected, NAMES))
"""The select list of a whole row, of a table named ``job``; errors that are too long aren't sent."""

LIGHT = ", ".join(_selected(name, light=True) for name in NAMES)
"""The same without payload and result, for what only decides about a job."""


def whole_jobs(rows: Iterable[Sequence[Any]], table: JobTable) -> list[Job]:
    """Turn rows that were selected as ``WHOLE`` into jobs."""
    return [_whole_job(dict(zip(NAMES, row, strict=True)), table) for row in rows]


def _whole_job(row: dict[str, Any], table: JobTable) -> Job:
    row["id"] = f"{table.table}:{row['id']}"
    return job_of(
        row,
        backend=table.backend,
        strategies=table.strategies,
        payload_is_object=True,
        timeout_counts=table.timeout_overridable,
    )


def claimed_jobs(rows: Iterable[Sequence[Any]], tables: Sequence[JobTable], runner_id: str) -> list[Job]:
    """Turn rows that a claim returned into jobs, built directly: this is the hot path.

    The table's CHECKs guarantee what isn't looked at here; a row that they can't have let through, and a
    strategy that this process doesn't know, are judged as every other row is.
    """
    common = [
        {**_DEFAULTS, "backend": each.backend, "status": JobStatus.PROCESSING, "runner_id": runner_id}
        for each in tables
    ]
    return [_claimed_job(row, tables[row[0]], common[row[0]]) for row in rows]


_DEFAULTS = {field.name: field.default for field in attrs.fields(Job)}


def _claimed_job(row: Any, table: JobTable, common: dict[str, Any]) -> Job:
    path, payload, retries, max_retries, strategy = row[PATH : PATH + 5]
    is_sound = payload is not None and path and strategy in table.strategies
    if not (is_sound and 0 <= max_retries <= MAX_RETRIES and retries >= 0):
        return _judged(row, table, common["runner_id"])
    job = object.__new__(Job)
    fields = job.__dict__  # its own __init__ takes twice as long
    fields.update(common)
    fields.update(row.items())
    fields["id"] = f"{table.table}:{row[KEY]}"
    fields["payload_json"] = JsonObject(fields.pop("payload"))
    del fields["table_number"]
    return job


def _judged(row: Any, table: JobTable, runner_id: str) -> Job:
    job = _whole_job({**row, "status": "processing", "runner_id": runner_id}, table)
    if row["payload"] is not None:
        return job
    return attrs.evolve(job, defect=f"payload is over maxPayloadBytes ({table.max_payload_bytes})")
