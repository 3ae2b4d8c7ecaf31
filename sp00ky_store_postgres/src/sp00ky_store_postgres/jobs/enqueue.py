"""Insert a batch of jobs in one round trip, in a transaction of its own or the caller's; or say how to."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from operator import attrgetter, itemgetter
from typing import Any

from sp00ky_core.error_texts import shown
from sp00ky_core.errors import OptionInvalid, RowRefused, StoreError
from sp00ky_core.job.job import Job, NewJob
from sp00ky_core.ports import JobTable, ParamStyle, SqlStatement
from sp00ky_core.stores import finished
from sp00ky_core.stores.ids import new_key, new_uuids
from sp00ky_core.stores.rows import instant_of, new_row
from sp00ky_store_kit import Both, Either, Is
from sp00ky_store_kit.rows import to_job
from sp00ky_store_kit.schema import LIVE_STATUSES, job_table
from sp00ky_store_postgres.connection.callers import Fetch, blocking_fetch_of, callers_errors
from sp00ky_store_postgres.connection.connect import Workload
from sp00ky_store_postgres.connection.statements import Executor, Row
from sp00ky_store_postgres.ids import hyphenated
from sp00ky_store_postgres.kit_session import PostgresSession
from sp00ky_store_postgres.schema.definition import Tables
from sp00ky_store_postgres.sql.loader import PLACE, read_sql

TRIES = 20
"""How often a dedup key that others keep taking and leaving is tried."""

UNKEPT = read_sql("unkept")
"""The words of the error by which a statement undoes an insert whose row isn't as it was given."""

QUIET = "SELECT set_config('sp00ky.notify', 'off', true)"
"""Says to the triggers that the inserts of this transaction are to wake no runner."""

PORTION = 500
"""Jobs of an extension in one statement: shorter than any message may be, with the longest payloads."""

MICROSECOND = timedelta(microseconds=1)


_Pairs = Sequence[tuple[str, NewJob]]
"""New jobs, each with the key that its row gets."""


class Enqueues:
    """Inserts jobs."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._tables = executor.tables
        self._options = options = executor.options
        self._of_one = {
            table.table: [self._tables.statement("add_one", table, **places) for places in (PLAIN, GIVEN)]
            for table in self._tables.all
        }
        self._is_quiet = options.pooled and not options.notify  # else the connection's own setting
        # One with a key may wait for another client's transaction: never do those have every connection.
        spare = max(options.connections // 4, 1)
        self._keyed = asyncio.Semaphore(max(options.connections - spare, 1))

    def add(self, new_jobs: Sequence[NewJob]) -> Coroutine[Any, Any, list[Job]]:
        """See ``Store.add``; one job without a key, which is nearly every call, without what others need."""
        if len(new_jobs) == 1 and new_jobs[0].dedup_key is None and not self._is_quiet:
            return self._add_one(new_jobs[0])
        return self._add_many(new_jobs)

    async def _add_many(self, new_jobs: Sequence[NewJob]) -> list[Job]:
        pairs, tries = _with_keys(new_jobs), count()
        is_one_statement = len({new_job.backend for new_job in new_jobs}) == 1 and not self._is_quiet

        async def work(connection: Any) -> list[Job]:
            repeated = next(tries) > 0
            async with nullcontext() if is_one_statement else connection.transaction():
                if self._is_quiet:
                    await connection.fetch(QUIET)
                return await self._insert(pairs, connection.fetch, repeated=repeated)

        async with self._keyed if _is_keyed(pairs) else nullcontext():
            return await self._executor.run(Workload.REST, work) if pairs else []

    async def _add_one(self, new_job: NewJob) -> list[Job]:
        table, key, tries = self._tables.by_backend[new_job.backend], hyphenated(new_key()), count()
        arguments = self._insert_of_one(table, key, new_job)

        async def work(connection: Any) -> Job:
            if not next(tries):
                return self._stored_one(await connection.fetch(*arguments), table, key, new_job)
            return (await self._insert_many(table, connection.fetch, [(key, new_job)], repeated=True))[key]

        return [await self._executor.run(Workload.REST, work)]

    async def add_within(self, new_jobs: Sequence[NewJob], fetching: Awaitable[Fetch]) -> list[Job]:
        """Insert in the transaction of a caller's connection, of which this is the ``fetch_of``."""
        with callers_errors(self._options.location):
            fetch = await fetching
            if not self._options.notify:
                await fetch(QUIET)
            return await self._insert(_with_keys(new_jobs), fetch)

    def add_in(self, new_jobs: Sequence[NewJob], connection: object) -> list[Job]:
        """Insert in the transaction of a caller's blocking connection; one job as fast as can be."""
        fetching = blocking_fetch_of(connection)
        if len(new_jobs) != 1 or new_jobs[0].dedup_key is not None or not self._options.notify:
            return finished(self.add_within(new_jobs, fetching))
        with callers_errors(self._options.location):
            (new_job,), fetch = new_jobs, finished(fetching)
            table, key = self._tables.by_backend[new_job.backend], hyphenated(new_key())
            rows = finished(fetch(*self._insert_of_one(table, key, new_job)))
            return [self._stored_one(rows, table, key, new_job)]

    async def insert(self, pairs: _Pairs, fetch: Fetch) -> list[Job]:
        """Insert jobs under these keys in a transaction; in order, those that are there as they are."""
        portions = [pairs[first : first + PORTION] for first in range(0, len(pairs), PORTION)]
        return [job for portion in portions for job in await self._insert(portion, fetch, repeated=True)]

    async def _insert(self, pairs: _Pairs, fetch: Fetch, *, repeated: bool = False) -> list[Job]:
        jobs: dict[str, Job] = {}
        for table in self._tables.chosen({new_job.backend for _, new_job in pairs}):
            own = [pair for pair in pairs if pair[1].backend == table.backend]
            if not repeated and not _is_keyed(own) and len(own) == 1:
                ((key, new_job),) = own
                rows = await fetch(*self._insert_of_one(table, key, new_job))
                jobs[key] = self._stored_one(rows, table, key, new_job)
                continue
            at = None
            if all(is_plain(new_job) for _, new_job in own):
                conflicts = "ON CONFLICT DO NOTHING" if repeated else ""
                statement = self._tables.statement("add_plain", table, conflicts=conflicts)
                ((at,),) = await fetch(statement, *plain_arguments(own), not repeated)
            if at is not None:
                jobs |= stored_plain(own, table, [instant_of(at)] * 3)
            else:
                jobs |= await self._insert_many(table, fetch, own, repeated=repeated)
        return [jobs[key] for key, _ in pairs]

    def _insert_of_one(self, table: JobTable, key: str, new_job: NewJob) -> tuple[Any, ...]:
        """Return a statement and its arguments."""
        plain, other = self._of_one[table.table]
        if is_plain(new_job):
            return plain, key, new_job.path, new_job.payload_json.decode()
        return other, *values_of(key, new_job).values()

    def _stored_one(self, rows: Sequence[Row], table: JobTable, key: str, new_job: NewJob) -> Job:
        if not rows:
            raise RowRefused(store=self._options.location, problem=UNKEPT)
        # A caller's connection may give them in another zone, or by its own codec as text; what that makes
        # something else of is None: the row is there all the same.
        instants = list(map(instant_of, rows[0][1:]))
        if is_plain(new_job):
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
        for _ in range(TRIES):
            left = [pair for pair in pairs if pair[0] not in jobs]
            values = zip(*(values_of(key, new_job).values() for key, new_job in left), strict=True)
            rows = await fetch(self._tables.statement("add_many", table), *map(list, values), not repeated)
            added = {str(row[0]): list(map(instant_of, row[1:])) for row in rows}
            jobs |= {key: stored(new_job, table, key, added[key]) for key, new_job in left if key in added}
            if left := [pair for pair in left if pair[0] not in added]:
                jobs |= await self._find_live(table, fetch, left)
            if any(new_job.dedup_key is None and key not in jobs for key, new_job in left):
                raise RowRefused(store=self._options.location, problem=UNKEPT)
            if len(jobs) == len(pairs):
                return jobs
        problem = "a dedup_key is taken and left all the time; try again"
        raise StoreError(store=self._options.location, problem=problem)

    async def _find_live(self, table: JobTable, fetch: Fetch, pairs: _Pairs) -> dict[str, Job]:
        keys = [new_job.dedup_key for _, new_job in pairs if new_job.dedup_key is not None]
        held = Both((Is("dedup_key", "in", keys), Is("status", "in", LIVE_STATUSES)))
        where = Either((held, Is("id", "in", [key for key, _ in pairs])))
        session = PostgresSession(self._tables, fetch)
        longest = dict.fromkeys(("payload", "result"), table.max_payload_bytes)
        rows = await session.select(job_table(table.table), [where], longest=longest)
        jobs = [to_job(table, row) for row in rows]
        by_id = {job.id.partition(":")[2]: job for job in jobs}
        by_key = {job.dedup_key: job for job in jobs if job.dedup_key is not None and not job.is_terminal}
        there = ((key, by_id.get(key) or by_key.get(new_job.dedup_key or "")) for key, new_job in pairs)
        return {key: job for key, job in there if job is not None}


def _with_keys(new_jobs: Sequence[NewJob]) -> _Pairs:
    return list(zip(new_uuids(len(new_jobs)), new_jobs, strict=True))


def _is_keyed(pairs: _Pairs) -> bool:
    return any(new_job.dedup_key is not None for _, new_job in pairs)


# New jobs as arguments.

_OPTIONS: Mapping[str, object] = {
    "max_retries": 3,
    "retry_strategy": "linear",
    **dict.fromkeys(("timeout", "assigned_to", "traceparent", "run_at", "delay")),
    "priority": 0,
    **dict.fromkeys(("ordering_key", "expires_at", "dedup_key")),
}
"""The defaults of a new job's options, in the order of ``values_of``."""

_options_of, _DEFAULTS = attrgetter(*_OPTIONS), tuple(_OPTIONS.values())

GIVEN = {name: f"${n}" for n, name in enumerate(("id", "path", "payload", *_OPTIONS), 1)}
"""The places of ``values_of`` in ``add_one``."""

_CONSTANTS = {name: "NULL" if value is None else repr(value) for name, value in _OPTIONS.items()}
PLAIN = {**GIVEN, **_CONSTANTS, "delay": "0"}
"""The places of ``values_of`` where nothing but path and payload differs from a new job's defaults."""


def is_plain(new_job: NewJob) -> bool:
    """Tell whether nothing but path and payload differs from a new job's defaults."""
    return bool(_options_of(new_job) == _DEFAULTS)


def values_of(key: str, new_job: NewJob) -> dict[str, Any]:
    """Return what is inserted of a new job, as drivers take it."""
    values = {"id": key, "path": new_job.path, "payload": new_job.payload_json.decode()}
    return {
        **values,
        **dict(zip(_OPTIONS, _options_of(new_job), strict=True)),
        "timeout": _seconds(new_job),
        "run_at": new_job.run_at and new_job.run_at.isoformat(),
        "delay": 0.0 if new_job.delay is None else float(new_job.delay // MICROSECOND),
        "expires_at": new_job.expires_at and new_job.expires_at.isoformat(),
    }


def _seconds(new_job: NewJob) -> float | None:
    """Return no int: psycopg takes no list of both."""
    return None if new_job.timeout is None else float(new_job.timeout)


def plain_arguments(pairs: _Pairs) -> tuple[Any, ...]:
    """Return the arguments of ``add_plain``; it wants the keys in order."""
    pairs = sorted(pairs, key=itemgetter(0))
    paths = [new_job.path for _, new_job in pairs]
    return (
        [key for key, _ in pairs],
        paths[:1] if paths.count(paths[0]) == len(paths) else paths,
        [new_job.payload_json.decode() for _, new_job in pairs],
        pairs[0][0],
        pairs[-1][0],
    )


# What has been inserted as jobs.


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
    created_at, updated_at, run_at, *_ = instants
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


# An enqueue as SQL and parameters, for a transaction whose statements the caller sends.


STYLES: Mapping[str, tuple[str, str, str, bool]] = {
    "pyformat": ("%({name})s", "%", "%%", True),
    "format": ("%s", "%", "%%", False),
    "numeric": ("${number}", "%", "%", False),
    "named": (":{name}", ":", r"\:", True),
}
"""How each ``paramstyle`` writes the place of a parameter, what it escapes in the text and how, and
whether its parameters have names."""


def sql_statement(tables: Tables, new_job: NewJob, paramstyle: ParamStyle) -> SqlStatement:
    """Return an INSERT of one job. Raises ``OptionInvalid`` for a style that isn't known."""
    if paramstyle not in STYLES:
        expected = f"one of {', '.join(STYLES)}"
        raise OptionInvalid(option="paramstyle", value=shown(paramstyle), expected=expected)
    place_of, special, escaped, is_named = STYLES[paramstyle]
    table, key, names = tables.by_backend[new_job.backend], hyphenated(new_key()), list[str]()
    values = values_of(key, new_job)

    def place(match: re.Match[str]) -> str:
        names.append(match[1])
        return place_of.format(name=match[1], number=len(names))

    text = tables.statement("add_statement", table).replace(special, escaped)
    text = PLACE.sub(place, text)
    parameters = values if is_named else tuple(values[name] for name in names)
    return SqlStatement(text=text, parameters=parameters, job_id=f"{table.table}:{key}")
