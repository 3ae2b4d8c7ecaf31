"""Name the fields, indexes and tables that the store defines; ``*.surql`` beside it define them."""

from __future__ import annotations

OWN_TABLES = (
    "sp00ky_runner",
    "sp00ky_breaker",
    "sp00ky_control",
    "sp00ky_audit",
    "sp00ky_schedule",
    "sp00ky_schedule_run",
    "sp00ky_rollup",
    "sp00ky_migration",
)
VERSION = 2
NO_JOB_TABLE = (
    "is there and is no job table (it lacks path, payload, status or retries): give the backend another one "
    "in method.table"
)

JOB_FIELDS = frozenset({"path", "payload", "status", "retries"})
"""What makes a table a job table."""

OUR_FIELDS = frozenset(
    {"run_at", "result", "dedup_key", "dedup_live", "traceparent", "deferred_since"}
    | {"lease_epoch", "lease_until", "runner_id"}
    | {"priority", "ordering_key", "ordering_at", "ordering_live", "claim_group", "expires_at"}
)
OUR_INDEXES = frozenset({"sp00ky_claim", "sp00ky_ordering", "sp00ky_dedup", "sp00ky_parent", "sp00ky_newest"})
FORMER_INDEXES = ("sp00ky_due",)
"""Of 0.1, which had no priority: what is left of it would cost each write, and mislead the planner."""

OPTIONAL_FIELDS = frozenset({"timeout", "delay"})
"""What a client may write, and no runner has to read."""

RUNNER_FIELDS = frozenset({"version", "documents", "draining", "in_flight", "slots"})
"""What ``sp00ky_runner`` didn't have in 0.1."""
