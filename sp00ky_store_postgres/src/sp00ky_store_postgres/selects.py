"""Write what is selected of a row: texts that are too long aren't read, instants fit the driver."""

from __future__ import annotations

from sp00ky_core.ports import LONGEST_ERRORS, LONGEST_TEXT, JobTable
from sp00ky_core.stores.rows import UNREAD
from sp00ky_store_kit.schema import job_table
from sp00ky_store_postgres.schema.definition import COLUMNS
from sp00ky_store_postgres.sql.loader import fill, fits, literal, read_sql, unreadable

LIMITED = tuple(name for name in job_table("job").longest if name != "errors")
"""Columns whose text isn't read where it is longer than any client of the project writes it."""

CLAIMED = (
    *("id", "path", "payload", "retries", "max_retries", "retry_strategy", "timeout", "assigned_to"),
    *("dedup_key", "traceparent", "created_at", "run_at", "lease_epoch", "lease_until", "deferred_since"),
    *("priority", "ordering_key", "ordering_at", "expires_at"),
)
"""What a claim returns of a row, between its table's number and what it says beside jobs."""
BESIDE = len(CLAIMED) + 1
KEY, PATH, RUN_AT, PRIORITY = (CLAIMED.index(name) + 1 for name in ("id", "path", "run_at", "priority"))

TOO_LONG = (
    '[{"name": "invalid_row", "reason": "errors is longer than any runner writes it: it was not read"}]'
)

EARLIEST, LATEST = "'0001-01-02 00:00:00+00'::timestamptz", "'9999-12-30 00:00:00+00'::timestamptz"
UNCHECKED = ("created_at", "run_at", "ordering_at", "expires_at", "deferred_since", "claimed_at")
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
    return ", ".join([f"{number} AS table_number", *names, "NULL::text AS beside"])
