"""Answer each call of the port with the module that its name says."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sp00ky_core.job import Job, NewJob
from sp00ky_core.ports import (
    Claim,
    Finding,
    JobFilter,
    MigrationStep,
    OverdueClaim,
    Reschedule,
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
from sp00ky_store_postgres.fleet.breaker import Breakers
from sp00ky_store_postgres.fleet.heartbeat import Heartbeats
from sp00ky_store_postgres.ids import canonical
from sp00ky_store_postgres.jobs.claim import Claims
from sp00ky_store_postgres.jobs.enqueue import Enqueues
from sp00ky_store_postgres.jobs.reclaim import LostClaims
from sp00ky_store_postgres.jobs.release import Releases
from sp00ky_store_postgres.jobs.retention import Retention
from sp00ky_store_postgres.jobs.settle import Settles
from sp00ky_store_postgres.observe.announcements import Announcements
from sp00ky_store_postgres.observe.error_groups import Errors
from sp00ky_store_postgres.observe.find import Reads
from sp00ky_store_postgres.observe.notifications import Listener
from sp00ky_store_postgres.observe.stats import Stats
from sp00ky_store_postgres.observe.watch import Watches
from sp00ky_store_postgres.operate.audit import Audit
from sp00ky_store_postgres.operate.clear import Clears
from sp00ky_store_postgres.operate.pause import Pauses
from sp00ky_store_postgres.operate.reschedule import Reschedules
from sp00ky_store_postgres.rows import LIGHT
from sp00ky_store_postgres.schedules.change import Changes
from sp00ky_store_postgres.schedules.find import ScheduleReads
from sp00ky_store_postgres.schedules.query import RowQueries
from sp00ky_store_postgres.schema import migrate as migrations
from sp00ky_store_postgres.schema.check import check
from sp00ky_store_postgres.schema.privileges import grants
from sp00ky_store_postgres.schema.tables import Tables
from sp00ky_store_postgres.url import read_url

__all__ = ["PostgresStore"]


class PostgresStore(DecidingStore):
    """Jobs in PostgreSQL 13 or newer. It belongs to one event loop; any number of processes may have one."""

    capabilities = StoreCapabilities(
        transactions=True,
        shared=True,
        signals_across_processes=True,
        ordering=True,
        limits=True,
        schedules=True,
    )

    def __init__(self, options: StoreOptions) -> None:
        """Build a store that has connected to nothing yet.

        Raises:
            OptionInvalid: a key of the URL's query has a value that it can't have.
        """
        self._options = read_url(options.url)
        self._tables = Tables(options.tables, self._options.schema)
        self._executor = executor = Executor(self._options, self._tables)
        self._changes = Broadcast()
        self._listener = Listener(self._options, executor, self._is_due)
        self._announcements = Announcements(executor, self._options, self._wake)
        quarantine = Quarantine()
        self._claims = Claims(executor, quarantine)
        self._settles = Settles(executor, quarantine)
        self._enqueues = Enqueues(executor, self._options)
        self._heartbeats = Heartbeats(executor)
        self._lost_claims = LostClaims(executor, quarantine)
        self._retention = Retention(executor, quarantine)
        self._reads = Reads(executor)
        self._clears = Clears(executor, quarantine)
        self._reschedules = Reschedules(executor, self._announcements)
        self._audit = Audit(executor)
        breakers, pauses = Breakers(executor, self._announcements), Pauses(executor, self._announcements)

        # The calls of the port that are a part's own.
        self.next_due = self._claims.next_due
        self.change_breaker = breakers.change_breaker
        self.release = Releases(executor, self._announcements, quarantine).release
        self.overdue = self._lost_claims.overdue
        self.beat = self._heartbeats.beat
        self.runners = self._heartbeats.runners
        self.drain_runner = self._heartbeats.drain_runner
        self.remove_runner = self._heartbeats.remove_runner
        self.get = self._reads.get
        self.find = self._reads.find
        self.count = self._reads.count
        self.ids_starting_with = self._reads.ids_starting_with
        self.stats = Stats(executor, breakers, pauses).stats
        self.errors = Errors(executor).errors
        self.watch = Watches(executor, self._reads, self._changes).watch
        self.work_signal = self._listener.work_signal
        self.pause = pauses.pause
        self.resume = pauses.resume
        self.start_audit = self._audit.start_audit
        self.update_audit = self._audit.update_audit
        self.audit = self._audit.audit
        schedules = ScheduleReads(executor)
        self.schedules = schedules.schedules
        self.runs = schedules.runs
        self.prune_runs = schedules.prune_runs
        self.change_schedule = Changes(executor, self._enqueues, self._announcements).change_schedule
        self.query_rows = RowQueries(executor).query_rows

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

    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        """See ``Store.settle``."""
        results = await self._settles.settle(settlements)
        self._changes.send()
        return results

    async def prune(self, *, limit: int = 1_000) -> int:
        """See ``Store.prune``."""
        count = await self._retention.prune(limit)
        await self._audit.prune()
        return count

    async def clear_matching(self, conditions: JobFilter, *, limit: int = 10_000) -> int:
        """See ``Store.clear_matching``."""
        count = await self._clears.clear(conditions, limit)
        self._changes.send()
        return count

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
        return await self._heartbeats.beats()

    async def _delete_ended(self, job_ids: Sequence[str]) -> Mapping[str, str | None]:
        return await self._clears.delete_ended(job_ids)

    async def _reschedule(self, job_ids: Sequence[str], change: Reschedule) -> Mapping[str, str | None]:
        return await self._reschedules.reschedule(job_ids, change)

    def _wake(self) -> None:
        """Wake this process's runners and watchers."""
        self._claims.start_over()
        self._changes.send()
        self._listener.send()

    async def _is_due(self) -> bool:
        """Tell whether a claim may find something; that a pause has ended, runners know by themselves."""
        backends = [table.backend for table in self._tables.all]
        return await self._claims.next_due(backends, claimable=True) == 0
