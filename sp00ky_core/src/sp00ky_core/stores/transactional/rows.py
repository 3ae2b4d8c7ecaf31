"""Turn rows into jobs and transitions into columns, and leave out rows that the database refuses."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from sp00ky_core.encoding.job_json import instant_to_json
from sp00ky_core.errors import RowRefused
from sp00ky_core.job import AttemptError, Job
from sp00ky_core.ports import LONGEST_LISTED, JobTable
from sp00ky_core.stores.ids import job_id, table_of
from sp00ky_core.stores.isolation import Quarantine
from sp00ky_core.stores.rows import UNREAD, job_of, with_last_error
from sp00ky_core.stores.transactional.connection.session import Is, Row, Session, Update
from sp00ky_core.stores.transactional.schema.definition import Table, job_table

LISTED = dict.fromkeys(("payload", "result", "errors"), LONGEST_LISTED)
"""Bytes that a list reads of these."""
DECIDED = {"payload": 0, "result": 0}
"""Bytes that are read of what a decision doesn't depend on."""

CHUNK = 500
"""So many values at most are in one condition."""


def claimed_lengths(table: JobTable) -> dict[str, int]:
    """Return the bytes that a claim reads of a payload and a result."""
    return {"payload": table.max_payload_bytes, "result": 0}


def chunks(values: Iterable[str]) -> Iterator[Sequence[str]]:
    """Cut values into lists of ``CHUNK``, without repetitions."""
    unique = list(dict.fromkeys(values))
    for start in range(0, len(unique), CHUNK):
        yield unique[start : start + CHUNK]


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
    }
    if after.priority != before.priority:
        values["priority"] = after.priority
    if after.errors != before.errors:
        last = after.errors[-1]
        values["errors"] = json.dumps([_entry(each) for each in after.errors])  # lone surrogates escaped
        values |= {"last_error_name": last.name, "last_error_code": last.code}
    if after.result_json != before.result_json and after.result_json is not None:
        values["result"] = after.result_json.decode()
    return values


def _entry(error: AttemptError) -> dict[str, Any]:
    fields = attrs.asdict(error)
    for name in ("at", "since"):
        if fields[name] is not None:
            fields[name] = instant_to_json(fields[name])
    if error.count == 1:
        del fields["count"], fields["since"]
    return fields


Found = Mapping[str, tuple[JobTable, Row]]
"""Rows and their tables by the job's id."""


async def load_rows(
    session: Session,
    tables: Mapping[str, JobTable],
    job_ids: Iterable[str],
    *,
    longest: Mapping[str, int] = DECIDED,
    lock: bool = False,
) -> Found:
    """Read rows by their jobs' ids; ``tables`` by name, an id of no table, or row, is left out."""
    found: dict[str, tuple[JobTable, Row]] = {}
    for some in chunks(filter(is_nameable, job_ids)):
        keys: dict[str, list[str]] = {}
        for each in some:
            keys.setdefault(table_of(each), []).append(key_of(each))
        for name in keys.keys() & tables.keys():
            where = [Is("id", "in", keys[name])]
            for row in await session.select(job_table(name), where, longest=longest, lock=lock):
                found[f"{name}:{row['id']}"] = (tables[name], row)
    return found


def others_than(refused: Quarantine, verb: str, table: str) -> list[Is]:
    """Return the condition that leaves out those of ``keys_resting`` that it can name."""
    keys = tuple(filter(is_nameable, keys_resting(refused, verb, table)))
    return [Is("id", "not in", keys)] if keys else []


def keys_resting(refused: Quarantine, verb: str, table: str) -> list[str]:
    """List the keys of a table's rows that the database refused a short while ago."""
    return [key_of(each) for each in refused.resting(verb) if table_of(each) == table]
