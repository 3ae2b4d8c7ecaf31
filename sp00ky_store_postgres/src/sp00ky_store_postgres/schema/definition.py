"""Define what the tables have: versions, columns, names of objects. The statements are in ``migrations/``."""

from __future__ import annotations

import hashlib

import attrs

__all__ = [
    "COLUMNS",
    "JOB_KEY",
    "KEY_COLUMNS",
    "LONGEST_NAME",
    "MIN_COMPATIBLE",
    "VERSION",
    "Column",
    "object_name",
]

VERSION = 3
"""The number of the last migration. A migration only adds; of indexes one may take another one's place."""

MIN_COMPATIBLE = 3
"""The oldest version whose releases can work on these tables. It stays as it is while migrations only add.

Runners of older versions would break the order of jobs with an ``ordering_key``, and heed no pause.
"""

LONGEST_NAME = 63  # bytes; PostgreSQL cuts longer ones silently


@attrs.frozen
class Column:
    """A column of a job table.

    Attributes:
        name: Its name.
        type: Its type, as PostgreSQL writes it.
        options: What follows the type, where it is added to a table that lacks it.
    """

    name: str
    type: str
    options: str = ""


COLUMNS = (
    Column("id", "uuid"),
    Column("path", "text"),
    Column("payload", "json"),
    Column("status", "text"),
    Column("retries", "integer", "NOT NULL DEFAULT 0"),
    Column("max_retries", "integer", "NOT NULL DEFAULT 3"),
    Column("retry_strategy", "text", "NOT NULL DEFAULT 'linear'"),
    Column("timeout", "double precision"),
    Column("assigned_to", "text"),
    Column("errors", "json", "NOT NULL DEFAULT '[]'"),
    Column("result", "json"),
    Column("dedup_key", "text"),
    Column("traceparent", "text"),
    Column("created_at", "timestamp with time zone", "NOT NULL DEFAULT now()"),
    Column("updated_at", "timestamp with time zone", "NOT NULL DEFAULT now()"),
    Column("run_at", "timestamp with time zone", "NOT NULL DEFAULT now()"),
    Column("deferred_since", "timestamp with time zone"),
    Column("lease_epoch", "bigint", "NOT NULL DEFAULT 0"),
    Column("lease_until", "timestamp with time zone"),
    Column("runner_id", "text"),
    Column("priority", "integer", "NOT NULL DEFAULT 0"),
    Column("ordering_key", "text"),
    Column("ordering_at", "timestamp with time zone"),
    Column("expires_at", "timestamp with time zone"),
)

JOB_KEY = {"id": "uuid", "path": "text", "payload": "json", "status": "text"}

KEY_COLUMNS = {
    "sp00ky_migration": {"table_name": "text", "version": "integer"},
    "sp00ky_runner": {"id": "text", "host": "text", "pid": "integer"},
    "sp00ky_breaker": {"backend": "text", "state": "text"},
    "sp00ky_control": {"backend": "text", "paused": "boolean"},
    "sp00ky_audit": {"id": "bigint", "action": "text", "selection": "json"},
}
"""The store's own tables, and the columns without which a table of that name is another application's."""


def object_name(table: str, suffix: str) -> str:
    """Return the name of an index, a constraint or a trigger of a table, however long the table's is."""
    name = f"{table}_{suffix}"
    if len(name.encode()) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(table.encode()).hexdigest()[:8]
    room = LONGEST_NAME - len(f"_{digest}_{suffix}")
    return f"{table.encode()[:room].decode(errors='ignore')}_{digest}_{suffix}"
