"""Rows to jobs, and ids to keys."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from sp00ky_core.ids import table_of
from sp00ky_core.job import Job, JobStatus
from sp00ky_core.jsontext import JsonObject
from sp00ky_core.ports import JobQuery, JobTable
from sp00ky_core.retry import MAX_RETRIES
from sp00ky_core.stores.rows import job_of

__all__ = [
    "WHOLE",
    "TABLE_NUMBER",
    "whole_jobs",
    "claimed_jobs",
    "key_of",
    "keys_by_table",
    "hyphenated",
    "canonical",
    "with_canonical_ids",
]

TABLE_NUMBER = "table_number"

COLUMNS = (
    "id",
    "path",
    "payload",
    "status",
    "retries",
    "max_retries",
    "retry_strategy",
    "timeout",
    "assigned_to",
    "errors",
    "result",
    "dedup_key",
    "traceparent",
    "created_at",
    "updated_at",
    "run_at",
    "lease_epoch",
    "lease_until",
    "runner_id",
)
JSON = frozenset({"payload", "errors", "result"})

# As text: a caller's connection may have another idea of what json becomes in Python.
WHOLE = ", ".join(f"job.{name}::text AS {name}" if name in JSON else f"job.{name}" for name in COLUMNS)
"""The select list of a whole row, of a table named ``job``."""

_KEY = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_OTHERWISE = re.compile(r"[0-9a-fA-F]{32}")


def whole_jobs(rows: Iterable[Sequence[Any]], table: JobTable) -> list[Job]:
    """Jobs of rows that were selected as ``WHOLE``."""
    return [_whole_job(dict(zip(COLUMNS, row, strict=True)), table) for row in rows]


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
    """Jobs of rows that a claim returned, built directly: this is the hot path.

    The table's CHECKs guarantee what isn't looked at here; a row that they can't have let through, and a
    strategy that this process doesn't know, are judged as every other row is.
    """
    jobs: list[Job] = []
    put, processing = jobs.append, JobStatus.PROCESSING
    for row in rows:
        (
            number,
            key,
            path,
            payload,
            retries,
            max_retries,
            strategy,
            timeout,
            assigned_to,
            dedup_key,
            traceparent,
            created_at,
            run_at,
            epoch,
            lease_until,
        ) = row
        table = tables[number]
        sound = payload is not None and strategy in table.strategies and path
        sound = sound and 0 <= max_retries <= MAX_RETRIES and retries >= 0
        if not sound:
            put(_judged(row, table, runner_id))
            continue
        put(
            Job(
                id=f"{table.table}:{key}",
                backend=table.backend,
                path=path,
                payload_json=JsonObject(payload),
                status=processing,
                retries=retries,
                max_retries=max_retries,
                retry_strategy=strategy,
                timeout=timeout,
                assigned_to=assigned_to,
                dedup_key=dedup_key,
                traceparent=traceparent,
                created_at=created_at,
                run_at=run_at,
                lease_epoch=epoch,
                lease_until=lease_until,
                runner_id=runner_id,
            )
        )
    return jobs


def _judged(row: Any, table: JobTable, runner_id: str) -> Job:
    fields: Mapping[str, Any] = {**dict(row), "status": "processing", "runner_id": runner_id}
    job = _whole_job(dict(fields), table)
    if row["payload"] is not None:
        return job
    return attrs.evolve(job, defect=f"payload is over maxPayloadBytes ({table.max_payload_bytes})")


def key_of(job_id: str) -> str | None:
    """The key that an id names, as PostgreSQL writes a uuid; None: it names none."""
    key = job_id.partition(":")[2]
    return key if _KEY.fullmatch(key) else None


def hyphenated(key: str) -> str:
    """32 hex digits as PostgreSQL writes them."""
    return f"{key[:8]}-{key[8:12]}-{key[12:16]}-{key[16:20]}-{key[20:]}"


def canonical(job_id: str) -> str:
    """An id as it is in every reply; its uuid may have been given without hyphens, or in capitals."""
    table, _, key = job_id.partition(":")
    digits = key.replace("-", "")
    return f"{table}:{hyphenated(digits.lower())}" if _OTHERWISE.fullmatch(digits) else job_id


def with_canonical_ids(query: JobQuery) -> JobQuery:
    """A query, the ids that it names as they are in every reply."""
    return query if query.ids is None else attrs.evolve(query, ids=tuple(map(canonical, query.ids)))


def keys_by_table(job_ids: Iterable[str]) -> dict[str, list[str]]:
    """Keys, by the tables that the ids name; what is no id is left out."""
    keys: dict[str, list[str]] = {}
    for job_id in job_ids:
        key = key_of(job_id)
        if key is not None:
            keys.setdefault(table_of(job_id), []).append(key)
    return keys
