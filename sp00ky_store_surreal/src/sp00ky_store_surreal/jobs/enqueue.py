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
from sp00ky_core.ports import JobTable, KeyedJob, Row, Statement, Table
from sp00ky_core.stores.ids import new_key
from sp00ky_core.stores.rows import new_row
from sp00ky_store_kit.caller_connections import unknown_kind
from sp00ky_store_surreal import errors
from sp00ky_store_surreal.connection.conflict_retries import ONCE, TRIES, Connection
from sp00ky_store_surreal.ids import id_text
from sp00ky_store_surreal.kit_session import SurrealSession, inserts_of, stored_row
from sp00ky_store_surreal.rows import MADE_FIT, WHOLE, job_from, row_from
from sp00ky_store_surreal.schema.table_layouts import TableLayouts
from sp00ky_store_surreal.surql.durations import duration_text
from sp00ky_store_surreal.surql.loader import NUL, quoted, surql
from sp00ky_store_surreal.url import Target

EXPECTED = (
    "a transaction of the SurrealDB SDK (await session.begin_transaction()) that is open; "
    "or put outbox.statement(...) into your own BEGIN ... COMMIT"
)
GONE = "Transaction not found"
"""What a server says of a transaction that was committed or cancelled."""

EMBEDDED = "nothing: an embedded database has no client transactions; see outbox.statement(...)"


def _adopted(connection: object, target: Target) -> AsyncSurrealTransaction:
    """Take a caller's transaction. Raises ``OptionInvalid`` where it is none of the SDK's."""
    if target.embedded or not isinstance(connection, AsyncSurrealTransaction):
        raise unknown_kind(connection, EMBEDDED if target.embedded else EXPECTED)
    return connection


async def _query(
    transaction: AsyncSurrealTransaction, location: str, statement: str, bindings: Mapping[str, Any]
) -> Any:
    """Send a statement; return its result. Raises as a statement of the store's own does."""
    try:
        reply = await transaction.query(statement, dict(bindings))
    except SurrealError as error:
        if str(error) == GONE:
            raise _unfit("a transaction that has ended", EXPECTED) from error
        refusal = errors.statement_error(location, [{"status": "ERR", "result": str(error)}])
        raise refusal or errors.translated(location, error) from error
    except Exception as error:
        raise errors.translated(location, error) from error
    # The SDK's second version gives the first statement's result, its third a list of all of them.
    return reply[-1] if isinstance(reply, list) and reply else reply


def _unfit(value: str, expected: str) -> OptionInvalid:
    return OptionInvalid(option="connection", value=value[:80], expected=expected)


ByBackend = Mapping[str, JobTable]
"""A store's tables, by their backends."""

_Name = tuple[str, str]
"""A job by which what a batch stored is found: its backend and its dedup_key, or ``""`` and its id."""


@attrs.frozen(kw_only=True)
class _Batch:
    """Collects the rows that one table is to get."""

    table: JobTable
    whole_seconds: bool
    rows: dict[_Name, dict[str, Any]] = attrs.field(factory=dict)
    delays: list[dict[str, Any]] = attrs.field(factory=list)

    def take(self, new_job: NewJob, key: RecordID) -> _Name:
        """Add the row of a job, unless one before it has its dedup_key."""
        name = (self.table.backend, new_job.dedup_key) if new_job.dedup_key else ("", id_text(key))
        if name not in self.rows:
            self.rows[name] = row_from(new_job, key, whole_seconds=self.whole_seconds)
            if new_job.delay:
                self.delays.append({"id": key, "delay": duration_text(new_job.delay.total_seconds())})
        return name

    @property
    def ids(self) -> list[RecordID]:
        """List the ids of its rows."""
        return [row["id"] for row in self.rows.values()]


async def add(
    layouts: TableLayouts, tables: ByBackend, new_jobs: Sequence[NewJob], *, within: object = None
) -> list[Job]:
    """See ``Store.add``; ``within`` is a transaction of a caller's."""
    target = layouts.connection.target
    transaction = None if within is None else _adopted(within, target)
    connection = await layouts.ensure()
    if not new_jobs:
        return []
    batches, names = _batches(layouts, tables, [(new_job, new_key()) for new_job in new_jobs])
    inserted = _insert_within(transaction, target, batches) if transaction else _insert(connection, batches)
    return _named(names, _by_name(batches, await inserted), target, batches)


def _batches(
    layouts: TableLayouts, tables: ByBackend, jobs: Sequence[tuple[NewJob, str]]
) -> tuple[list[_Batch], list[_Name]]:
    """Collect jobs by their tables, each under its key; return the batches, and by what each job is found."""
    whole_seconds = layouts.whole_seconds()
    batches = {
        backend: _Batch(table=tables[backend], whole_seconds=backend in whole_seconds)
        for backend in dict.fromkeys(new_job.backend for new_job, _ in jobs)
    }
    names = [batches[job.backend].take(job, RecordID(tables[job.backend].table, key)) for job, key in jobs]
    return list(batches.values()), names


def _named(
    names: Sequence[_Name], stored: Mapping[_Name, Job], target: Target, batches: Sequence[_Batch]
) -> list[Job]:
    try:
        return [stored[name] for name in names]
    except KeyError:  # what was written must be there to be read
        raise errors.unwritable(target.location, batches[0].table.table) from None


async def insert_keyed(
    session: SurrealSession, layouts: TableLayouts, tables: ByBackend, jobs: Sequence[KeyedJob]
) -> list[Job]:
    """Insert jobs under their keys when a session commits; those that are there already stay as they are."""
    now = await session.now()
    batches, names = _batches(layouts, tables, [(keyed.job, keyed.key.hex) for keyed in jobs])
    statement, bindings = _statement(batches, insert=False)
    reply = await layouts.connection.read(statement, **bindings)
    known = _by_name(batches, _jobs_of(reply)) | {name: job for name, (_, job) in session.jobs.items()}
    for keyed, name in zip(jobs, names, strict=True):
        if name not in known:
            row = next(batch.rows[name] for batch in batches if name in batch.rows)
            job = known[name] = new_row(keyed.job, id_text(row["id"]), now)
            session.jobs[name] = (row | ({"run_at": job.run_at} if keyed.job.delay else {}), job)
    return [known[name] for name in names]


async def insert_within(
    connection: object,
    layouts: TableLayouts,
    tables: ByBackend,
    rows: Mapping[Table, Sequence[Row]],
    jobs: Sequence[KeyedJob],
) -> list[Job]:
    """Insert rows of own tables and of jobs in a caller's transaction; those that are there stay."""
    target = layouts.connection.target
    transaction = _adopted(connection, target)
    await layouts.ensure()
    own = [stored_row(table, row) for table, some in rows.items() for row in some]
    if own:
        await _query(transaction, target.location, *inserts_of(own, kept=True))
    if not jobs:
        return []
    batches, names = _batches(layouts, tables, [(keyed.job, keyed.key.hex) for keyed in jobs])
    stored = _by_name(batches, await _insert_within(transaction, target, batches, kept=True))
    return _named(names, stored, target, batches)


def statement(table: JobTable, new_job: NewJob) -> Statement:
    """See ``Statements.statement``."""
    key = RecordID(table.table, new_key())
    name = f"sp00ky_{new_key()}"  # so that several fit into one query
    row: dict[str, Any] = row_from(new_job, key, whole_seconds=True)
    if new_job.delay:
        row["delay"] = duration_text(new_job.delay.total_seconds())
    kind = "enqueue_statement_unique" if new_job.dedup_key else "enqueue_statement"
    text = surql(kind, job=name, table=quoted(table.table))
    return Statement(text=text, bindings={f"{name}_row": row}, job_id=id_text(key), variable=f"${name}")


async def _insert(connection: Connection, batches: list[_Batch]) -> list[Any]:
    statement, bindings = _statement(batches)
    last: StoreError | None = None
    for _ in range(TRIES):
        try:
            return _jobs_of(await connection.write(statement, ONCE, **bindings))
        except errors.DuplicateKey as error:  # another client committed the key in the meantime: look again
            last = error
        except (errors.ConnectionLost, errors.ReplyUnreadable) as error:  # it may have got through
            last, (statement, bindings) = error, _statement(batches, kept=True)
    raise last or AssertionError(TRIES)


def _jobs_of(reply: list[Any]) -> list[Any]:
    jobs: list[Any] = reply[-1]["jobs"]
    return jobs


async def _insert_within(
    transaction: AsyncSurrealTransaction, target: Target, batches: list[_Batch], *, kept: bool = False
) -> list[Any]:
    statement, bindings = _statement(batches, kept=kept, guard=surql("enqueue_refuse_elsewhere"))
    place = {"namespace": target.namespace, "database": target.database}
    try:
        reply = await _query(transaction, target.location, statement, bindings | place)
    except StoreError:
        # What a statement wrote before it failed would be committed with the rest.
        written = {"ids": [row_id for batch in batches for row_id in batch.ids]}
        with suppress(StoreError):  # then the transaction is lost as a whole
            await _query(transaction, target.location, surql("enqueue_take_back"), written)
        raise
    if "elsewhere" in reply:  # no runner here would run its jobs
        where = "/".join(map(str, reply["elsewhere"]))
        raise _unfit(f"in {where}", f"one in {target.namespace}/{target.database}, where the jobs are")
    return _jobs_of([reply])


def _statement(
    batches: list[_Batch], *, insert: bool = True, kept: bool = False, guard: str = ""
) -> tuple[str, dict[str, Any]]:
    """Write the block that inserts batches, and reads their rows; return it with what it binds.

    A block is one transaction, or a part of one. ``kept``: a row that is there already stays as it is.
    """
    parts, reads = guard, []
    bindings: dict[str, Any] = {
        **NUL,
        **WHOLE.bindings(""),
        "delays": [delay for batch in batches for delay in batch.delays],
    }
    for number, batch in enumerate(batches):
        n, table = str(number), quoted(batch.table.table)
        rows = list(batch.rows.values())
        keys = [row["dedup_live"] for row in rows if "dedup_live" in row]
        bindings |= {f"new{n}": rows, f"ids{n}": batch.ids, f"keys{n}": keys}
        parts += surql("enqueue_dedup_holders", table=table, n=n) if keys else ""
        # What was just written is as it is returned, unless it is changed once more, or is another job.
        is_whole = insert and not (keys or batch.delays or kept)
        if insert and (keys or kept):
            live = f"$live{n}" if keys else "[]"
            parts += surql("enqueue_insert_unique", table=table, n=n, live=live, ignore="IGNORE " * kept)
        if kept or not insert:
            parts += surql("enqueue_find_committed", n=n, live=f"$live{n}.id" if keys else "[]")
        elif not keys:
            parts += surql("enqueue_insert", table=table, n=n, what="AFTER" if is_whole else "VALUE id")
        reads.append(f"$found{n}" if is_whole else surql("enqueued_jobs", n=n, columns=MADE_FIT))
    if insert and bindings["delays"]:
        parts += surql("enqueue_set_delays")
    return surql("enqueue_transaction", parts=parts, reads=", ".join(reads)), bindings


def _by_name(batches: list[_Batch], jobs: list[Any]) -> dict[_Name, Job]:
    """Read what was stored, by name.

    A row of ours that is there counts, whatever its table has made of its dedup_key.
    """
    stored: dict[_Name, Job] = {}
    for batch, rows in zip(batches, jobs, strict=True):
        names = {id_text(row["id"]): name for name, row in batch.rows.items()}
        found = [job_from(row, batch.table) for row in rows]
        stored |= {(job.backend, job.dedup_key): job for job in found if job.dedup_key is not None}
        stored |= {names[job.id]: job for job in found if job.id in names}
    return stored
