"""What a job table has to have: columns, constraints, indexes, storage. The one place where it is said."""

from __future__ import annotations

import hashlib

import attrs

__all__ = [
    "VERSION",
    "COLUMNS",
    "CHECKS",
    "INDEXES",
    "STORAGE",
    "LONGEST_NAME",
    "Column",
    "Index",
    "object_name",
]

VERSION = 1
"""The version of what is said here. Raise it with every change, which may only add."""

LONGEST_NAME = 63  # bytes; PostgreSQL cuts longer ones silently


@attrs.frozen
class Column:
    """A column: its type, and its default at creation.

    ``fill`` is the default with which it is added to a table that has rows: one that PostgreSQL needn't
    evaluate for each row, so that the table isn't rewritten.
    """

    name: str
    type: str
    default: str | None = None  # none: it may be null, or must be given (path)
    fill: str | None = None
    required: bool = True
    identifies: bool = False  # a table without it is somebody else's
    is_key: bool = False

    @property
    def definition(self) -> str:
        """As in CREATE TABLE."""
        return self._defined(self.default)

    @property
    def addition(self) -> str:
        """As in ADD COLUMN."""
        return self._defined(self.fill or self.default)

    def _defined(self, default: str | None) -> str:
        null = " NOT NULL" if self.required else ""
        key = " PRIMARY KEY" if self.is_key else ""
        return f"{self.name} {self.type}{key or null}" + (f" DEFAULT {default}" if default else "")


@attrs.frozen
class Index:
    """An index: its columns, the rows that are in it, and what is lost without it.

    Each claim and each settle makes an entry in every index that its row belongs to: an index more is paid
    for by every job.
    """

    suffix: str
    columns: tuple[str, ...]
    where: str | None  # none: all rows are
    without: str
    unique: bool = False
    method: str = "btree"
    options: str | None = None

    @property
    def definition(self) -> str:
        """What follows ``ON <table>``."""
        words = [f"({', '.join(self.columns)})"]
        if self.method != "btree":
            words.insert(0, f"USING {self.method}")
        if self.options is not None:
            words.append(f"WITH ({self.options})")
        if self.where is not None:
            words.append(f"WHERE {self.where}")
        return " ".join(words)


# A UUID of version 7: random ones of version 4 would send each claim and each settle of a large table to
# another page of the primary key, which made claims among a million jobs 1.4 times as slow. (PostgreSQL has
# had uuidv7() only since 18.)
_KEY = (
    "encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) PLACING"
    " substr(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 3)"
    " FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid"
)

COLUMNS = (
    Column("id", "uuid", _KEY, identifies=True, is_key=True),
    Column("path", "text", identifies=True),
    Column("payload", "json", "'{}'", identifies=True),
    Column("status", "text", "'pending'", identifies=True),
    Column("retries", "integer", "0"),
    Column("max_retries", "integer", "3"),
    Column("retry_strategy", "text", "'linear'"),
    Column("timeout", "double precision", required=False),
    Column("assigned_to", "text", required=False),
    Column("errors", "json", "'[]'"),
    Column("result", "json", required=False),
    Column("dedup_key", "text", required=False),
    Column("traceparent", "text", required=False),
    # Not now(), which is the transaction's start: who watches must find what a long transaction committed.
    Column("created_at", "timestamp with time zone", "clock_timestamp()", fill="now()"),
    Column("updated_at", "timestamp with time zone", "clock_timestamp()", fill="now()"),
    Column("run_at", "timestamp with time zone", "now()"),
    Column("lease_epoch", "bigint", "0"),
    Column("lease_until", "timestamp with time zone", required=False),
    Column("runner_id", "text", required=False),
)

_CALENDAR = "BETWEEN '0001-01-02 00:00:00+00' AND '9999-12-30 00:00:00+00'"

CHECKS = {
    "status": "status IN ('pending', 'processing', 'success', 'failed')",
    "path": "path <> ''",
    "retries": "retries BETWEEN 0 AND 1000",
    "max_retries": "max_retries BETWEEN 0 AND 1000",
    "timeout": "timeout > 0 AND timeout < 'Infinity'",
    "payload": "json_typeof(payload) = 'object'",
    "errors": "json_typeof(errors) = 'array'",
    "lease_epoch": "lease_epoch BETWEEN 0 AND 4611686018427387904",
    # Instants that every client's calendar has.
    "instants": f"created_at {_CALENDAR} AND updated_at {_CALENDAR} AND run_at {_CALENDAR} "
    f"AND (lease_until IS NULL OR lease_until {_CALENDAR})",
}

INDEXES = (
    Index("due", ("run_at", "id"), "status = 'pending'", "each claim reads the whole table"),
    Index(
        "held",
        ("runner_id", "lease_until"),
        "status = 'processing'",
        "each search for lost jobs reads the whole table",
    ),
    Index(
        "dedup",
        ("dedup_key",),
        "status IN ('pending', 'processing')",
        "a dedup_key doesn't keep a second job out, and enqueueing with one fails",
        unique=True,
    ),
    Index(
        "ended",
        ("status", "updated_at"),
        "status IN ('success', 'failed')",
        "pruning and watching read the whole table",
    ),
    Index(
        "again",
        ("updated_at",),
        "status = 'pending' AND lease_epoch > 0",
        "watching reads the whole table",
    ),
    # A summary of each range of pages: it finds new rows, and costs a claim nothing.
    Index(
        "new",
        ("created_at",),
        None,
        "watching reads the whole table",
        method="brin",
        options="pages_per_range = 32, autosummarize = on",
    ),
    Index(
        "assigned",
        ("assigned_to", "path", "created_at"),
        "assigned_to IS NOT NULL",
        "finding a record's jobs reads the whole table",
    ),
)

KEY = Index(
    "key",
    ("id",),
    None,
    "each settle reads the whole table, and two jobs may have the same id",
    unique=True,
)
"""For a table whose id somebody else hasn't made its primary key."""

STORAGE = {
    # Room on each page for the versions of a row that its claim and its settle make.
    "fillfactor": "70",
    # Every job leaves two dead rows: they go away in small portions, before anything has grown.
    "autovacuum_vacuum_scale_factor": "0.02",
    "autovacuum_vacuum_threshold": "1000",
    "autovacuum_vacuum_insert_scale_factor": "0.2",
    "autovacuum_analyze_scale_factor": "0.05",
    "autovacuum_analyze_threshold": "1000",
    "autovacuum_vacuum_cost_delay": "0",
}


def object_name(table: str, suffix: str) -> str:
    """The name of an index, a constraint or a trigger of a table, however long the table's is."""
    name = f"{table}_{suffix}"
    if len(name.encode()) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(table.encode()).hexdigest()[:8]
    room = LONGEST_NAME - len(f"_{digest}_{suffix}")
    return f"{table.encode()[:room].decode(errors='ignore')}_{digest}_{suffix}"
