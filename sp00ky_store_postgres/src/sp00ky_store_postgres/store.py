"""Answer each call of the port with the module that its name says."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from datetime import datetime

from sp00ky_core.breaker import BreakerChange
from sp00ky_core.job import Job, NewJob
from sp00ky_core.ports import (
    NO_INFO,
    BackendStats,
    BreakerResult,
    Claim,
    Finding,
    JobFilter,
    JobQuery,
    MigrationStep,
    OverdueClaim,
    Reschedule,
    RunnerBeat,
    RunnerInfo,
    Settlement,
    SettleResult,
    StoreCapabilities,
    StoreOptions,
)
from sp00ky_core.stores.broadcast import Broadcast
from sp00ky_core.stores.isolation import Quarantine
from sp00ky_core.stores.operations import DecidingStore
from sp00ky_store_postgres.connection.executor import Executor
from sp00ky_store_postgres.connection.workload import Workload
from sp00ky_store_postgres.ids import canonical
from sp00ky_store_postgres.jobs.breaker import Breakers
from sp00ky_store_postgres.jobs.claim import Claims
from sp00ky_store_postgres.jobs.enqueue import Enqueues
from sp00ky_store_postgres.jobs.heartbeat import Heartbeats
from sp00ky_store_postgres.jobs.reclaim import LostClaims
from sp00ky_store_postgres.jobs.release import Releases
from sp00ky_store_postgres.jobs.retention import Retention
from sp00ky_store_postgres.jobs.settle import Settles
from sp00ky_store_postgres.observe.announcements import Announcements
from sp00ky_store_postgres.observe.errors import Errors
from sp00ky_store_postgres.observe.find import Reads
from sp00ky_store_postgres.observe.notifications import Listener
from sp00ky_store_postgres.observe.stats import Stats
from sp00ky_store_postgres.observe.watch import Watches
from sp00ky_store_postgres.operate.audit import Audit
from sp00ky_store_postgres.operate.clear import Clears
from sp00ky_store_postgres.operate.operations import Operations
from sp00ky_store_postgres.operate.pause import Pauses
from sp00ky_store_postgres.operate.reschedule import Reschedules
from sp00ky_store_postgres.rows import LIGHT
from sp00ky_store_postgres.schema import migrate as migrations
from sp00ky_store_postgres.schema.check import check
from sp00ky_store_postgres.schema.privileges import grants
from sp00ky_store_postgres.schema.tables import Tables
from sp00ky_store_postgres.url import read_url

__all__ = ["PostgresStore"]


class PostgresStore(Operations, DecidingStore):
    """Jobs in PostgreSQL 13 or newer. It belongs to one event loop; any number of processes may have one."""

    capabilities = StoreCapabilities(
        transactions=True, shared=True, signals_across_processes=True, ordering=True, limits=True
    )

    def __init__(self, options: StoreOptions) -> None:
        """Build a store that has connected to nothing yet.

        Raises:
            OptionInvalid: a key of the URL's query has a value that it can't have.
        """
        self._options = read_url(options.url)
        self._tables = Tables(options.tables, self._options.schema)
        self._executor = Executor(self._options, self._tables)
        quarantine = Quarantine()
        self._claims = Claims(self._executor, self._tables, quarantine)
        self._settles = Settles(self._executor, self._tables, quarantine)
        self._enqueues = Enqueues(self._executor, self._tables, self._options)
        self._breakers = Breakers(self._executor, self._tables)
        self._reads = Reads(self._executor, self._tables)
        self._pauses = Pauses(self._executor, self._tables)
        self._stats = Stats(self._executor, self._tables, self._breakers, self._pauses)
        self._errors = Errors(self._executor, self._tables)
        self._audit = Audit(self._executor, self._tables)
        self._heartbeats = Heartbeats(self._executor, self._tables)
        self._releases = Releases(self._executor, self._tables, quarantine)
        self._lost_claims = LostClaims(self._executor, self._tables, quarantine)
        self._retention = Retention(self._executor, self._tables, quarantine)
        self._clears = Clears(self._executor, self._tables, quarantine)
        self._reschedules = Reschedules(self._executor, self._tables)
        self._listener = Listener(self._options, self._tables, self._executor, self._is_due)
        self._announcements = Announcements(self._executor, self._options, self._wake)
        self._changes = Broadcast()
        self._watches = Watches(self._executor, self._tables, self._reads, self._changes)

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
        jobs = await self._enqueues.add(new_jobs, connection)
        if any(new_job.run_at is not None for new_job in new_jobs):
            self._claims.start_over()
        if connection is None:
            self._changes.send()
        return jobs

    async def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        """See ``Store.claim``."""
        claim = await self._claims.claim(slots_by_backend, runner_id)
        if claim:
            self._changes.send()
        return claim

    async def change_breaker(self, change: BreakerChange) -> BreakerResult:
        """See ``Store.change_breaker``."""
        result = await self._breakers.change(change)
        if result.written and change.closes:
            await self._announcements.tables([self._tables.of(change.backend).table])
        return result

    async def next_due(self, backends: Collection[str]) -> float | None:
        """See ``Store.next_due``."""
        return await self._claims.next_due(backends)

    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        """See ``Store.settle``."""
        results = await self._settles.settle(settlements)
        self._changes.send()
        return results

    async def release(self, runner_id: str, *, keep: Collection[str]) -> list[str]:
        """See ``Store.release``."""
        released = await self._releases.release(runner_id, keep)
        await self._announcements.pending(released)
        return released

    async def beat(self, runner_id: str, info: RunnerInfo = NO_INFO) -> Mapping[str, RunnerBeat]:
        """See ``Store.beat``."""
        return await self._heartbeats.beat(runner_id, info)

    async def overdue(self, runners: Collection[str], *, limit: int = 500) -> list[OverdueClaim]:
        """See ``Store.overdue``."""
        return await self._lost_claims.overdue(runners, limit)

    async def prune(self, *, limit: int = 1_000) -> int:
        """See ``Store.prune``."""
        count = await self._retention.prune(limit)
        await self._audit.prune()
        return count

    async def count(self, conditions: JobFilter) -> int:
        """See ``Store.count``."""
        return await self._reads.count(conditions)

    async def clear_matching(self, conditions: JobFilter, *, limit: int = 10_000) -> int:
        """See ``Store.clear_matching``."""
        count = await self._clears.clear(conditions, limit)
        self._changes.send()
        return count

    async def ids_starting_with(self, prefix: str, *, limit: int = 2) -> list[str]:
        """See ``Store.ids_starting_with``."""
        return await self._reads.ids_starting_with(prefix, limit)

    async def get(self, job_id: str) -> Job:
        """See ``Store.get``."""
        return await self._reads.get(job_id)

    async def find(self, query: JobQuery) -> list[Job]:
        """See ``Store.find``."""
        return await self._reads.find(query)

    async def stats(self) -> Mapping[str, BackendStats]:
        """See ``Store.stats``."""
        return await self._stats.read()

    def work_signal(self) -> AsyncGenerator[None, None]:
        """See ``Store.work_signal``."""
        return self._listener.subscribe()

    def watch(self, query: JobQuery, *, history: int | None = None) -> AsyncGenerator[Job, None]:
        """See ``Store.watch``."""
        return self._watches.watch(query, history)

    async def _load(self, job_ids: Sequence[str]) -> list[Job]:
        """Return the jobs, without payload and result: enough to decide about them."""
        return await self._reads.load(job_ids, columns=LIGHT)

    async def _apply(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        """Write what operators and reclaims decide; notify other runners of jobs that are due again."""
        results = await self._settles.settle(settlements, Workload.REST)
        await self._announcements.settled(settlements, results)
        self._changes.send()
        return results

    def _canonical(self, job_id: str) -> str:
        return canonical(job_id)

    async def _lost(
        self,
        dead_runners: Collection[str],
        *,
        beating: Collection[str],
        overdue: Collection[OverdueClaim],
        limit: int,
    ) -> list[Job]:
        return await self._lost_claims.lost(dead_runners, beating=beating, overdue=overdue, limit=limit)

    async def _beats(self) -> Mapping[str, datetime]:
        return await self._heartbeats.all()

    async def _delete_ended(self, job_ids: Sequence[str]) -> Mapping[str, str | None]:
        return await self._retention.delete_ended(job_ids)

    async def _reschedule(self, job_ids: Sequence[str], change: Reschedule) -> Mapping[str, str | None]:
        done = await self._reschedules.reschedule(job_ids, change)
        await self._announcements.pending(done)
        return done

    def _wake(self) -> None:
        """Wake this process's runners and watchers."""
        self._claims.start_over()
        self._changes.send()
        self._listener.send()

    async def _is_due(self) -> bool:
        """Tell whether a claim may find something; that a pause has ended, runners know by themselves."""
        backends = [table.backend for table in self._tables.all]
        return await self._claims.next_due(backends, claimable=True) == 0
