"""Insert jobs: a batch in one round trip, all or none; one live job for each dedup key."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import attrs
from surrealdb import RecordID

from sp00ky_core.errors import StoreError
from sp00ky_core.ids import uuid7
from sp00ky_core.job import Job, NewJob
from sp00ky_core.ports import JobTable
from sp00ky_store_surreal.connection import TRIES, Connection, Way
from sp00ky_store_surreal.errors import AlreadyThere, ConnectionLost, DuplicateKey
from sp00ky_store_surreal.ids import id_text
from sp00ky_store_surreal.mapping import delay_text, job_from, row_from
from sp00ky_store_surreal.queries import NUL, quoted, surql

__all__ = ["add"]

ONCE = Way(resend=False)


@attrs.frozen(kw_only=True)
class _Batch:
    """What one table is given."""

    table: JobTable
    whole_seconds: bool
    rows: list[dict[str, Any]] = attrs.field(factory=list)
    delays: list[dict[str, Any]] = attrs.field(factory=list)

    def take(self, new_job: NewJob) -> RecordID:
        key = RecordID(self.table.table, uuid7().hex)
        self.rows.append(row_from(new_job, key, whole_seconds=self.whole_seconds))
        if new_job.delay:
            self.delays.append({"id": key, "delay": delay_text(new_job.delay)})
        return key


async def add(
    connection: Connection,
    tables: Mapping[str, JobTable],
    new_jobs: Sequence[NewJob],
    *,
    whole_seconds: Collection[str] = (),
) -> list[Job]:
    """The stored jobs, in order; of a dedup key that is taken, the job that has it.

    ``whole_seconds`` names the backends whose table takes no fraction in ``timeout``.
    """
    if not new_jobs:
        return []
    batches: dict[str, _Batch] = {}
    first: dict[tuple[str, str], RecordID] = {}
    keys: list[RecordID] = []
    for each in new_jobs:
        batch = batches.setdefault(
            each.backend,
            _Batch(table=tables[each.backend], whole_seconds=each.backend in whole_seconds),
        )
        held = (each.backend, each.dedup_key or "")
        key = first[held] if each.dedup_key and held in first else batch.take(each)
        if each.dedup_key:
            first.setdefault(held, key)
        keys.append(key)
    stored = await _insert(connection, list(batches.values()))
    return [_stored(stored, key, each) for key, each in zip(keys, new_jobs, strict=True)]


def _stored(stored: Mapping[tuple[str, str], Job], key: RecordID, new_job: NewJob) -> Job:
    by_id = stored.get(("id", id_text(key)))
    return by_id if by_id is not None else stored[(new_job.backend, new_job.dedup_key or "")]


async def _insert(connection: Connection, batches: list[_Batch]) -> dict[tuple[str, str], Job]:
    statement, bindings = _statement(batches)
    last: StoreError | None = None
    lost = False
    for _ in range(TRIES):
        try:
            if lost and (stored := await _committed(connection, batches)):
                return stored
            reply = await connection.write(statement, ONCE, **bindings)
            # Other statements of the transaction return nothing: the rows are the last non-empty lists.
            return _by_key(
                batches, [each for each in reply if isinstance(each, list) and each][-len(batches) :]
            )
        except DuplicateKey as error:  # somebody committed the key in the meantime: look again
            last = error
        except ConnectionLost as error:
            last, lost = error, True
        except AlreadyThere as error:  # what was sent first got through in the meantime
            if not lost:
                raise
            last = error
    raise last or AssertionError(TRIES)


async def _committed(connection: Connection, batches: list[_Batch]) -> dict[tuple[str, str], Job]:
    """What was stored, where a batch whose reply was lost got through (all of it, or none); else nothing."""
    statement, bindings = _statement(batches, insert=False)
    reply = await connection.read(statement, **bindings)
    stored = _by_key(batches, reply[-len(batches) :])
    ours = {("id", id_text(row["id"])) for batch in batches for row in batch.rows}
    return stored if ours & stored.keys() else {}


def _statement(batches: list[_Batch], *, insert: bool = True) -> tuple[str, dict[str, Any]]:
    parts, reads = ["BEGIN;"] if insert else [], []
    bindings: dict[str, Any] = {**NUL, "delays": [each for batch in batches for each in batch.delays]}
    for number, batch in enumerate(batches):
        n, table = str(number), quoted(batch.table.table)
        keys = [row["dedup_live"] for row in batch.rows if "dedup_live" in row]
        bindings |= {f"new{n}": batch.rows, f"ids{n}": [row["id"] for row in batch.rows], f"keys{n}": keys}
        if keys:
            parts.append(surql("live", table=table, n=n))
        if insert:
            parts.append(surql("insert_unique" if keys else "insert", table=table, n=n))
        reads.append(surql("inserted", what=f"$stored{n}" if keys else f"$ids{n}"))
    if insert and bindings["delays"]:
        parts.append(surql("delay"))
    return "".join([*parts, *reads, "COMMIT;" if insert else ""]), bindings


def _by_key(batches: list[_Batch], lists: list[Any]) -> dict[tuple[str, str], Job]:
    stored: dict[tuple[str, str], Job] = {}
    for batch, rows in zip(batches, lists, strict=True):
        for job in (job_from(row, batch.table) for row in rows):
            stored["id", job.id] = job
            if job.dedup_key is not None:
                stored[job.backend, job.dedup_key] = job
    return stored
