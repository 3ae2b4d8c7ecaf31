"""Insert a batch of jobs in one round trip, in a transaction of its own or the caller's; or say how to."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from functools import cache
from operator import attrgetter, itemgetter
from typing import Any

import attrs

from sp00ky_core.errors import OptionInvalid, RowRefused, StoreError
from sp00ky_core.hints import shown
from sp00ky_core.job.job import Job, NewJob
from sp00ky_core.ports import JobTable, ParamStyle, SqlStatement
from sp00ky_core.stores import finished
from sp00ky_core.stores.ids import new_key, new_uuids
from sp00ky_core.stores.rows import instant_of, new_row
from sp00ky_core.stores.transactional import Both, Either, Is
from sp00ky_core.stores.transactional.rows import to_job
from sp00ky_core.stores.transactional.schema import LIVE_STATUSES, job_table
from sp00ky_store_postgres.connection.callers import Fetch, blocking_fetch, callers_errors, run_of
from sp00ky_store_postgres.connection.connect import Workload
from sp00ky_store_postgres.connection.executor import Executor, Row
from sp00ky_store_postgres.rows import hyphenated
from sp00ky_store_postgres.schema.definition import Tables
from sp00ky_store_postgres.session import PostgresSession
from sp00ky_store_postgres.sql.loader import read_sql
from sp00ky_store_postgres.url import PostgresOptions

TRIES = 20
"""How often a dedup key that others keep taking and leaving is tried."""

UNKEPT = read_sql("unkept")
"""The words of the error by which a statement undoes an insert whose row isn't as it was given."""

QUIET = "SELECT set_config('sp00ky.notify', 'off', true)"
"""For this transaction: its inserts wake no runner."""

PORTION = 500
"""Jobs of a schedule in one statement: with the longest payloads it is shorter than any message may be."""

MICROSECOND = timedelta(microseconds=1)


_Pairs = Sequence[tuple[str, NewJob]]
"""New jobs, each with the key that its row gets."""

_Batch = Sequence[tuple[JobTable, _Pairs]]


class Enqueues:
    """Inserts jobs."""

    def __init__(self, executor: Executor, options: PostgresOptions) -> None:
        self._executor = executor
        self._tables = executor.tables
        self._options = options
        self._is_quiet = options.pooled and not options.notify  # else the connection's own setting
        # One with a key may wait for another client's transaction: never do those have every connection.
        spare = max(options.connections // 4, 1)
        self._keyed = asyncio.Semaphore(max(options.connections - spare, 1))

    async def add(self, new_jobs: Sequence[NewJob]) -> list[Job]:
        """See ``Store.add``; one job without a key, which is nearly every call, without what others need."""
        if len(new_jobs) != 1 or new_jobs[0].dedup_key is not None or self._is_quiet:
            return await self._add(new_jobs, self._insert_ours)
        (new_job,) = new_jobs
        table, key = self._tables.of(new_job.backend), hyphenated(new_key())
        arguments = self._insert_of_one(table, key, new_job)
        tries = 0

        async def work(connection: Any) -> Job:
            nonlocal tries
            tries += 1
            if tries == 1:
                return self._stored_one(await connection.fetch(*arguments), table, key, new_job)
            return (await self._insert_many(table, connection.fetch, [(key, new_job)], repeated=True))[key]

        return [await self._executor.run(Workload.REST, work)]

    async def add_within(self, new_jobs: Sequence[NewJob], fetching: Awaitable[Fetch]) -> list[Job]:
        """Insert in the transaction of a caller's connection, of which this is the ``fetch_of``."""
        with callers_errors(self._options.location):
            fetch = await fetching
            if not self._options.notify:
                await fetch(QUIET)
            return await self._add(new_jobs, lambda batch: self._insert(batch, fetch))

    def add_in(self, new_jobs: Sequence[NewJob], connection: object) -> list[Job]:
        """Insert in the transaction of a caller's blocking connection; one job as fast as can be."""
        with callers_errors(self._options.location):
            run = run_of(connection)
            if len(new_jobs) != 1 or new_jobs[0].dedup_key is not None or not self._options.notify:
                jobs: list[Job] = finished(self.add_within(new_jobs, blocking_fetch(run)))
                return jobs
            (new_job,) = new_jobs
            table, key = self._tables.of(new_job.backend), hyphenated(new_key())
            statement, *arguments = self._insert_of_one(table, key, new_job)
            return [self._stored_one(run(statement, arguments), table, key, new_job)]

    async def insert(self, pairs: _Pairs, fetch: Fetch) -> list[Job]:
        """Insert jobs with these keys, in an open transaction of the store's; return them in order."""
        jobs: dict[str, Job] = {}
        if self._is_quiet:
            await fetch(QUIET)
        for first in range(0, len(pairs), PORTION):
            some = sorted(pairs[first : first + PORTION], key=itemgetter(0))
            jobs |= await self._insert(self._batch_of(some), fetch)
        return [jobs[key] for key, _ in pairs]

    async def _add(
        self, new_jobs: Sequence[NewJob], insert: Callable[[_Batch], Awaitable[dict[str, Job]]]
    ) -> list[Job]:
        if not new_jobs:
            return []
        pairs = list(zip(new_uuids(len(new_jobs)), new_jobs, strict=True))
        jobs = await insert(self._batch_of(pairs))
        return [jobs[key] for key, _ in pairs]

    def _batch_of(self, pairs: _Pairs) -> _Batch:
        return [
            (table, [pair for pair in pairs if pair[1].backend == table.backend])
            for table in self._tables.chosen({new_job.backend for _, new_job in pairs})
        ]

    async def _insert_ours(self, batch: _Batch) -> dict[str, Job]:
        tries = 0

        async def work(connection: Any) -> dict[str, Job]:
            nonlocal tries
            tries += 1
            if len(batch) == 1 and not self._is_quiet:
                return await self._insert(batch, connection.fetch, repeated=tries > 1)
            async with connection.transaction():
                if self._is_quiet:
                    await connection.fetch(QUIET)
                return await self._insert(batch, connection.fetch, repeated=tries > 1)

        async with self._keyed if any(_is_keyed(pairs) for _, pairs in batch) else nullcontext():
            return await self._executor.run(Workload.REST, work)

    async def _insert(self, batch: _Batch, fetch: Fetch, *, repeated: bool = False) -> dict[str, Job]:
        jobs: dict[str, Job] = {}
        for table, pairs in batch:
            is_new = not repeated and not _is_keyed(pairs)
            if is_new and len(pairs) == 1:
                ((key, new_job),) = pairs
                rows = await fetch(*self._insert_of_one(table, key, new_job))
                jobs[key] = self._stored_one(rows, table, key, new_job)
            elif is_new and all(is_plain(new_job) for _, new_job in pairs):
                ((at,),) = await fetch(self._tables.statement("add_plain", table), *plain_arguments(pairs))
                jobs |= stored_plain(pairs, table, [as_utc(at)] * 3)
            else:
                jobs |= await self._insert_many(table, fetch, pairs, repeated=repeated)
        return jobs

    def _insert_of_one(self, table: JobTable, key: str, new_job: NewJob) -> tuple[Any, ...]:
        """Return a statement and its arguments."""
        if is_plain(new_job):
            statement = self._tables.statement("add_one_plain", table)
            return statement, key, new_job.path, new_job.payload_json.decode()
        return self._tables.statement("add_one", table), *values_of(key, new_job).values()

    def _stored_one(self, rows: Sequence[Row], table: JobTable, key: str, new_job: NewJob) -> Job:
        if not rows:
            raise RowRefused(store=self._options.location, problem=UNKEPT)
        instants = list(map(as_utc, rows[0][1:]))
        if len(instants) == PLAIN_INSTANTS:
            return stored_plain([(key, new_job)], table, instants)[key]
        return stored(new_job, table, key, instants)

    async def _insert_many(
        self, table: JobTable, fetch: Fetch, pairs: _Pairs, *, repeated: bool
    ) -> dict[str, Job]:
        """Insert what is new and find what is there, until each has its job.

        A key may be taken by another client's open transaction, and be free again when that has ended. A try
        that got through, and whose reply was lost, is recognised by its ids: only then may a job without a
        key be kept out.
        """
        jobs: dict[str, Job] = {}
        left = list(pairs)
        for _ in range(TRIES):
            rows = await fetch(self._tables.statement("add_many", table), *many_arguments(left), not repeated)
            added = {str(row[0]): list(map(as_utc, row[1:])) for row in rows}
            jobs |= {key: stored(new_job, table, key, added[key]) for key, new_job in left if key in added}
            left = [(key, new_job) for key, new_job in left if key not in added]
            if left:
                jobs |= await self._find_live(table, fetch, left)
            left = [(key, new_job) for key, new_job in left if key not in jobs]
            if any(new_job.dedup_key is None for _, new_job in left):
                raise RowRefused(store=self._options.location, problem=UNKEPT)
            if not left:
                return jobs
        raise StoreError(
            store=self._options.location, problem="a dedup_key is taken and left all the time; try again"
        )

    async def _find_live(self, table: JobTable, fetch: Fetch, pairs: _Pairs) -> dict[str, Job]:
        keys = [new_job.dedup_key for _, new_job in pairs if new_job.dedup_key is not None]
        held = Both((Is("dedup_key", "in", keys), Is("status", "in", LIVE_STATUSES)))
        where = Either((held, Is("id", "in", [key for key, _ in pairs])))
        session = PostgresSession(self._tables, self._options.location, fetch)
        longest = dict.fromkeys(("payload", "result"), table.max_payload_bytes)
        rows = await session.select(job_table(table.table), [where], longest=longest)
        jobs = [to_job(table, row) for row in rows]
        by_id = {job.id.partition(":")[2]: job for job in jobs}
        by_key = {job.dedup_key: job for job in jobs if job.dedup_key is not None and not job.is_terminal}
        there = ((key, by_id.get(key) or by_key.get(new_job.dedup_key or "")) for key, new_job in pairs)
        return {key: job for key, job in there if job is not None}


def _is_keyed(pairs: _Pairs) -> bool:
    return any(new_job.dedup_key is not None for _, new_job in pairs)


# New jobs as arguments.

_OPTIONS: Mapping[str, object] = {
    "max_retries": 3,
    "retry_strategy": "linear",
    **dict.fromkeys(("timeout", "assigned_to", "dedup_key", "traceparent", "run_at", "delay")),
    "priority": 0,
    **dict.fromkeys(("ordering_key", "expires_at")),
}
"""The defaults of a new job's options, as the statements have them."""

_options_of, _DEFAULTS = attrgetter(*_OPTIONS), tuple(_OPTIONS.values())


def is_plain(new_job: NewJob) -> bool:
    """Tell whether nothing but path and payload differs from a new job's defaults."""
    return bool(_options_of(new_job) == _DEFAULTS)


def values_of(key: str, new_job: NewJob) -> dict[str, Any]:
    """Return the arguments of ``add_one``, in their order."""
    return {
        "id": key,
        "path": new_job.path,
        "payload": new_job.payload_json.decode(),
        "max_retries": new_job.max_retries,
        "retry_strategy": new_job.retry_strategy,
        "timeout": _seconds(new_job),
        "assigned_to": new_job.assigned_to,
        "traceparent": new_job.traceparent,
        "run_at": new_job.run_at,
        "delay": 0.0 if new_job.delay is None else float(new_job.delay // MICROSECOND),
        "priority": new_job.priority,
        "ordering_key": new_job.ordering_key,
        "expires_at": new_job.expires_at,
    }


def _seconds(new_job: NewJob) -> float | None:
    """Return no int: psycopg takes no list of both."""
    return None if new_job.timeout is None else float(new_job.timeout)


def plain_arguments(pairs: _Pairs) -> tuple[Any, ...]:
    """Return the arguments of ``add_plain``; the keys are in order."""
    first = pairs[0][1].path
    paths = [new_job.path for _, new_job in pairs]
    return (
        [key for key, _ in pairs],
        [first] if paths.count(first) == len(paths) else paths,
        [new_job.payload_json.decode() for _, new_job in pairs],
        pairs[0][0],
        pairs[-1][0],
    )


def many_arguments(pairs: _Pairs) -> tuple[list[Any], ...]:
    """Return the arguments of ``add_many``."""
    values = zip(*(values_of(key, new_job).values() for key, new_job in pairs), strict=True)
    return *map(list, values), [new_job.dedup_key for _, new_job in pairs]


# What has been inserted as jobs.

PLAIN_INSTANTS = 3
"""Of a row: created_at, updated_at, run_at; then, where it isn't a plain one, ordering_at."""


def stored(new_job: NewJob, table: JobTable, key: str, instants: Sequence[datetime | None]) -> Job:
    """Return the pending job that a new one has become, which isn't a plain one."""
    job = new_row(new_job, f"{table.table}:{key}", datetime.now(UTC))
    values = dict(zip(("created_at", "updated_at", "run_at", "ordering_at"), instants, strict=True))
    job.__dict__.update(values, timeout=_seconds(new_job))  # it is nobody else's yet
    return job


def stored_plain(pairs: _Pairs, table: JobTable, instants: Sequence[datetime | None]) -> dict[str, Job]:
    """Return the pending jobs, by key, that plain ones have become at the same instants.

    Each is a copy of one with a few values of its own, which takes a fifth of the time of making it.
    """
    created_at, updated_at, run_at = instants
    alike = _alike(table.backend) | {"created_at": created_at, "updated_at": updated_at, "run_at": run_at}
    jobs = {}
    for key, new_job in pairs:
        values = alike.copy()
        values["id"] = f"{table.table}:{key}"
        values["path"] = new_job.path
        values["payload_json"] = new_job.payload_json
        jobs[key] = job = object.__new__(Job)
        object.__setattr__(job, "__dict__", values)
    return jobs


@cache
def _alike(backend: str) -> dict[str, Any]:
    """Return the values that a backend's plain jobs have in common, among others."""
    return dict(new_row(NewJob(backend=backend, path="/", payload={}), "", datetime.now(UTC)).__dict__)


def as_utc(instant: object) -> datetime | None:
    """Read an instant: a caller's connection may give it in another zone, or by its own codec as text.

    What a codec makes something else of is None: the row is there all the same.
    """
    if isinstance(instant, datetime) and instant.tzinfo is not None:
        return instant if instant.tzinfo is UTC else instant.astimezone(UTC)
    return instant_of(instant)


# An enqueue as SQL and parameters, for a transaction whose statements the caller sends.

_PLACE = re.compile(r"\{\{(\w+)\}\}")


@attrs.frozen(kw_only=True)
class Style:
    """One way to write parameters.

    Attributes:
        place: Of a parameter, with its ``name`` and its ``number``.
        special: What stands for itself only where it is written as ``escaped``.
        escaped: In the text.
        is_named: Parameters are by name; else in order.
    """

    place: str
    special: str = "%"
    escaped: str = "%%"
    is_named: bool = False


STYLES: Mapping[str, Style] = {
    "pyformat": Style(place="%({name})s", is_named=True),
    "format": Style(place="%s"),
    "numeric": Style(place="${number}", escaped="%"),
    "named": Style(place=":{name}", special=":", escaped=r"\:", is_named=True),
}


def sql_statement(tables: Tables, new_job: NewJob, paramstyle: ParamStyle) -> SqlStatement:
    """Return an INSERT of one job. Raises ``OptionInvalid`` for a style that isn't known."""
    if paramstyle not in STYLES:
        expected = f"one of {', '.join(STYLES)}"
        raise OptionInvalid(option="paramstyle", value=shown(paramstyle), expected=expected)
    style, table = STYLES[paramstyle], tables.of(new_job.backend)
    key = hyphenated(new_key())
    values = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in values_of(key, new_job).items()
    }
    values |= {"dedup_key": new_job.dedup_key, "ordered": new_job.ordering_key is not None}
    names: list[str] = []

    def place(match: re.Match[str]) -> str:
        names.append(match[1])
        return style.place.format(name=match[1], number=len(names))

    text = tables.statement("add_statement", table).replace(style.special, style.escaped)
    text = _PLACE.sub(place, text)
    parameters = values if style.is_named else tuple(values[name] for name in names)
    return SqlStatement(text=text, parameters=parameters, job_id=f"{table.table}:{key}")
