"""Insert a batch of jobs in one round trip, in a transaction of its own or the caller's."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from functools import cache
from operator import attrgetter, itemgetter
from typing import Any

import attrs

from sp00ky_core.errors import OptionInvalid, RowRefused, Sp00kyError, StoreError
from sp00ky_core.hints import shown
from sp00ky_core.job import Job, JobStatus, NewJob
from sp00ky_core.ports import JobTable, ParamStyle, SqlStatement
from sp00ky_core.stores import finished
from sp00ky_core.stores.ids import new_key, new_uuids
from sp00ky_core.stores.rows import instant_of
from sp00ky_store_postgres.connection.callers import (
    Fetch,
    Run,
    blocking_fetch,
    caller_error,
    callers_errors,
    run_of,
)
from sp00ky_store_postgres.connection.connect import Workload
from sp00ky_store_postgres.connection.executor import Executor, Row
from sp00ky_store_postgres.rows import columns, hyphenated, whole_jobs
from sp00ky_store_postgres.schema.definition import Tables
from sp00ky_store_postgres.url import PostgresOptions

__all__ = [
    "as_utc",
    "is_plain",
    "many_arguments",
    "one_arguments",
    "plain_arguments",
    "stored",
    "stored_plain",
]

TRIES = 20
"""How often a dedup key that others keep taking and leaving is tried."""

UNKEPT = "a trigger or a rule of the table drops or changes what is inserted"
"""The words of the error by which a statement undoes an insert whose row isn't as it was given."""

QUIET = "SELECT set_config('sp00ky.notify', 'off', true)"
"""For this transaction: its inserts wake no runner."""


_Pairs = Sequence[tuple[str, NewJob]]
"""New jobs, each with the key that its row gets."""

_Batch = Sequence[tuple[JobTable, _Pairs]]


class Enqueues:
    """Inserts jobs."""

    def __init__(self, executor: Executor, options: PostgresOptions) -> None:
        self._executor = executor
        self._tables = executor.tables
        self._options = options
        self._built: dict[tuple[str, str], str] = {}
        self._is_quiet = options.pooled and not options.notify  # else the connection's own setting
        # One with a key may wait for another client's transaction: never do those have every connection.
        spare = max(options.connections // 4, 1)
        self._keyed = asyncio.Semaphore(max(options.connections - spare, 1))

    async def add(self, new_jobs: Sequence[NewJob]) -> list[Job]:
        """See ``Store.add``; one job without a key, which is nearly every call, without what others need."""
        if len(new_jobs) != 1 or new_jobs[0].dedup_key is not None or self._is_quiet:
            return await self._add(new_jobs, self._insert_ours)
        (new_job,) = new_jobs
        table, key, plain = self._tables.of(new_job.backend), hyphenated(new_key()), is_plain(new_job)
        arguments = self._statement_of_one(table, key, new_job, plain=plain)
        tries = 0

        async def work(connection: Any) -> Job:
            nonlocal tries
            tries += 1
            if tries == 1:
                rows = await connection.fetch(*arguments)
                return self._stored_one(rows, table, key, new_job, plain=plain)
            return (await self._insert_many(table, connection.fetch, [(key, new_job)], repeated=True))[key]

        return [await self._executor.run(Workload.REST, work)]

    def _statement_of_one(
        self, table: JobTable, key: str, new_job: NewJob, *, plain: bool
    ) -> tuple[Any, ...]:
        statement = self._statement("add_one_plain" if plain else "add_one", table)
        return statement, *one_arguments(key, new_job, plain=plain)

    async def add_within(self, new_jobs: Sequence[NewJob], fetching: Awaitable[Fetch]) -> list[Job]:
        """Insert in the transaction of a caller's connection, of which this is the ``fetch_of``."""
        with callers_errors(self._options.location):
            fetch = await fetching
            if not self._options.notify:
                await fetch(QUIET)
            return await self._add(new_jobs, lambda batch: self._insert(batch, fetch))

    def add_in(self, new_jobs: Sequence[NewJob], connection: object) -> list[Job]:
        """Insert in the transaction of a caller's blocking connection."""
        try:
            run = run_of(connection)
            if len(new_jobs) == 1 and new_jobs[0].dedup_key is None and self._options.notify:
                return [self._add_one(new_jobs[0], run)]
            jobs: list[Job] = finished(self.add_within(new_jobs, blocking_fetch(run)))
        except Sp00kyError:
            raise
        except Exception as error:
            raise caller_error(error, self._options.location) from error
        return jobs

    def _add_one(self, new_job: NewJob, run: Run) -> Job:
        """Insert as ``_insert`` does; this is nearly every call, and as fast as it can be."""
        table, key, plain = self._tables.of(new_job.backend), hyphenated(new_key()), is_plain(new_job)
        statement, *arguments = self._statement_of_one(table, key, new_job, plain=plain)
        rows = run(statement, arguments)
        return self._stored_one(rows, table, key, new_job, plain=plain)

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

    async def insert(self, pairs: Iterable[tuple[str, NewJob]], fetch: Fetch) -> dict[str, Job]:
        """Insert jobs with these keys, in an open transaction of the store's; return them by their keys."""
        if self._is_quiet:
            await fetch(QUIET)
        return await self._insert(self._batch_of(sorted(pairs, key=itemgetter(0))), fetch)

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
                jobs |= await self._insert_one(table, fetch, *pairs[0])
            elif is_new and all(is_plain(new_job) for _, new_job in pairs):
                jobs |= await self._insert_plain(table, fetch, pairs)
            else:
                jobs |= await self._insert_many(table, fetch, pairs, repeated=repeated)
        return jobs

    async def _insert_one(self, table: JobTable, fetch: Fetch, key: str, new_job: NewJob) -> dict[str, Job]:
        plain = is_plain(new_job)
        rows = await fetch(*self._statement_of_one(table, key, new_job, plain=plain))
        return {key: self._stored_one(rows, table, key, new_job, plain=plain)}

    def _stored_one(
        self, rows: Sequence[Row], table: JobTable, key: str, new_job: NewJob, *, plain: bool
    ) -> Job:
        if not rows:
            raise RowRefused(store=self._options.location, problem=UNKEPT)
        instants = map(as_utc, rows[0][1:])
        if plain:
            return stored_plain([(key, new_job)], table, instants)[key]
        return stored(new_job, table, key, instants)

    async def _insert_plain(self, table: JobTable, fetch: Fetch, pairs: _Pairs) -> dict[str, Job]:
        ((at,),) = await fetch(self._statement("add_plain", table), *plain_arguments(pairs))
        return stored_plain(pairs, table, [as_utc(at)] * 3)

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
            left = [(key, new_job) for key, new_job in pairs if key not in jobs]
            if not left:
                return jobs
            rows = await fetch(self._statement("add_many", table), *many_arguments(left), not repeated)
            added = {str(row[0]): row for row in rows}
            jobs |= {
                key: stored(new_job, table, key, map(as_utc, added[key][1:]))
                for key, new_job in left
                if key in added
            }
            left = [(key, new_job) for key, new_job in left if key not in added]
            if left:
                jobs |= await self._find_live(table, fetch, left)
            if any(new_job.dedup_key is None and key not in jobs for key, new_job in left):
                raise RowRefused(store=self._options.location, problem=UNKEPT)
        raise StoreError(
            store=self._options.location, problem="a dedup_key is taken and left all the time; try again"
        )

    async def _find_live(self, table: JobTable, fetch: Fetch, pairs: _Pairs) -> dict[str, Job]:
        keys = [new_job.dedup_key for _, new_job in pairs if new_job.dedup_key is not None]
        rows = await fetch(self._statement("find_live", table), keys, [key for key, _ in pairs])
        jobs = whole_jobs(rows, table)
        by_id = {job.id.partition(":")[2]: job for job in jobs}
        by_key = {job.dedup_key: job for job in jobs if job.dedup_key is not None and not job.is_terminal}
        found = ((key, by_id.get(key) or by_key.get(new_job.dedup_key or "")) for key, new_job in pairs)
        return {key: job for key, job in found if job is not None}

    def _statement(self, name: str, table: JobTable) -> str:
        statement = self._built.get((name, table.table))
        if statement is None:
            statement = self._tables.statement(
                name, table, columns=columns(table.max_payload_bytes), unkept=UNKEPT
            )
            self._built[name, table.table] = statement
        return statement


def _is_keyed(pairs: _Pairs) -> bool:
    return any(new_job.dedup_key is not None for _, new_job in pairs)


MICROSECOND = timedelta(microseconds=1)


_OPTIONS: Mapping[str, object] = {
    "max_retries": 3,
    "retry_strategy": "linear",
    "timeout": None,
    "assigned_to": None,
    "dedup_key": None,
    "traceparent": None,
    "run_at": None,
    "delay": None,
    "priority": 0,
    "ordering_key": None,
    "expires_at": None,
}
"""The defaults of a new job's options, as the statements have them."""

_options_of, _DEFAULTS = attrgetter(*_OPTIONS), tuple(_OPTIONS.values())


def is_plain(new_job: NewJob) -> bool:
    """Tell whether nothing but path and payload differs from a new job's defaults."""
    return bool(_options_of(new_job) == _DEFAULTS)


def one_arguments(key: str, new_job: NewJob, *, plain: bool) -> tuple[Any, ...]:
    """Return the arguments of ``add_one_plain``, or of ``add_one``."""
    if plain:
        return key, new_job.path, new_job.payload_json.decode()
    return _values(key, new_job)


def _values(key: str, new_job: NewJob) -> tuple[Any, ...]:
    return (
        key,
        new_job.path,
        new_job.payload_json.decode(),
        new_job.max_retries,
        new_job.retry_strategy,
        _seconds(new_job),
        new_job.assigned_to,
        new_job.traceparent,
        new_job.run_at,
        _microseconds(new_job),
        new_job.priority,
        new_job.ordering_key,
        new_job.expires_at,
    )


def plain_arguments(pairs: Sequence[tuple[str, NewJob]]) -> tuple[Any, ...]:
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


def many_arguments(pairs: Sequence[tuple[str, NewJob]]) -> tuple[list[Any], ...]:
    """Return the arguments of ``add_many``."""
    columns = zip(*(_values(key, new_job) for key, new_job in pairs), strict=True)
    return *map(list, columns), [new_job.dedup_key for _, new_job in pairs]


def _seconds(new_job: NewJob) -> float | None:
    """Return no int: psycopg takes no list of both."""
    return None if new_job.timeout is None else float(new_job.timeout)


def _microseconds(new_job: NewJob) -> float:
    return 0.0 if new_job.delay is None else float(new_job.delay // MICROSECOND)


def stored(new_job: NewJob, table: JobTable, key: str, instants: Iterable[datetime | None]) -> Job:
    """Return the pending job that a new one has become.

    Its instants are created_at, updated_at, run_at, and, where it isn't a plain one, ordering_at.
    """
    created_at, updated_at, run_at, *others = instants
    return Job(
        id=f"{table.table}:{key}",
        backend=table.backend,
        path=new_job.path,
        payload_json=new_job.payload_json,
        status=JobStatus.PENDING,
        max_retries=new_job.max_retries,
        retry_strategy=new_job.retry_strategy,
        timeout=_seconds(new_job),
        assigned_to=new_job.assigned_to,
        dedup_key=new_job.dedup_key,
        priority=new_job.priority,
        ordering_key=new_job.ordering_key,
        ordering_at=others[0] if others else None,
        expires_at=as_utc(new_job.expires_at),
        traceparent=new_job.traceparent,
        created_at=created_at,
        updated_at=updated_at,
        run_at=run_at,
    )


def stored_plain(
    pairs: Sequence[tuple[str, NewJob]], table: JobTable, instants: Iterable[datetime | None]
) -> dict[str, Job]:
    """Return the pending jobs, by key, that plain ones have become at the same instants; see ``stored``.

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
    job = Job(
        id="",
        backend=backend,
        path="",
        payload_json=b"",
        status=JobStatus.PENDING,
        max_retries=3,
        retry_strategy="linear",
    )
    return dict(job.__dict__)


def as_utc(instant: object) -> datetime | None:
    """Read an instant: a caller's connection may give it in another zone, or by its own codec as text.

    What a codec makes something else of is None: the row is there all the same.
    """
    if isinstance(instant, datetime) and instant.tzinfo is not None:
        return instant if instant.tzinfo is UTC else instant.astimezone(UTC)
    return instant_of(instant)


NAMES = (
    "id",
    "path",
    "payload",
    "max_retries",
    "retry_strategy",
    "timeout",
    "assigned_to",
    "traceparent",
    "run_at",
    "delay",
    "priority",
    "ordering_key",
    "expires_at",
)
"""Of the arguments of ``add_one``, in their order."""

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
    values = _named_values(key, new_job)
    names: list[str] = []

    def place(found: re.Match[str]) -> str:
        names.append(found[1])
        return style.place.format(name=found[1], number=len(names))

    text = tables.statement("add_statement", table).replace(style.special, style.escaped)
    text = _PLACE.sub(place, text)
    parameters = values if style.is_named else tuple(values[name] for name in names)
    return SqlStatement(text=text, parameters=parameters, job_id=f"{table.table}:{key}")


def _named_values(key: str, new_job: NewJob) -> dict[str, Any]:
    values = dict(zip(NAMES, one_arguments(key, new_job, plain=False), strict=True))
    ordered = {"dedup_key": new_job.dedup_key, "ordered": new_job.ordering_key is not None}
    return {name: _text_of(value) for name, value in (values | ordered).items()}


def _text_of(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
