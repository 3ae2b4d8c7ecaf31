"""Turn rows into jobs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf
from typing import Any

import attrs

from sp00ky_core.encoding.json_bytes import JsonObject
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.job.retry import MAX_RETRIES
from sp00ky_core.ports import JobTable
from sp00ky_core.stores.rows import UNREAD, claimed_of
from sp00ky_store_kit.rows import to_job
from sp00ky_store_postgres.selects import CLAIMED, KEY, PATH


def claimed_jobs(rows: Iterable[Sequence[Any]], tables: Sequence[JobTable], runner_id: str) -> list[Job]:
    """Turn rows that a claim returned into jobs, built directly: this is the hot path.

    The table's CHECKs and triggers guarantee what isn't looked at here; a row that they can't have let
    through, and a strategy that this process doesn't know, are judged as every other row is. No trigger sees
    what a user's own one makes of a row after it, nor what is replicated.
    """
    common = [
        {**_DEFAULTS, "backend": table.backend, "status": JobStatus.PROCESSING, "runner_id": runner_id}
        for table in tables
    ]
    return [_claimed_job(row, tables[row[0]], common[row[0]]) for row in rows]


_DEFAULTS = {field.name: field.default for field in attrs.fields(Job)}


def _claimed_job(row: Any, table: JobTable, common: dict[str, Any]) -> Job:
    path, payload, retries, max_retries, strategy, timeout = row[PATH : PATH + 6]
    is_sound = payload is not None and path and strategy in table.strategies
    can_end = timeout is None or 0 < timeout < inf  # no attempt would ever be late by a NaN
    if not (is_sound and can_end and 0 <= max_retries <= MAX_RETRIES and retries >= 0):
        return _judged(row, table, common["runner_id"])
    fields = common.copy()
    fields.update(zip(_CLAIMED_FIELDS, row, strict=False))  # beside a job nothing is said
    del fields["table_number"]
    fields["id"], fields["payload_json"] = f"{table.table}:{row[KEY]}", JsonObject(payload)
    job = object.__new__(Job)
    object.__setattr__(job, "__dict__", fields)  # its own __init__ takes twice as long
    return job


_CLAIMED_FIELDS = tuple("payload_json" if name == "payload" else name for name in ("table_number", *CLAIMED))
"""The fields of a job in the order of a claimed row."""


def _judged(row: Any, table: JobTable, runner_id: str) -> Job:
    payload = UNREAD if row["payload"] is None else JsonObject(row["payload"])
    whole = {**_UNCLAIMED, **row, "payload": payload, "status": "processing", "runner_id": runner_id}
    return claimed_of(to_job(table, whole), table)


_UNCLAIMED = dict.fromkeys(("errors", "last_error_name", "last_error_code", "result"))
"""Columns that a claim doesn't return, and a job is made of."""
