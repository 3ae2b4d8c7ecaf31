"""The store: what the port promises, each call in the module that its name says."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from datetime import datetime

from sp00ky_core.breaker import BreakerChange
from sp00ky_core.errors import Sp00kyError
from sp00ky_core.job import Job, JobStatus, NewJob
from sp00ky_core.ports import (
    BackendStats,
    BreakerResult,
    Claim,
    Finding,
    JobQuery,
    MigrationStep,
    SettleFate,
    Settlement,
    SettleResult,
    StoreCapabilities,
    StoreOptions,
)
from sp00ky_core.stores.deciding import DecidingStore
from sp00ky_store_postgres import migrate as migrations
from sp00ky_store_postgres.breakers import Breakers
from sp00ky_store_postgres.check import check
from sp00ky_store_postgres.claim import Claims
from sp00ky_store_postgres.connections import Connections, Lane
from sp00ky_store_postgres.enqueue import Enqueues
from sp00ky_store_postgres.listen import NOTIFY, Listener
from sp00ky_store_postgres.mapping import canonical
from sp00ky_store_postgres.options import read_url
from sp00ky_store_postgres.pulse import Pulse
from sp00ky_store_postgres.reading import Reads
from sp00ky_store_postgres.refusals import Refusals
from sp00ky_store_postgres.retention import Retention
from sp00ky_store_postgres.settle import Settles
from sp00ky_store_postgres.tables import Tables
from sp00ky_store_postgres.upkeep import Upkeep
from sp00ky_store_postgres.watch import Watches

__all__ = ["PostgresStore"]

logger = logging.getLogger(__name__)


class PostgresStore(DecidingStore):
    """Jobs in PostgreSQL 13 or newer. It belongs to one event loop; any number of processes may have one."""

    capabilities = StoreCapabilities(transactions=True, shared=True, signals_across_processes=True)

    def __init__(self, options: StoreOptions) -> None:
        """Nothing is connected yet.

        Raises:
            OptionInvalid: a key of the URL's query has a value that it can't have.
        """
        self._options = read_url(options.url)
        self._tables = Tables(options.tables, self._options.schema)
        self._connections = Connections(self._options, self._tables)
        self._claims = Claims(self._connections, self._tables, self._options.location)
        refusals = Refusals()
        self._settles = Settles(self._connections, self._tables, refusals)
        self._enqueues = Enqueues(self._connections, self._tables, self._options)
        self._breakers = Breakers(self._connections, self._tables)
        self._reads = Reads(self._connections, self._tables, self._breakers)
        self._upkeep = Upkeep(self._connections, self._tables, refusals)
        self._retention = Retention(self._connections, self._tables, refusals)
        self._listener = Listener(self._options, self._tables, self._connections, self._is_due)
        self._pulse = Pulse()
        self._watches = Watches(self._connections, self._tables, self._reads, self._pulse)

    @property
    def location(self) -> str:
        """See ``Store.location``."""
        return self._options.location

    async def open(self) -> None:
        """See ``Store.open``."""
        await self._connections.open()
        self._listener.reopen()
        self._pulse.closed = False

    async def close(self) -> None:
        """See ``Store.close``."""
        self._pulse.close()
        await self._listener.close()
        await self._connections.close()

    async def migrate(self, *, repair: bool = False) -> list[MigrationStep]:
        """See ``Store.migrate``; there is nothing that ``repair`` would change."""
        return await migrations.migrate(self._options, self._tables)

    async def migration(self, *, repair: bool = False) -> list[MigrationStep]:
        """See ``Store.migration``."""
        return await migrations.migration(self._options, self._tables)

    async def check(self) -> list[Finding]:
        """See ``Store.check``."""
        return await check(self._options, self._tables, self._connections)

    async def add(self, new_jobs: Sequence[NewJob], *, connection: object = None) -> list[Job]:
        """See ``Store.add``.

        ``connection`` is an asyncpg connection, a SQLAlchemy AsyncConnection or AsyncSession (on asyncpg or
        psycopg), or a psycopg AsyncConnection.
        """
        jobs = await self._enqueues.add(new_jobs, connection)
        if any(new_job.run_at is not None for new_job in new_jobs):
            self._claims.start_over()
        if connection is None:
            self._pulse.beat()
        return jobs

    async def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        """See ``Store.claim``."""
        claim = await self._claims.claim(slots_by_backend, runner_id)
        if claim:
            self._pulse.beat()
        return claim

    async def change_breaker(self, change: BreakerChange) -> BreakerResult:
        """See ``Store.change_breaker``."""
        result = await self._breakers.change(change)
        if result.written and change.closes:
            await self._tell_tables([self._tables.of(change.backend).table])
        return result

    async def next_due(self, backends: Collection[str]) -> float | None:
        """See ``Store.next_due``."""
        return await self._claims.next_due(backends)

    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        """See ``Store.settle``."""
        results = await self._settles.settle(settlements)
        self._pulse.beat()
        return results

    async def release(self, runner_id: str, *, keep: Collection[str]) -> list[str]:
        """See ``Store.release``."""
        released = await self._upkeep.release(runner_id, keep)
        if released:
            await self._tell(released)
        return released

    async def beat(self, runner_id: str) -> Mapping[str, datetime]:
        """See ``Store.beat``."""
        return await self._upkeep.beat(runner_id)

    async def prune(self, *, limit: int = 1_000) -> int:
        """See ``Store.prune``."""
        return await self._retention.prune(limit)

    async def get(self, job_id: str) -> Job:
        """See ``Store.get``."""
        return await self._reads.get(job_id)

    async def find(self, query: JobQuery) -> list[Job]:
        """See ``Store.find``."""
        return await self._reads.find(query)

    async def stats(self) -> Mapping[str, BackendStats]:
        """See ``Store.stats``."""
        return await self._reads.stats()

    def work_signal(self) -> AsyncGenerator[None, None]:
        """See ``Store.work_signal``."""
        return self._listener.subscribe()

    def watch(self, query: JobQuery) -> AsyncGenerator[Job, None]:
        """See ``Store.watch``."""
        return self._watches.watch(query)

    async def _load(self, job_ids: Sequence[str]) -> list[Job]:
        return await self._reads.load(job_ids)

    async def _apply(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        """What operators and reclaims write; runners elsewhere are told of jobs that are due again."""
        results = await self._settles.settle(settlements, Lane.REST)
        due = [
            each.job_id
            for each, result in zip(settlements, results, strict=True)
            if result.fate is SettleFate.SETTLED and each.transition.to is JobStatus.PENDING
        ]
        if due:
            await self._tell(due)
        self._pulse.beat()
        return results

    def _canonical(self, job_id: str) -> str:
        return canonical(job_id)

    async def _lost(self, dead_runners: Collection[str], limit: int) -> list[Job]:
        return await self._upkeep.lost(dead_runners, limit)

    async def _beats(self) -> Mapping[str, datetime]:
        return await self._upkeep.beats()

    async def _delete_ended(self, job_ids: Sequence[str]) -> Mapping[str, str | None]:
        return await self._retention.delete_ended(job_ids)

    async def _tell(self, job_ids: Sequence[str]) -> None:
        """Jobs are pending again, some of them perhaps older than those that are claimed now."""
        await self._tell_tables({job_id.partition(":")[0] for job_id in job_ids})

    async def _tell_tables(self, names: Collection[str]) -> None:
        self._claims.start_over()
        self._pulse.beat()
        self._listener.send()
        if self._options.notify:
            await self._notify(names)

    async def _notify(self, names: Collection[str]) -> None:
        """Tell other processes; what has been written stays so where that can't be told."""
        try:
            for name in names:
                await self._connections.fetch(Lane.REST, NOTIFY, f"{self._options.schema}.{name}")
        except Sp00kyError as error:
            logger.warning("other runners find new work by polling, for they can't be told of it: %s", error)

    async def _is_due(self) -> bool:
        """Whether a claim may find something; that a pause has ended, runners know by themselves."""
        backends = [table.backend for table in self._tables.all]
        return await self._claims.next_due(backends, claimable=True) == 0
