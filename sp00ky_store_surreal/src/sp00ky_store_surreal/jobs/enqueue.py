"""Insert jobs: a batch in one round trip, all or none; one live job for each dedup key.

A caller's transaction is one of the SDK's client transactions, on a server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import attrs
from surrealdb import AsyncSurrealTransaction, RecordID
from surrealdb.errors import SurrealError

from sp00ky_core.errors import OptionInvalid, StoreError
from sp00ky_core.job.job import Job, NewJob
from sp00ky_core.ports import JobTable, Spawn, Statement
from sp00ky_core.stores.ids import new_key
from sp00ky_store_surreal.connection.executor import ONCE, TRIES, Connection
from sp00ky_store_surreal.errors import (
    AlreadyThere,
    ConnectionLost,
    DuplicateKey,
    ReplyUnreadable,
    statement_error,
    translated,
    unwritable,
)
from sp00ky_store_surreal.ids import id_text
from sp00ky_store_surreal.rows import MADE_FIT, WHOLE, duration_text, job_from, row_from
from sp00ky_store_surreal.schema.readiness import Readiness
from sp00ky_store_surreal.surql.loader import NUL, quoted, surql
from sp00ky_store_surreal.url import Target

EXPECTED = (
    "a transaction of the SurrealDB SDK (await session.begin_transaction()) that is open; "
    "or put outbox.statement(...) into your own BEGIN ... COMMIT"
)
GONE = "Transaction not found"
"""What a server says of a transaction that was committed or cancelled."""

EMBEDDED = "nothing: an embedded database has no client transactions; see outbox.statement(...)"


class Transaction:
    """Sends single statements within a transaction of the caller's.

    Raises:
        OptionInvalid: the connection is no such transaction.
    """

    def __init__(self, connection: object, target: Target) -> None:
        if target.embedded or not isinstance(connection, AsyncSurrealTransaction):
            kind = f"{type(connection).__module__}.{type(connection).__qualname__}"
            raise _unfit(f"of type {kind}", EMBEDDED if target.embedded else EXPECTED)
        self._sdk = connection
        self._location = target.location

    async def query(self, statement: str, bindings: Mapping[str, Any]) -> Any:
        """Send a statement; return its result. Raises as a statement of the store's own does."""
        try:
            reply = await self._sdk.query(statement, dict(bindings))
        except SurrealError as error:
            if str(error) == GONE:
                raise _unfit("a transaction that has ended", EXPECTED) from error
            refusal = statement_error(self._location, [{"status": "ERR", "result": str(error)}])
            raise refusal or translated(self._location, error) from error
        except Exception as error:
            raise translated(self._location, error) from error
        # The SDK's second version gives the first statement's result, its third a list of all of them.
        return reply[-1] if isinstance(reply, list) and reply else reply


def _unfit(value: str, expected: str) -> OptionInvalid:
    return OptionInvalid(option="connection", value=value[:80], expected=expected)


@attrs.frozen(kw_only=True)
class _Batch:
    """Collects what one table is given."""

    table: JobTable
    whole_seconds: bool
    rows: list[dict[str, Any]] = attrs.field(factory=list)
    delays: list[dict[str, Any]] = attrs.field(factory=list)

    def take(self, new_job: NewJob) -> RecordID:
        key = RecordID(self.table.table, new_key())
        self.rows.append(row_from(new_job, key, whole_seconds=self.whole_seconds))
        if new_job.delay:
            self.delays.append({"id": key, "delay": duration_text(new_job.delay.total_seconds())})
        return key


@attrs.frozen
class Enqueues:
    """Inserts the jobs of a store.

    Attributes:
        ready: Knows what the tables can hold.
        tables: By backend.
    """

    ready: Readiness
    tables: Mapping[str, JobTable]

    async def add(self, new_jobs: Sequence[NewJob], *, within: object = None) -> list[Job]:
        """See ``Store.add``; ``within`` is a transaction of a caller's."""
        target = self.ready.connection.target
        transaction = None if within is None else Transaction(within, target)
        connection = await self.ready.ensure()
        if not new_jobs:
            return []
        batches: dict[str, _Batch] = {}
        first: dict[tuple[str, str], RecordID] = {}
        keys: list[RecordID] = []
        whole_seconds = self.ready.whole_seconds()
        for job in new_jobs:
            new = _Batch(table=self.tables[job.backend], whole_seconds=job.backend in whole_seconds)
            batch = batches.setdefault(job.backend, new)
            held = (job.backend, job.dedup_key or "")
            key = first[held] if job.dedup_key and held in first else batch.take(job)
            if job.dedup_key:
                first.setdefault(held, key)
            keys.append(key)
        made = list(batches.values())
        inserted = _insert_within(transaction, target, made) if transaction else _insert(connection, made)
        stored = _by_key(made, await inserted)
        try:
            return [_stored(stored, key, new_job) for key, new_job in zip(keys, new_jobs, strict=True)]
        except KeyError:  # what was written must be there to be read
            raise unwritable(target.location, made[0].table.table) from None

    def rows_of(self, spawns: Sequence[Spawn]) -> list[dict[str, Any]]:
        """Build the rows of a fire's jobs, whose keys are those of its runs."""
        whole_seconds = self.ready.whole_seconds()
        return [
            row_from(
                spawn.job,
                RecordID(self.tables[spawn.job.backend].table, spawn.job_key.hex),
                whole_seconds=spawn.job.backend in whole_seconds,
            )
            for spawn in spawns
        ]

    def statement(self, new_job: NewJob) -> Statement:
        """See ``Statements.statement``."""
        table = self.tables[new_job.backend]
        key = RecordID(table.table, new_key())
        name = f"sp00ky_{new_key()}"  # so that several fit into one query
        row: dict[str, Any] = row_from(new_job, key, whole_seconds=True)
        if new_job.delay:
            row["delay"] = duration_text(new_job.delay.total_seconds())
        kind = "enqueue_statement_unique" if new_job.dedup_key else "enqueue_statement"
        text = surql(kind, job=name, table=quoted(table.table))
        return Statement(text=text, bindings={f"{name}_row": row}, job_id=id_text(key), variable=f"${name}")


def _stored(stored: Mapping[tuple[str, str], Job], key: RecordID, new_job: NewJob) -> Job:
    by_id = stored.get(("id", id_text(key)))
    return by_id if by_id is not None else stored[(new_job.backend, new_job.dedup_key or "")]


async def _insert(connection: Connection, batches: list[_Batch]) -> list[Any]:
    statement, bindings = _statement(batches)
    last: StoreError | None = None
    lost = False
    for _ in range(TRIES):
        try:
            if lost and (stored := await _committed(connection, batches)):
                return stored
            return _jobs_of(await connection.write(statement, ONCE, **bindings))
        except DuplicateKey as error:  # another client committed the key in the meantime: look again
            last = error
        except (ConnectionLost, ReplyUnreadable) as error:
            last, lost = error, True
        except AlreadyThere as error:  # what was sent first got through in the meantime
            if not lost:
                raise
            last = error
    raise last or AssertionError(TRIES)


async def _committed(connection: Connection, batches: list[_Batch]) -> list[Any]:
    """Read what was stored, where a batch whose reply was lost got through; else nothing."""
    statement, bindings = _statement(batches, insert=False)
    jobs = _jobs_of(await connection.read(statement, **bindings))
    ours = {id_text(row["id"]) for batch in batches for row in batch.rows}
    return jobs if ours & {id_text(row["id"]) for rows in jobs for row in rows} else []


def _jobs_of(reply: list[Any]) -> list[Any]:
    jobs: list[Any] = reply[-1]["jobs"]
    return jobs


async def _insert_within(transaction: Transaction, target: Target, batches: list[_Batch]) -> list[Any]:
    statement, bindings = _statement(batches, guard=surql("enqueue_refuse_elsewhere"))
    place = {"namespace": target.namespace, "database": target.database}
    try:
        reply = await transaction.query(statement, bindings | place)
    except StoreError:
        # What a statement wrote before it failed would be committed with the rest.
        ids = [row["id"] for batch in batches for row in batch.rows]
        with suppress(StoreError):  # then the transaction is lost as a whole
            await transaction.query(surql("enqueue_take_back"), {"ids": ids})
        raise
    if "elsewhere" in reply:  # no runner here would run its jobs
        where = "/".join(map(str, reply["elsewhere"]))
        raise _unfit(f"in {where}", f"one in {target.namespace}/{target.database}, where the jobs are")
    return _jobs_of([reply])


def _statement(batches: list[_Batch], *, insert: bool = True, guard: str = "") -> tuple[str, dict[str, Any]]:
    """Write one block, so that it is one transaction, or a part of one; the rows of each batch."""
    parts, reads = guard, []
    bindings: dict[str, Any] = {
        **NUL,
        **WHOLE.bindings(""),
        "delays": [delay for batch in batches for delay in batch.delays],
    }
    for number, batch in enumerate(batches):
        n, table = str(number), quoted(batch.table.table)
        keys = [row["dedup_live"] for row in batch.rows if "dedup_live" in row]
        bindings |= {f"new{n}": batch.rows, f"ids{n}": [row["id"] for row in batch.rows], f"keys{n}": keys}
        parts += surql("enqueue_dedup_holders", table=table, n=n) if keys else ""
        # What was just written is as it is returned, unless it is changed once more, or is another job.
        is_whole = insert and not keys and not batch.delays
        if not insert:
            parts += surql("enqueue_find_committed", n=n, live=f"$live{n}.id" if keys else "[]")
        elif keys:
            parts += surql("enqueue_insert_unique", table=table, n=n)
        else:
            parts += surql("enqueue_insert", table=table, n=n, what="AFTER" if is_whole else "VALUE id")
        reads.append(f"$found{n}" if is_whole else surql("enqueued_jobs", n=n, columns=MADE_FIT))
    if insert and bindings["delays"]:
        parts += surql("enqueue_set_delays")
    return surql("enqueue_transaction", parts=parts, reads=", ".join(reads)), bindings


def _by_key(batches: list[_Batch], jobs: list[Any]) -> dict[tuple[str, str], Job]:
    stored: dict[tuple[str, str], Job] = {}
    for batch, rows in zip(batches, jobs, strict=True):
        for job in (job_from(row, batch.table) for row in rows):
            stored["id", job.id] = job
            if job.dedup_key is not None:
                stored[job.backend, job.dedup_key] = job
    return stored
