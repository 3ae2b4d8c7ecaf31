"""Answer each call of the port with the part that does it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence

from sp00ky_core.job import Job, NewJob
from sp00ky_core.ports import (
    Claim,
    Finding,
    MigrationStep,
    ParamStyle,
    Settlement,
    SettleResult,
    SqlStatement,
    StoreCapabilities,
    StoreOptions,
)
from sp00ky_core.stores.broadcast import Broadcast
from sp00ky_core.stores.isolation import Quarantine
from sp00ky_core.stores.operations import DecidingStore
from sp00ky_store_postgres.connection.executor import Executor
from sp00ky_store_postgres.connection.external import fetch_of
from sp00ky_store_postgres.connection.workload import Workload
from sp00ky_store_postgres.fleet.heartbeat import Heartbeats
from sp00ky_store_postgres.jobs.claim import Claims
from sp00ky_store_postgres.jobs.enqueue import Enqueues
from sp00ky_store_postgres.jobs.reclaim import LostClaims
from sp00ky_store_postgres.jobs.release import Releases
from sp00ky_store_postgres.jobs.retention import Retention
from sp00ky_store_postgres.jobs.settle import Settles
from sp00ky_store_postgres.jobs.statement import sql_statement
from sp00ky_store_postgres.observe.announcements import Announcements
from sp00ky_store_postgres.observe.error_groups import ErrorGroups
from sp00ky_store_postgres.observe.notifications import Listener
from sp00ky_store_postgres.observe.rollups import RollupRows
from sp00ky_store_postgres.observe.stats import Stats
from sp00ky_store_postgres.observe.watch import Marks, Watches
from sp00ky_store_postgres.operate.clear import Clears
from sp00ky_store_postgres.schedules.change import ScheduleChanges
from sp00ky_store_postgres.schedules.find import ScheduleReads
from sp00ky_store_postgres.schedules.query import RowQueries
from sp00ky_store_postgres.schema import migrate as migrations
from sp00ky_store_postgres.schema.check import check
from sp00ky_store_postgres.schema.privileges import grants
from sp00ky_store_postgres.schema.tables import Tables
from sp00ky_store_postgres.url import read_url

__all__ = ["PostgresStore"]


class PostgresStore(
    Watches,
    Stats,
    ErrorGroups,
    Heartbeats,
    Releases,
    LostClaims,
    Retention,
    Clears,
    ScheduleReads,
    ScheduleChanges,
    RowQueries,
    RollupRows,
    DecidingStore,
):
    """Jobs in PostgreSQL 14 or newer. It belongs to one event loop; any number of processes may have one.

    Its bases answer the calls that their names say; ``claim`` and the rest are here.
    """

    capabilities: StoreCapabilities = StoreCapabilities(
        transactions=True,
        sql_statements=True,
        synchronous=True,
        shared=True,
        signals_across_processes=True,
        ordering=True,
        limits=True,
        schedules=True,
        rollups=True,
    )

    def __init__(self, options: StoreOptions) -> None:
        """Build a store that has connected to nothing yet.

        Raises:
            OptionInvalid: a key of the URL's query has a value that it can't have.
        """
        self._options = read_url(options.url)
        self._tables = Tables(options.tables, self._options.schema)
        self._executor = Executor(self._options, self._tables)
        self._changes = Broadcast()
        self._quarantine = Quarantine()
        self._marks = Marks(self._executor)
        self._listener = Listener(self._options, self._executor, self._is_due)
        self._announcements = Announcements(self._executor, self._options, self._wake)
        self._claims = Claims(self._executor, self._quarantine)
        self._settles = Settles(self._executor, self._quarantine)
        self._enqueues = Enqueues(self._executor, self._options)
        self._places = {}

    @property
    def location(self) -> str:
        """See ``Store.location``."""
        return self._options.location

    async def open(self) -> None:
        """See ``Store.open``."""
        await self._executor.open()
        self._listener.reopen()
        self._changes.reopen()

    async def close(self) -> None:
        """See ``Store.close``."""
        self._changes.close()
        await self._listener.close()
        await self._settles.close()
        await self._executor.close()

    async def migrate(self, *, repair: bool = False) -> list[MigrationStep]:
        """See ``Store.migrate``; there is nothing that ``repair`` would change."""
        return await migrations.migrate(self._options, self._tables)

    async def migration(self, *, repair: bool = False) -> list[MigrationStep]:
        """See ``Store.migration``."""
        return await migrations.migration(self._options, self._tables)

    def grants(self) -> list[str]:
        """See ``Grants.grants``."""
        return grants(self._tables)

    async def check(self) -> list[Finding]:
        """See ``Store.check``."""
        return await check(self._options, self._tables, self._executor)

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
            self._changes.send()
        return jobs

    def add_in(self, connection: object, new_jobs: Sequence[NewJob]) -> list[Job]:
        """See ``SynchronousEnqueue.add_in``.

        ``connection`` is a psycopg connection or cursor, a SQLAlchemy Session or Connection (on psycopg or
        psycopg2), or Django's.
        """
        return self._enqueues.add_in(new_jobs, connection)

    def sql_statement(self, new_job: NewJob, paramstyle: ParamStyle) -> SqlStatement:
        """See ``SqlStatements.sql_statement``."""
        return sql_statement(self._tables, new_job, paramstyle)

    async def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        """See ``Store.claim``."""
        claim = await self._claims.claim(slots_by_backend, runner_id)
        if claim:
            self._changes.send()
        return claim

    async def next_due(self, backends: Collection[str]) -> float | None:
        """See ``Store.next_due``."""
        return await self._claims.next_due(backends)

    def work_signal(self) -> AsyncGenerator[None, None]:
        """See ``Store.work_signal``."""
        return self._listener.work_signal()

    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        """See ``Store.settle``."""
        if all(each.is_own for each in settlements):
            results = await self._settles.settle(settlements)
        else:  # operators and reclaims have time; other runners are to hear of jobs that are due again
            results = await self._settles.settle(settlements, Workload.REST)
            await self._announcements.settled(settlements, results)
        self._changes.send()
        return results

    def _wake(self) -> None:
        """Wake this process's runners and watchers."""
        self._claims.start_over()
        self._changes.send()
        self._listener.send()

    async def _is_due(self) -> bool:
        """Tell whether a claim may find something; that a pause has ended, runners know by themselves."""
        backends = [table.backend for table in self._tables.all]
        return await self._claims.next_due(backends, claimable=True) == 0
