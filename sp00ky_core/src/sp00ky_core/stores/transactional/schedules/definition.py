"""Declare the tables of schedules and of what they have made, as data."""

from __future__ import annotations

from sp00ky_core.ports import RunStatus
from sp00ky_core.stores.transactional.connection.session import Is
from sp00ky_core.stores.transactional.schema.definition import Column, Index, Kind, Table

__all__ = ["ROLLUPS", "SCHEDULES", "SCHEDULE_RUNS"]

SCHEDULES = Table(
    "sp00ky_schedule",
    (
        Column("name", Kind.TEXT, length=255),
        Column("definition", Kind.JSON),  # as sp00ky.yml has it
        Column("hash", Kind.TEXT, length=64),
        Column("seen", Kind.JSON),  # hashes of all definitions that it has had
        Column("origin", Kind.TEXT, "file", length=10),  # file or python
        Column("revision", Kind.INTEGER, 0),  # raised by each change, which is guarded by it
        Column("paused", Kind.INTEGER, 0),
        Column("removed", Kind.INTEGER, 0),
        Column("next_fire_at", Kind.INSTANT),
        Column("last_fired_at", Kind.INSTANT),
        Column("last_error", Kind.TEXT),
        Column("failures", Kind.JSON),  # by key, in a row
        Column("job_table", Kind.TEXT, length=255),
    ),
    ("name",),
)

SCHEDULE_RUNS = Table(
    "sp00ky_schedule_run",
    (
        Column("schedule", Kind.TEXT, required=True, length=255),
        Column("fired_at", Kind.INSTANT, required=True),
        Column("key", Kind.TEXT, "", required=True, length=255),
        Column("trigger", Kind.TEXT, "cron", required=True, length=10),
        Column("job_id", Kind.TEXT, length=310),
        Column("status", Kind.TEXT, "running", required=True, length=10),
        Column("error", Kind.JSON),
        Column("finished_at", Kind.INSTANT),
    ),
    ("schedule", "fired_at", "key"),
    (
        Index("running", ("schedule", "fired_at"), (Is("status", "=", RunStatus.RUNNING),)),
        Index("fired", ("fired_at", "schedule", "key")),
    ),
)

ROLLUPS = Table(
    "sp00ky_rollup",
    (
        Column("minute", Kind.INSTANT, required=True),
        Column("runner_id", Kind.TEXT, "", required=True, length=255),  # empty: folded to an hour
        Column("backend", Kind.TEXT, required=True, length=255),
        Column("path", Kind.TEXT, "", required=True, length=240),  # a key of 3,072 bytes has 244
        Column("outcome", Kind.TEXT, required=True, length=10),
        Column("code", Kind.INTEGER, 0, required=True),
        Column("count", Kind.INTEGER),
        Column("seconds_sum", Kind.REAL),
        Column("buckets", Kind.JSON),
    ),
    ("minute", "runner_id", "backend", "path", "outcome", "code"),
)
