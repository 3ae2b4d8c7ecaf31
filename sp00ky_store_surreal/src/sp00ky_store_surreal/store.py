"""Answer each call of the port with the part that does it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping

from sp00ky_core.gate.breaker import BreakerChange
from sp00ky_core.job.job import Job
from sp00ky_core.ports import (
    BreakerResult,
    Claim,
    Finding,
    JobQuery,
    MigrationStep,
    StoreCapabilities,
    StoreOptions,
)
from sp00ky_core.stores.decisions import DecidingStore
from sp00ky_core.stores.isolation import Quarantine
from sp00ky_store_surreal.connection.executor import Connection
from sp00ky_store_surreal.errors import TableMissing
from sp00ky_store_surreal.fleet import breaker
from sp00ky_store_surreal.fleet.heartbeat import Heartbeats
from sp00ky_store_surreal.jobs.claim import Claimer
from sp00ky_store_surreal.jobs.claim_window import ClaimIndex, Peers
from sp00ky_store_surreal.jobs.enqueue import Enqueues
from sp00ky_store_surreal.jobs.reclaim import LostClaims
from sp00ky_store_surreal.jobs.release import Releases
from sp00ky_store_surreal.jobs.retention import Retention
from sp00ky_store_surreal.jobs.settle import Settles
from sp00ky_store_surreal.observe.error_groups import ErrorGroups
from sp00ky_store_surreal.observe.find import Reads
from sp00ky_store_surreal.observe.notifications import Signals
from sp00ky_store_surreal.observe.rollups import RollupRows
from sp00ky_store_surreal.observe.stats import Stats
from sp00ky_store_surreal.observe.watch import Watch
from sp00ky_store_surreal.operate.audit import Audits
from sp00ky_store_surreal.operate.clear import Clears
from sp00ky_store_surreal.operate.pause import Pauses
from sp00ky_store_surreal.row_changes import RowChanges
from sp00ky_store_surreal.schedules.change import ScheduleChanges
from sp00ky_store_surreal.schedules.find import ScheduleReads
from sp00ky_store_surreal.schedules.query import RowQueries
from sp00ky_store_surreal.schema import check, migrate
from sp00ky_store_surreal.schema.readiness import Readiness
from sp00ky_store_surreal.surql.loader import quoted
from sp00ky_store_surreal.url import target_of

__all__ = ["SurrealStore"]


class SurrealStore(
    Enqueues,
    Settles,
    Releases,
    LostClaims,
    Retention,
    Reads,
    Stats,
    ErrorGroups,
    Pauses,
    Audits,
    Heartbeats,
    Clears,
    ScheduleReads,
    ScheduleChanges,
    RowQueries,
    RollupRows,
    DecidingStore,
):
    """Jobs in SurrealDB: embedded, in a file or in memory, or on a server.

    Its bases answer the calls that their names say; ``claim`` and the rest are here.
    """

    def __init__(self, options: StoreOptions) -> None:
        self._target = target_of(options)
        self._tables = options.tables
        self._by_backend = {each.backend: each for each in options.tables}
        for each in options.tables:
            quoted(each.table)
        self._connection = Connection(self._target)
        self._ready = Readiness(self._connection, options.tables)
        self._quarantine = Quarantine()
        self._peers = Peers()
        self._signals = Signals(self._target, options.tables)
        self._changes = RowChanges(connection=self._connection, quarantine=self._quarantine)
        self._index = ClaimIndex(self._connection, options.tables)
        self._claimer = Claimer(self._connection, self._quarantine, self._peers, self._signals, self._index)
        self._limited = frozenset(each.backend for each in options.tables if each.has_limits)

    @property
    def capabilities(self) -> StoreCapabilities:
        """See ``Store.capabilities``."""
        embedded = self._target.embedded
        return StoreCapabilities(
            exact_order=embedded,
            shared=not embedded,
            signals_across_processes=not embedded,
            durable=not embedded or self._target.file is not None,
            transactions=not embedded,
            statements=True,
            ordering=True,
            limits=True,
            schedules=True,
            rollups=True,
            reschedules=False,
        )

    @property
    def location(self) -> str:
        """See ``Store.location``."""
        return self._target.location

    async def open(self) -> None:
        """See ``Store.open``."""
        await self._connection.open()
        self._signals.reopen()

    async def close(self) -> None:
        """See ``Store.close``."""
        await self._signals.close()
        self._ready.forget()
        await self._connection.close()

    async def migrate(self, *, repair: bool = False) -> list[MigrationStep]:
        """See ``Store.migrate``."""
        steps = await self.migration(repair=repair)
        await migrate.apply_steps(self._connection, steps, self._tables)
        self._ready.forget()
        return steps

    async def migration(self, *, repair: bool = False) -> list[MigrationStep]:
        """See ``Store.migration``."""
        return await migrate.missing_steps(self._connection, self._tables, repair=repair)

    async def check(self) -> list[Finding]:
        """See ``Checks.check``."""
        return await check.findings(self._connection, self._tables)

    async def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        """See ``Store.claim``."""
        slots = [(self._of_backend(each), count) for each, count in slots_by_backend.items() if count > 0]
        if not slots:
            return Claim()
        await self._ready.ensure()
        there = await self._ready.there(table for table, _ in slots)
        try:
            claim = await self._claimer.claim([each for each in slots if each[0] in there], runner_id)
        except TableMissing as error:
            self._ready.note(error)  # what was claimed beside it is released: no runner knows of it
            raise
        self._signals.changed(job.id for job in claim)
        return claim

    async def change_breaker(self, change: BreakerChange) -> BreakerResult:
        """See ``Breakers.change_breaker``."""
        self._of_backend(change.backend)
        await self._ready.ensure()
        result = await breaker.change(self._connection, self._of_backend(change.backend), change)
        if result.written and change.closes:
            self._wake([], work=True)
        return result

    def work_signal(self) -> AsyncGenerator[None, None]:
        """See ``Store.work_signal``."""
        return self._signals.of_work()

    def watch(self, query: JobQuery, *, history: int | None = None) -> AsyncGenerator[Job, None]:
        """See ``Watch.watch``."""
        tables = [each for each in self._tables if query.backend in {None, each.backend}]
        watch = Watch(connection=self._connection, tables=tables, query=query, signals=self._signals)
        return watch.jobs(history)
