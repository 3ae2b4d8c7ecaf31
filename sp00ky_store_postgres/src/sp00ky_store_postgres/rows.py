"""Turn rows into jobs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import Any

import attrs

from sp00ky_core.encoding.json_bytes import JsonObject
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.job.retry import MAX_RETRIES
from sp00ky_core.ports import LONGEST_ERRORS, LONGEST_TEXT, JobQuery, JobTable
from sp00ky_core.stores.rows import UNREAD, claimed_of
from sp00ky_core.stores.transactional.rows import to_job
from sp00ky_core.stores.transactional.schema import job_table
from sp00ky_store_postgres.schema.definition import COLUMNS
from sp00ky_store_postgres.sql.loader import fill, fits, literal, read_sql, unreadable

LIMITED = tuple(name for name in job_table("job").longest if name != "errors")
"""Texts, of which a longer one than any client of the project's writes isn't read."""

CLAIMED = (
    *("id", "path", "payload", "retries", "max_retries", "retry_strategy", "timeout", "assigned_to"),
    *("dedup_key", "traceparent", "created_at", "run_at", "lease_epoch", "lease_until", "deferred_since"),
    *("priority", "ordering_key", "ordering_at", "expires_at"),
)
"""What a claim returns of a row, after its table's number."""
KEY, PATH, RUN_AT, PRIORITY = (CLAIMED.index(name) + 1 for name in ("id", "path", "run_at", "priority"))

TOO_LONG = (
    '[{"name": "invalid_row", "reason": "errors is longer than any runner writes it: it was not read"}]'
)

EARLIEST, LATEST = "'0001-01-02 00:00:00+00'::timestamptz", "'9999-12-30 00:00:00+00'::timestamptz"
UNCHECKED = ("created_at", "run_at", "ordering_at", "expires_at", "deferred_since")
"""Instants that the driver may not be able to decode: no trigger sees rows that are replicated, or restored
without triggers; a row from before 0.3 has no CHECK on the last."""


def last_entry(field: str | None = None) -> str:
    """Write an expression for the last entry in ``errors``, as json, or for a field of it, as text."""
    return fill(
        read_sql("last_entry"),
        field="" if field is None else f" ->> {literal(field)}",
        fits=fits("errors", LONGEST_ERRORS),
        unreadable=unreadable("last.entry"),
    )


def bounded(instant: str) -> str:
    """Write an expression for an instant, or the next one to it that the driver can decode."""
    return f"CASE WHEN {instant} IS NOT NULL THEN greatest(least({instant}, {LATEST}), {EARLIEST}) END"


def readable(column: str) -> str:
    """Write an expression for a column of ``job``; a text that is too long isn't read.

    The length of a text is known without reading it.
    """
    if column in LIMITED:
        parts = {"longest": str(LONGEST_TEXT), "unread": literal(UNREAD)}
        return fill(read_sql("readable_text"), column=column, **parts)
    return bounded(f"job.{column}") if column in UNCHECKED else f"job.{column}"


def _json(column: str, longest: int | None) -> str:
    if longest is None:
        return f"job.{column}::text"
    if not longest:
        return literal(UNREAD)
    return f"CASE WHEN {fits(column, longest)} THEN job.{column}::text ELSE {literal(UNREAD)} END"


def expression(column: str, longest: int | None) -> str:
    """Write what is selected of a column of ``job``, up to so many bytes; None: however many there are."""
    if column == "errors":
        longest = LONGEST_ERRORS if longest is None else longest
        return fill(
            read_sql("readable_errors"),
            fits=fits("errors", longest),
            is_read=fits("errors", LONGEST_ERRORS),
            last=last_entry(),
            longest=str(longest),
            unread=UNREAD,
            too_long=literal(TOO_LONG),
        )
    if column == "payload":
        return _json(column, longest)
    if column == "result":
        return f"CASE WHEN job.result IS NOT NULL THEN {_json('result', longest)} END"
    if column == "id":
        return "job.id::text"
    return "NULL" if column not in COLUMNS else readable(column)  # ``errors`` says the last one


def claimed_columns(number: int, table: JobTable) -> str:
    """Write what a claim returns of a row; the payload is missing where anything is too long to be read."""
    lengths = ", ".join(f"octet_length(job.{column})" for column in LIMITED if column in CLAIMED)
    payload = (
        f"CASE WHEN greatest({lengths}) <= {LONGEST_TEXT} AND {fits('payload', table.max_payload_bytes)}"
        " THEN convert_to(job.payload::text, 'UTF8') END AS payload"
    )
    names = (payload if name == "payload" else f"{readable(name)} AS {name}" for name in CLAIMED)
    return ", ".join([f"{number} AS table_number", *names])


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
    fields.update(zip(_CLAIMED_FIELDS, row, strict=True))
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


is_key: Callable[[str], re.Match[str] | None] = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
).fullmatch
"""Tells whether a text is a key as PostgreSQL writes it."""

_OTHER_NOTATION = re.compile(r"[0-9a-fA-F]{32}")


def key_of(job_id: str) -> str | None:
    """Return the key that an id names, as PostgreSQL writes a uuid; None: it names none."""
    key = job_id.partition(":")[2]
    return key if is_key(key) else None


def hyphenated(key: str) -> str:
    """Write 32 hex digits as PostgreSQL does."""
    return f"{key[:8]}-{key[8:12]}-{key[12:16]}-{key[16:20]}-{key[20:]}"


def keys_between(start: str) -> tuple[str, str] | None:
    """Return the first and the last key that starts so; None: none does."""
    digits = start.replace("-", "").lower()
    if not re.fullmatch("[0-9a-f]{0,32}", digits):
        return None
    return hyphenated(digits.ljust(32, "0")), hyphenated(digits.ljust(32, "f"))


def canonical(job_id: str) -> str:
    """Return an id as it is in every reply; its uuid may have been given without hyphens, or in capitals."""
    table, _, key = job_id.partition(":")
    digits = key.replace("-", "")
    return f"{table}:{hyphenated(digits.lower())}" if _OTHER_NOTATION.fullmatch(digits) else job_id


def with_canonical_ids(query: JobQuery) -> JobQuery:
    """Return a query with its ids as they are in every reply."""
    return query if query.ids is None else attrs.evolve(query, ids=tuple(map(canonical, query.ids)))
