"""Insert a batch of jobs in one round trip, in a transaction of its own or the caller's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import nullcontext
from operator import itemgetter
from typing import Any

from sp00ky_core.errors import RowRefused, Sp00kyError, StoreError
from sp00ky_core.job.job import Job, NewJob
from sp00ky_core.ports import JobTable
from sp00ky_core.stores import finished
from sp00ky_core.stores.ids import new_key, new_uuids
from sp00ky_store_postgres.connection.executor import Executor, Row
from sp00ky_store_postgres.connection.external import Fetch, caller_error, callers_errors
from sp00ky_store_postgres.connection.synchronous import Run, blocking_fetch, run_of
from sp00ky_store_postgres.connection.workload import Workload
from sp00ky_store_postgres.ids import hyphenated
from sp00ky_store_postgres.rows import columns, whole_jobs
from sp00ky_store_postgres.sql.enqueue_arguments import (
    as_utc,
    is_plain,
    many_arguments,
    one_arguments,
    plain_arguments,
    stored,
    stored_plain,
)
from sp00ky_store_postgres.url import PostgresOptions

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
