"""Answer each call of the port with the part that does it."""

from __future__ import annotations

import os
import socket
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from typing import Any, ClassVar, TypeVar, cast

import attrs

from sp00ky_core.encoding.json_bytes import encode
from sp00ky_core.job.job import Job, JobStatus, NewJob
from sp00ky_core.ports import (
    NO_INFO,
    BackendStats,
    Claim,
    ErrorGroup,
    Finding,
    JobQuery,
    JobTable,
    KeyedJob,
    MigrationStep,
    ParamStyle,
    Rollup,
    RollupQuery,
    Row,
    RunnerBeat,
    RunnerInfo,
    SettleFate,
    Settlement,
    SettleResult,
    SqlStatement,
    StoreCapabilities,
    StoreOptions,
    Table,
    TransactionWork,
    Use,
)
from sp00ky_core.stores import finished
from sp00ky_core.stores.ids import table_of
from sp00ky_core.stores.keys_of_jobs import Check
from sp00ky_store_kit import Access, Session, TransactionalStore, Work
from sp00ky_store_kit.extension import in_transaction, own_errors
from sp00ky_store_kit.fleet import info_of
from sp00ky_store_postgres import observe
from sp00ky_store_postgres.connection.callers import Fetch, blocking_fetch_of, callers_errors, fetch_of
from sp00ky_store_postgres.connection.connect import Workload, connect
from sp00ky_store_postgres.connection.statements import Executor
from sp00ky_store_postgres.errors import translated
from sp00ky_store_postgres.ids import canonical, key_of, with_canonical_ids
from sp00ky_store_postgres.jobs.claim import Claims
from sp00ky_store_postgres.jobs.enqueue import Enqueues, sql_statement
from sp00ky_store_postgres.jobs.settle import Settles
from sp00ky_store_postgres.kit_session import PostgresSession, one_by_one
from sp00ky_store_postgres.notifications import Listener
from sp00ky_store_postgres.schema import migrate as migrations
from sp00ky_store_postgres.schema.check import check, lacking
from sp00ky_store_postgres.schema.definition import KEY_COLUMNS, Tables
from sp00ky_store_postgres.url import read_url
from sp00ky_store_postgres.watch import Marks, Watch

T = TypeVar("T")

PROCESSING = JobStatus.PROCESSING
"""A status: to look it up in its enumeration takes longer than to compare it."""

KEPT: Mapping[str, Any] = {"keep_success": 6 * 3_600.0, "keep_failed": 14 * 86_400.0}
"""Seconds that jobs are kept after they ended, where the configuration says nothing."""


class PostgresStore(TransactionalStore):
    """Jobs in PostgreSQL 14 or newer. It belongs to one event loop; any number of processes may have one.

    Here is what is hot, or what a statement of its own makes faster; all else is ``TransactionalStore``'s.
    """

    _executor: Executor
    _notifications: Listener
    capabilities: ClassVar[StoreCapabilities] = attrs.evolve(
        TransactionalStore.capabilities, sql_statements=True, synchronous=True, signals_across_processes=True
    )

    def __init__(self, options: StoreOptions) -> None:
        """Build a store that has connected to nothing yet.

        Raises:
            OptionInvalid: a key of the URL's query has a value that it can't have.
        """
        tables = tuple(
            attrs.evolve(table, **{name: kept for name, kept in KEPT.items() if getattr(table, name) is None})
            for table in options.tables
        )
        super().__init__(attrs.evolve(options, tables=tables))
        self._url = read_url(options.url)
        place = self._url.schema, self._url.location
        held = Tables(self._tables, self._backends, *place, options.extension_tables)
        self._executor = Executor(self._url, held)
        self._claims = Claims(self._executor, self._refused, self._on_claimed)
        self._notifications = Listener(self._executor, self._is_due, self._claims.start_over)
        self._marks = Marks(self._executor)
        self._settles = Settles(self._executor, self._refused)
        self._enqueues = Enqueues(self._executor)

    @property
    def location(self) -> str:
        """See ``Store.location``."""
        return self._url.location

    # What ``TransactionalStore`` asks for.

    async def run(self, work: Work[T], access: Access) -> T:
        """See ``TransactionalStore.run``."""
        return await self._executor.do(work, access)

    async def disconnect(self) -> None:
        """See ``TransactionalStore.disconnect``."""
        await self._executor.close()

    def adopt(self, connection: object, access: Access) -> Session:
        """See ``TransactionalStore.adopt``: of asyncpg, SQLAlchemy or psycopg, to be read from."""

        async def fetch(statement: str, *arguments: object) -> Sequence[Any]:
            return await (await fetch_of(connection, reads=True))(statement, *arguments)

        return self._session(fetch)

    def translate(self, error: Exception) -> Exception:
        """See ``TransactionalStore.translate``."""
        return translated(error, self.location)

    def _within(self, connection: object, access: Access, work: Work[T]) -> T:
        """Read on a caller's blocking connection."""
        with callers_errors(self.location):
            session = self._session(finished(blocking_fetch_of(connection, reads=True)))
        return finished(self._executor.within(session, work))

    def _session(self, fetch: Callable[..., Awaitable[Sequence[Any]]]) -> PostgresSession:
        return PostgresSession(self._executor.tables, fetch)

    async def _read(self, connection: object, work: Work[T]) -> T:
        if connection is None:
            return await self._executor.look(work)
        return await super()._read(connection, work)

    async def _found(self, session: Session, query: JobQuery) -> list[Job]:
        return await super()._found(session, with_canonical_ids(query))

    # The store and its tables.

    @property
    def _extension_tables(self) -> list[Table]:
        """Those of extensions that the store's own migrations don't make."""
        return [table for table in self.options.extension_tables if table.name not in KEY_COLUMNS]

    async def open(self) -> None:
        """See ``Store.open``."""
        await self._executor.connect()
        self._notifications.open()

    async def close(self) -> None:
        """See ``Store.close``."""
        await self._notifications.close()
        await self._settles.close()
        await self._executor.close()

    async def migrate(self, *, repair: bool = False) -> list[MigrationStep]:
        """See ``Store.migrate``; there is nothing that ``repair`` would change."""
        return await migrations.migrate(self._url, self._executor.tables, self._extension_tables)

    async def migration(self, *, repair: bool = False) -> list[MigrationStep]:
        """See ``Store.migration``."""
        return await migrations.migration(self._url, self._executor.tables, self._extension_tables)

    migrate_in: None = None  # type: ignore[assignment]  # indexes are made on a connection that is in no transaction

    def grants(self) -> list[str]:
        """See ``Grants.grants``."""
        return self._executor.tables.grants()

    async def lacking(self) -> Mapping[Use, list[Finding]]:
        """See ``Grants.lacking``."""
        return await lacking(self._url, self._executor.tables)

    async def check(self) -> list[Finding]:
        """See ``Store.check``."""
        return await check(self._url, self._executor, self._extension_tables)

    # Enqueue.

    async def add(self, new_jobs: Sequence[NewJob], *, connection: object = None) -> list[Job]:
        """See ``Store.add``.

        ``connection`` is an asyncpg connection, a SQLAlchemy AsyncConnection or AsyncSession (on asyncpg or
        psycopg), or a psycopg AsyncConnection.
        """
        if connection is not None:
            jobs = await self._enqueues.add_within(new_jobs, fetch_of(connection))
        else:
            jobs = await self._enqueues.add(new_jobs)
        if any(new_job.run_at is not None for new_job in new_jobs):
            self._claims.start_over()
        if connection is None:
            self._notifications.send()
        return jobs

    def add_in(self, connection: object, new_jobs: Sequence[NewJob]) -> list[Job]:
        """See ``SynchronousEnqueue.add_in``.

        ``connection`` is a psycopg connection or cursor, a SQLAlchemy Session or Connection (on psycopg or
        psycopg2), or Django's.
        """
        return self._enqueues.add_in(new_jobs, connection)

    def sql_statement(self, new_job: NewJob, paramstyle: ParamStyle) -> SqlStatement:
        """See ``SqlStatements.sql_statement``."""
        return sql_statement(self._executor.tables, new_job, paramstyle)

    def own_id(self, job_id: str) -> str | None:
        """See ``Store.own_id``: the key is a uuid, with hyphens."""
        own = canonical(job_id)
        return own if key_of(own) else None

    @asynccontextmanager
    async def own_transaction(self) -> AsyncIterator[Any]:
        """See ``Transactions.own_transaction``: on a connection of asyncpg's."""
        connection = await connect(self._url.dsn)
        try:
            async with connection.transaction():
                yield connection
        finally:
            connection.terminate()

    async def join(self, connection: object, work: TransactionWork[T], *, check: Check) -> T:
        """See ``Transactions.join``."""
        with callers_errors(self.location):
            fetch = await fetch_of(connection)
            session = PostgresSession(self._executor.tables, fetch, one_by_one(fetch))
            return await own_errors(in_transaction(session, work, self._insert, check))

    async def insert_within(
        self, connection: object, rows: Mapping[Table, Sequence[Row]], jobs: Sequence[KeyedJob]
    ) -> list[Job]:
        """See ``Store.insert_within``."""
        with callers_errors(self.location):
            return await self._insert_on(await fetch_of(connection), rows, jobs)

    def insert_within_in(
        self, connection: object, rows: Mapping[Table, Sequence[Row]], jobs: Sequence[KeyedJob]
    ) -> list[Job]:
        """See ``Store.insert_within_in``."""
        with callers_errors(self.location):
            return finished(self._insert_on(finished(blocking_fetch_of(connection)), rows, jobs))

    async def _insert_on(
        self, fetch: Fetch, rows: Mapping[Table, Sequence[Row]], jobs: Sequence[KeyedJob]
    ) -> list[Job]:
        session = self._session(fetch)
        for table, some in rows.items():
            await session.insert_missing(table, some)
        return [*await self._insert(session, jobs)] if jobs else []

    async def _insert(self, session: Session, jobs: Sequence[KeyedJob]) -> Sequence[Job]:
        pairs = [(str(job.key), job.job) for job in jobs]
        stored = await self._enqueues.insert(pairs, cast("PostgresSession", session).fetch)
        return [job.refuse_other(found, self.location) for job, found in zip(jobs, stored, strict=True)]

    # Claim, settle, beat.

    def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Coroutine[Any, Any, Claim]:
        """See ``Store.claim``."""
        return self._claims.claim(slots_by_backend, runner_id)

    def use(self, table: JobTable) -> None:
        """See ``Store.use``."""
        super().use(table)
        self._executor.tables.renew()
        self._claims.forget_statements()

    def next_due(self, backends: Collection[str]) -> Coroutine[Any, Any, float | None]:
        """See ``Store.next_due``."""
        return self._claims.next_due(backends)

    def _on_claimed(self) -> None:
        self._notifications.claimed()

    async def _is_due(self) -> bool:
        """Tell whether a claim may find something; that a pause has ended, runners know by themselves."""
        return await self._claims.next_due(self._backends, claimable=True) == 0

    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        """See ``Store.settle``."""
        others = [  # not how a runner's own attempt ended: they fence that off, or wait
            n
            for n, settlement in enumerate(settlements)
            if settlement.status is not PROCESSING or settlement.transition.bumps_epoch
        ]
        results = await self._settles.settle(settlements, Workload.REST if others else Workload.SETTLE)
        due = {
            f"{self._url.schema}.{table_of(settlements[n].job_id)}"
            for n in others
            if results[n].fate is SettleFate.SETTLED and settlements[n].transition.to is JobStatus.PENDING
        }
        self._notifications.send(work=bool(due))
        await self._executor.announce(due)
        return results

    async def beat(self, runner_id: str, info: RunnerInfo = NO_INFO) -> Mapping[str, RunnerBeat]:
        """See ``Store.beat``."""
        place = socket.gethostname(), os.getpid()
        said = [encode(dict(pairs)).decode() for pairs in (info.documents, info.in_flight, info.slots)]
        statement = self._executor.tables.statement("beat")
        rows = await self._executor.beat(statement, runner_id, *place, info.version, *said, info.draining)
        return {row["id"]: RunnerBeat(at=row["beat_at"], info=info_of(row)) for row in rows}

    # Watch, and what is large.

    def watch(self, query: JobQuery, *, history: int | None = None) -> AsyncGenerator[Job, None]:
        """See ``Store.watch``."""
        query, changed = with_canonical_ids(query), self._notifications.changed_here
        return Watch(self._executor, changed, self._marks, query, history).follow()

    async def stats(self, *, limit: int | None = None) -> Mapping[str, BackendStats]:
        """See ``Store.stats``."""
        return await observe.stats(self._executor, limit)

    async def errors(self, **asked: Any) -> list[ErrorGroup]:
        """See ``Store.errors``."""
        return await observe.error_groups(self._executor, **asked)

    async def rollups(self, query: RollupQuery) -> list[Rollup]:
        """See ``Store.rollups``."""
        return await observe.rollups(self._executor, query)
