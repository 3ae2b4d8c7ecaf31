"""Turn rows into jobs, transitions into columns, and conditions on jobs into conditions on rows."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Unpack

import attrs

from sp00ky_core.errors import RowRefused
from sp00ky_core.job.job import UNSAID, AttemptError, Job, JobStatus, instant_to_json
from sp00ky_core.ports import LONGEST_LISTED, JobFilter, JobQuery, JobTable
from sp00ky_core.stores.ids import chunks, job_id, table_of
from sp00ky_core.stores.refused_writes import Quarantine
from sp00ky_core.stores.rows import UNREAD, job_of, with_last_error
from sp00ky_store_kit.connection.session import (
    Either,
    Is,
    ReadOptions,
    Row,
    Session,
    Update,
    Where,
)
from sp00ky_store_kit.schema import NOT_ENDED, Table, job_table

__all__ = ["Tables", "LISTED", "filters", "load_rows", "matching", "to_job"]

Tables = Sequence[JobTable]
"""Tables of a store's backends."""

LISTED = dict.fromkeys(("payload", "result", "errors"), LONGEST_LISTED)
"""Bytes that a list reads of these."""
DECIDED = {"payload": 0, "result": 0}
"""Bytes that are read of what a decision doesn't depend on."""


def claimed_lengths(table: JobTable) -> dict[str, int]:
    """Return the bytes that a claim reads of a payload and a result."""
    return {"payload": table.max_payload_bytes, "result": 0}


def to_job(table: JobTable, row: Row) -> Job:
    """Read a row with all its columns."""
    errors = with_last_error(row["errors"], row["last_error_name"], row["last_error_code"])
    return job_of(
        {**row, "id": job_id(table.table, str(row["id"])), "errors": errors},
        backend=table.backend,
        strategies=table.strategies,
        timeout_counts=table.timeout_overridable,
    )


def key_of(job_id: str) -> str:
    """Cut the table off an id."""
    return job_id.partition(":")[2]


def is_nameable(key: str) -> bool:
    """Whether a statement can hold the key: not one that was read from bytes which are no UTF-8."""
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return True


def guard_of(row: Row) -> list[Is]:
    """Name the row, as long as its values, which may be nonsense, are as they were read."""
    names = "id", "status", "lease_epoch", "runner_id"
    return [Is(name, "=", row[name]) for name in names if row[name] != UNREAD]


class RowChanged(RowRefused):
    """A row is no longer as it was read: another transaction has written it."""


async def update_all(session: Session, table: Table, updates: Sequence[Update]) -> None:
    """Update rows that this transaction has read, and where it can has locked.

    Raises:
        RowChanged: One is no longer as it was read. Each is to be written on its own.
        RowRefused: The database refuses one.
    """
    if updates and await session.update_many(table, updates) != len(updates):
        raise RowChanged(store=table.name, problem="a row was changed meanwhile")


def changes(before: Job, after: Job) -> dict[str, Any]:
    """List the columns that differ, and those that every write of a status sets."""
    values: dict[str, Any] = {
        "status": after.status.value,
        "retries": after.retries,
        "run_at": after.run_at,
        "deferred_since": after.deferred_since,
        "lease_epoch": after.lease_epoch,
        "lease_until": after.lease_until,
        "runner_id": after.runner_id,
        "updated_at": after.updated_at,
        "claimed_at": after.claimed_at,
    }
    if after.priority != before.priority:
        values["priority"] = after.priority
    if after.request_id != before.request_id:
        values["request_id"] = after.request_id
    if after.errors != before.errors:
        last = after.errors[-1]
        values["errors"] = errors_text(after.errors)
        values |= {"last_error_name": last.name, "last_error_code": last.code}
    if after.result_json != before.result_json and after.result_json is not None:
        values["result"] = after.result_json.decode()
    return values


def errors_text(errors: Iterable[AttemptError]) -> str:
    """Write entries as a column has them; lone surrogates are escaped."""
    entries = [
        {name: value for name, value in attrs.asdict(error).items() if value != UNSAID.get(name, ...)}
        for error in errors
    ]
    return json.dumps(entries, default=instant_to_json)


Found = Mapping[str, tuple[JobTable, Row]]
"""Rows and their tables by the job's id."""


async def load_rows(
    session: Session,
    tables: Mapping[str, JobTable],
    job_ids: Iterable[str],
    **options: Unpack[ReadOptions],
) -> Found:
    """Read rows by their jobs' ids; ``tables`` by name, an id of no table, or row, is left out."""
    rows: dict[str, tuple[JobTable, Row]] = {}
    for name, keys in keys_by_table(job_ids, tables):
        for row in await session.select(job_table(name), [Is("id", "in", keys)], **options):
            rows[f"{name}:{row['id']}"] = (tables[name], row)
    return rows


def keys_by_table(job_ids: Iterable[str], tables: Collection[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """Cut the keys in jobs' ids into lists, each of one table; an id of no table is left out."""
    keys: dict[str, list[str]] = {}
    for id_ in filter(is_nameable, job_ids):
        keys.setdefault(table_of(id_), []).append(key_of(id_))
    for name in sorted(keys.keys() & tables):  # so that no two transactions lock rows in two orders
        for some in chunks(keys[name]):
            yield name, some


def as_given(session: Session, job_ids: Iterable[str]) -> dict[str, list[str]]:
    """Group ids by the id that jobs have, of which they may be another notation."""
    given: dict[str, list[str]] = {}
    for id_ in job_ids:
        given.setdefault(session.canonical(id_), []).append(id_)
    return given


def others_than(refused: Quarantine, verb: str, table: str) -> list[Is]:
    """Return the condition that leaves out those of ``keys_resting`` that it can name."""
    keys = tuple(filter(is_nameable, keys_resting(refused, verb, table)))
    return [Is("id", "not in", keys)] if keys else []


def keys_resting(refused: Quarantine, verb: str, table: str) -> list[str]:
    """List the keys of a table's rows that the database refused a short while ago."""
    return [key_of(job_id) for job_id in refused.resting(verb) if table_of(job_id) == table]


PENDING = Is("status", "=", JobStatus.PENDING)
PROCESSING = Is("status", "=", JobStatus.PROCESSING)
ORDERED = (NOT_ENDED, Is("ordering_key", "!=", None))
UNORDERED = (PENDING, Is("ordering_key", "=", None))
NEWEST_FIRST, OLDEST_FIRST = ("-created_at", "-id"), ("created_at", "id")


def filters(conditions: JobFilter, table: JobTable) -> list[Where] | None:
    """Return the conditions on a table's rows; None: no row of it can meet them."""
    if conditions.backend not in {None, table.backend}:
        return None
    where: list[Where] = [Is(*comparison) for comparison in conditions.comparisons()]
    if isinstance(conditions, JobQuery) and conditions.ids is not None:
        keys = [key_of(id_) for id_ in conditions.ids if table_of(id_) == table.table]
        return [*where, Is("id", "in", keys)] if keys else None
    return where


def matching(tables: Iterable[JobTable], conditions: JobFilter) -> Iterator[tuple[JobTable, list[Where]]]:
    """Yield the tables whose rows can meet conditions on jobs, with the conditions on these."""
    for table in tables:
        where = filters(conditions, table)
        if where is not None:
            yield table, where


async def select_jobs(
    session: Session, table: JobTable, where: Sequence[Where], **options: Unpack[ReadOptions]
) -> list[Job]:
    """Return the jobs of the rows that meet conditions."""
    rows = await session.select(job_table(table.table), where, **options)
    return [to_job(table, row) for row in rows]


@attrs.frozen
class JobRows:
    """Reads the rows of a table of jobs in one transaction, at one time.

    Attributes:
        session: The transaction.
        table: The table.
        now: The time.
    """

    session: Session
    table: JobTable
    now: datetime

    async def select(self, where: Sequence[Where], **options: Unpack[ReadOptions]) -> list[Row]:
        """Select rows that meet all conditions: see ``Session.select``."""
        return await self.session.select(job_table(self.table.table), where, **options)

    async def count(self, *where: Where) -> int:
        """Count the rows that meet all conditions."""
        return await self.session.count(job_table(self.table.table), where)

    def due(self) -> tuple[Is, Is]:
        """Return the conditions that a pending row is due: it says nothing, or a time that has come."""
        return Is("run_at", "=", None), Is("run_at", "<=", self.now)

    def overdue(self) -> Where:
        """Return the condition that a lease has run out, is missing, or is none that a claim has written."""
        return Either(
            (
                Is("lease_until", "=", None),
                Is("lease_until", "<=", self.now),
                Is("lease_until", ">", self._longest_lease()),
                Is("lease_epoch", "=", None),
                Is("lease_epoch", "<=", 0),
            )
        )

    def leased(self) -> list[Where]:
        """Return the conditions of rows that aren't processing, and whose request may still be under way.

        They were lost or killed; a lease that no claim can have written says nothing.
        """
        return [
            Is("status", "!=", JobStatus.PROCESSING),
            Is("lease_until", ">", self.now),
            Is("lease_until", "<=", self._longest_lease()),
            Is("lease_epoch", ">", 0),
        ]

    def _longest_lease(self) -> datetime:
        return self.now + timedelta(seconds=self.table.longest_lease)


async def rows_of(session: Session, tables: Iterable[JobTable]) -> list[JobRows]:
    """Return the rows of tables, at the time of the transaction."""
    now = await session.now()
    return [JobRows(session, table, now) for table in tables]
