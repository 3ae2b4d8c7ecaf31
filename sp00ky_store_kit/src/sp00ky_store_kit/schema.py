"""Declare every table as data, and bring a database to the tables: plan what is missing, and add it.

An adapter maps a ``Kind`` to a type of its database and a ``Default`` to an expression; it names no column.
Nothing is taken away but an index that an earlier version has declared, once its successor is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial

from sp00ky_core.errors import SchemaError
from sp00ky_core.job.job import TERMINAL, JobStatus
from sp00ky_core.ports import (
    LONGEST_ERRORS,
    LONGEST_TEXT,
    Column,
    Default,
    Finding,
    Index,
    Is,
    JobTable,
    Kind,
    MigrationStep,
    Table,
)
from sp00ky_store_kit.connection.session import Session

__all__ = [
    "AUDITS",
    "BREAKERS",
    "CONTROLS",
    "LIVE_STATUSES",
    "MIGRATIONS",
    "NOT_ENDED",
    "ROLLUPS",
    "RUNNERS",
    "TERMINAL_STATUSES",
    "VERSION",
    "Column",
    "Default",
    "Index",
    "Kind",
    "Table",
    "all_tables",
    "findings",
    "job_table",
    "migrate",
    "plan",
]


VERSION = 7
"""The version of the tables below. Whoever adds a column raises it, and lets the column be NULL or have a
default."""

TERMINAL_STATUSES = tuple(sorted(TERMINAL))
LIVE_STATUSES = (JobStatus.PENDING, JobStatus.PROCESSING)


_PENDING = Is("status", "=", JobStatus.PENDING)
NOT_ENDED = Is("status", "not in", TERMINAL_STATUSES)
"""The condition of ``LIVE_STATUSES`` in words that keep planners from using the index of statuses."""

_LIVE = Is("status", "in", LIVE_STATUSES)
_WITH_KEY = Is("ordering_key", "!=", None)

_JOB_COLUMNS = (
    Column("id", Kind.TEXT, Default.KEY, required=True, length=255),  # the key: a job's id is <table>:<key>
    Column("path", Kind.TEXT, length=2048, longest=LONGEST_TEXT),
    Column("payload", Kind.JSON),
    Column("status", Kind.TEXT, "pending", required=True, length=10),
    Column("retries", Kind.INTEGER, 0),
    Column("max_retries", Kind.INTEGER, 3),
    Column("retry_strategy", Kind.TEXT, "linear", length=255, longest=LONGEST_TEXT),
    Column("timeout", Kind.REAL),
    Column("assigned_to", Kind.TEXT, length=1024, longest=LONGEST_TEXT),
    Column("errors", Kind.JSON, "[]", longest=LONGEST_ERRORS),
    Column("result", Kind.JSON),
    Column("dedup_key", Kind.TEXT, length=255, longest=LONGEST_TEXT),
    Column("traceparent", Kind.TEXT, length=55, longest=LONGEST_TEXT),
    Column("created_at", Kind.INSTANT, Default.NOW),
    Column("updated_at", Kind.INSTANT, Default.NOW),
    Column("run_at", Kind.INSTANT, Default.NOW),
    Column("deferred_since", Kind.INSTANT),
    Column("lease_epoch", Kind.INTEGER, 0),
    Column("lease_until", Kind.INSTANT),
    Column("runner_id", Kind.TEXT, length=255, longest=LONGEST_TEXT),
    Column("last_error_name", Kind.TEXT),  # of the last entry in `errors`, so that filters need no JSON
    Column("last_error_code", Kind.INTEGER),
    Column("priority", Kind.INTEGER, 0),
    Column("ordering_key", Kind.TEXT, length=255, longest=LONGEST_TEXT),
    Column("ordering_at", Kind.INSTANT),  # NULL where there is no key
    Column("expires_at", Kind.INSTANT),
    Column("request_id", Kind.TEXT, length=200, longest=LONGEST_TEXT),
    Column("redacted_at", Kind.INSTANT),
    Column("copied_from", Kind.TEXT, length=310, longest=LONGEST_TEXT),
    Column("claimed_max_retries", Kind.INTEGER),
    Column("claimed_at", Kind.INSTANT),  # of the last claim that has ended
)

_JOB_INDEXES = (
    # ``status`` is the same in all its rows; without it a planner may take the index of that name, and sort.
    Index("claim", ("status", "priority", "run_at", "id"), (_PENDING, Is("ordering_key", "=", None))),
    Index("ordering", ("ordering_key", "ordering_at", "id"), (NOT_ENDED, _WITH_KEY)),
    Index(
        "ordered",
        ("ordering_key",),
        (Is("status", "=", JobStatus.PROCESSING), _WITH_KEY),
        unique=True,
    ),
    Index(
        "leased", ("lease_until",), (Is("status", "!=", JobStatus.PROCESSING), Is("lease_until", "!=", None))
    ),
    Index("deferred", ("deferred_since",), (_PENDING, Is("deferred_since", "!=", None))),
    Index("status", ("status", "updated_at")),
    Index("created", ("created_at", "id")),
    Index("assigned", ("assigned_to", "created_at"), (Is("assigned_to", "!=", None),)),
    Index("requested", ("request_id",), (Is("request_id", "!=", None),)),
    Index("copied", ("copied_from",), (Is("copied_from", "!=", None),)),
    Index("traced", ("traceparent",), (Is("traceparent", "!=", None),)),
    Index("dedup", ("dedup_key",), (_LIVE, Is("dedup_key", "!=", None)), unique=True),
)

_FORMER_JOB_INDEXES = ("due",)  # of version 1: (run_at, id) of pending rows, which each claim would maintain


@cache
def job_table(name: str) -> Table:
    """Return the table of one backend's jobs."""
    return Table(name, _JOB_COLUMNS, ("id",), _JOB_INDEXES, _FORMER_JOB_INDEXES)


RUNNERS = Table(
    "sp00ky_runner",
    (
        Column("id", Kind.TEXT, length=255),
        Column("host", Kind.TEXT),
        Column("pid", Kind.INTEGER),
        Column("started_at", Kind.INSTANT),
        Column("beat_at", Kind.INSTANT),
        Column("version", Kind.TEXT),
        Column("documents", Kind.JSON),
        Column("draining", Kind.INTEGER, 0),
        Column("in_flight", Kind.JSON),
        Column("slots", Kind.JSON),
    ),
    ("id",),
)

BREAKERS = Table(
    "sp00ky_breaker",
    (
        Column("backend", Kind.TEXT, length=255),
        Column("state", Kind.TEXT, "closed", length=10),  # open also while a probe is under way
        Column("failures", Kind.INTEGER, 0),
        Column("paused_until", Kind.INSTANT),
        Column("probe_runner", Kind.TEXT, length=255),
        Column("probe_until", Kind.INSTANT),
    ),
    ("backend",),
)

CONTROLS = Table(
    "sp00ky_control",
    (
        Column("backend", Kind.TEXT, length=255),
        Column("paused", Kind.INTEGER, 0),
        Column("paused_until", Kind.INSTANT),  # NULL: until it is resumed
        Column("reason", Kind.TEXT),
        Column("actor", Kind.TEXT),
        Column("since", Kind.INSTANT),
        Column("tokens", Kind.REAL),  # NULL: as many as there may be
        Column("tokens_at", Kind.INSTANT),
        Column("settings", Kind.JSON, longest=LONGEST_TEXT),  # what an operator has set, as in sp00ky.yml
        Column("settings_until", Kind.INSTANT),  # NULL: until they are reset
        Column("settings_by", Kind.TEXT),
    ),
    ("backend",),
)

AUDITS = Table(
    "sp00ky_audit",
    (
        Column("id", Kind.TEXT, length=255),
        Column("at", Kind.INSTANT),
        Column("actor", Kind.TEXT),
        Column("db_user", Kind.TEXT),
        Column("via", Kind.TEXT),
        Column("host", Kind.TEXT),
        Column("action", Kind.TEXT),
        Column("selection", Kind.JSON),
        Column("count", Kind.INTEGER, 0),
        Column("reason", Kind.TEXT),
        Column("ended_at", Kind.INSTANT),
    ),
    ("id",),
    (Index("at", ("at", "id")),),
)

MIGRATIONS = Table(
    "sp00ky_migration",
    (
        Column("table_name", Kind.TEXT, length=255),
        Column("version", Kind.INTEGER),
        Column("min_compatible", Kind.INTEGER),  # the oldest version whose code can work on the table
        Column("applied_at", Kind.INSTANT),
    ),
    ("table_name",),
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
        Column("buckets", Kind.JSON),  # by ``COARSE_BOUNDS``, which 0.2 reads
        Column("fine", Kind.JSON),  # by ``BUCKET_BOUNDS``; NULL in rows of 0.2
    ),
    ("minute", "runner_id", "backend", "path", "outcome", "code"),
)

MARKS = frozenset({"id", "path", "payload", "status"})
"""Columns without which a table is no job table."""


async def plan(session: Session, tables: Sequence[Table], location: str) -> list[MigrationStep]:
    """List what is missing, in the order in which it can be added.

    Raises:
        SchemaError: A table of this name is no table of jobs, or a newer version has changed it.
    """
    steps: list[MigrationStep] = []
    for table in tables:
        steps += await _plan_table(session, table, location)
    return steps


async def migrate(session: Session, tables: Sequence[Table], location: str) -> list[MigrationStep]:
    """Add what is missing, planned in the same transaction, so that any number may do it at once."""
    async with session.migrating():
        steps = await plan(session, tables, location)
        for step in steps:
            await session.define(step.statement)
        for table in tables:
            await _record(session, table)
    return steps


async def check(session: Session, tables: Sequence[Table], location: str) -> list[Finding]:
    """Say what is wrong with the tables: what is missing, and what no migration mends."""
    problems = findings(await plan(session, tables, location))
    for table in tables:
        problems += await session.findings(session.fitted(table))
    return problems


def findings(steps: Sequence[MigrationStep]) -> list[Finding]:
    """Say what a plan's steps mean as long as they aren't made; in one line which tables are missing."""
    fix, created = "run: sp00ky migrate", [step.table for step in steps if step.creates_table]
    those = f"tables are missing: {', '.join(created)}" if len(created) > 1 else "table is missing"
    absent = [Finding.stopping(name, f"the {those}", NO_TABLE, fix) for name in created[:1]]
    others = (step for step in steps if step.table not in created)
    return absent + [
        Finding(
            stops_jobs=step.stops_jobs,
            subject=step.table,
            problem=step.why,
            consequence=step.without,
            fix=fix,
        )
        for step in others
    ]


NO_TABLE = "no job can be enqueued or claimed"
NO_INDEX = "claims and reads get slower as the table grows"
NOT_UNIQUE = "two jobs may hold a dedup_key, or be processed at once for an ordering_key"
NOT_USED = "each claim maintains an index that nothing uses"


def all_tables(tables: Sequence[JobTable], extensions: Sequence[Table] = ()) -> list[Table]:
    """Return the tables of jobs, ours beside them, and those of extensions."""
    fleet = (RUNNERS, BREAKERS, CONTROLS, AUDITS, ROLLUPS, MIGRATIONS)
    return [*(job_table(table.table) for table in tables), *fleet, *extensions]


async def _plan_table(session: Session, declared: Table, location: str) -> list[MigrationStep]:
    table = session.fitted(declared)
    step = partial(MigrationStep, table=table.name)
    steps, indexes = list[MigrationStep](), frozenset[str]()
    present = await session.columns_of(table)
    if present is None:
        create = session.definition(table)
        steps.append(step(statement=create, why="the table is missing", creates_table=True, without=NO_TABLE))
    else:
        await _refuse_strangers(session, declared, present, location)
        indexes = await session.indexes_of(table)
        steps += [
            step(statement=session.definition(table, column), why=f"the column {column.name} is missing")
            for column in table.columns
            if column.name not in present
        ]
    steps += [
        step(
            statement=session.definition(table, index),
            why=f"the index {table.index_name(index)} is missing",
            without=NOT_UNIQUE if index.unique else NO_INDEX,
            stops_jobs=index.unique,
        )
        for index in table.indexes
        if table.index_name(index) not in indexes
    ]
    for name in sorted(table.former_indexes() & indexes):
        why = f"the index {name} is of an earlier version, and nothing uses it"
        steps.append(
            step(statement=session.removal(table, name), why=why, without=NOT_USED, stops_jobs=False)
        )
    return steps


async def _refuse_strangers(session: Session, table: Table, present: frozenset[str], location: str) -> None:
    needed = MARKS if table.kinds.keys() >= MARKS else frozenset(table.key)
    if missing := sorted(needed - present):
        problem = f"the table {table.name} is no table of Sp00ky's: it has no column {missing[0]}"
        raise SchemaError(store=location, problem=f"{problem}; rename it, or set `table` to another name")
    if table is MIGRATIONS:
        for row in await session.select(MIGRATIONS):
            if (row["min_compatible"] or 0) > VERSION:
                problem = f"the table {row['table_name']} was changed by a newer version"
                raise SchemaError(store=location, problem=f"{problem}: upgrade sp00ky-core")


async def _record(session: Session, table: Table) -> None:
    where = [Is("table_name", "=", table.name)]
    rows = await session.select(MIGRATIONS, where)
    version = table.version or VERSION
    if rows and (rows[0]["version"] or 0) >= version:
        return
    values = {"version": version, "min_compatible": 1, "applied_at": await session.now()}
    if not await session.update(MIGRATIONS, where, values):
        await session.insert(MIGRATIONS, [{"table_name": table.name, **values}])
