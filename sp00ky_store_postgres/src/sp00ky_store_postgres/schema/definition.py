"""Define what the tables have: versions, columns, names of objects. The statements are in ``migrations/``."""

from __future__ import annotations

import hashlib

__all__ = [
    "COLUMNS",
    "JOB_KEY",
    "KEY_COLUMNS",
    "LONGEST_NAME",
    "MIN_COMPATIBLE",
    "VERSION",
    "object_name",
]

VERSION = 9
"""The last migration's number. A migration only adds; an index, a CHECK or a trigger may be replaced."""

MIN_COMPATIBLE = 3
"""The oldest version whose releases can work on these tables. It stays as it is while migrations only add.

Runners of older versions would break the order of jobs with an ``ordering_key``, and heed no pause.
"""

LONGEST_NAME = 63  # bytes; PostgreSQL cuts longer ones silently


COLUMNS = {
    "id": "uuid",
    "path": "text",
    "payload": "json",
    "status": "text",
    "retries": "integer",
    "max_retries": "integer",
    "retry_strategy": "text",
    "timeout": "double precision",
    "assigned_to": "text",
    "errors": "json",
    "result": "json",
    "dedup_key": "text",
    "traceparent": "text",
    "created_at": "timestamp with time zone",
    "updated_at": "timestamp with time zone",
    "run_at": "timestamp with time zone",
    "deferred_since": "timestamp with time zone",
    "lease_epoch": "bigint",
    "lease_until": "timestamp with time zone",
    "runner_id": "text",
    "priority": "integer",
    "ordering_key": "text",
    "ordering_at": "timestamp with time zone",
    "expires_at": "timestamp with time zone",
}
"""Those of a job table, with their types as PostgreSQL writes them."""

JOB_KEY = {"id": "uuid", "path": "text", "payload": "json", "status": "text"}

KEY_COLUMNS = {
    "sp00ky_migration": {"table_name": "text", "version": "integer"},
    "sp00ky_runner": {"id": "text", "host": "text", "pid": "integer"},
    "sp00ky_breaker": {"backend": "text", "state": "text"},
    "sp00ky_control": {"backend": "text", "paused": "boolean"},
    "sp00ky_audit": {"id": "bigint", "action": "text", "selection": "json"},
    "sp00ky_schedule": {"name": "text", "definition": "json", "revision": "bigint"},
    "sp00ky_schedule_run": {"schedule": "text", "fired_at": "timestamp with time zone", "key": "text"},
    "sp00ky_rollup": {"minute": "timestamp with time zone", "outcome": "text", "buckets": "bigint[]"},
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
