"""Answer each call of the port with the part that does it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Iterable, Mapping, Sequence
from datetime import datetime

from sp00ky_core.breaker import BreakerChange
from sp00ky_core.errors import JobNotFound, UnknownBackend
from sp00ky_core.job import Job, JobStatus, NewJob
from sp00ky_core.ports import (
    BackendStats,
    BreakerResult,
    Claim,
    Finding,
    JobFilter,
    JobQuery,
    JobTable,
    MigrationStep,
    OverdueClaim,
    Settlement,
    SettleResult,
    Statement,
    StoreCapabilities,
    StoreOptions,
)
from sp00ky_core.stores.isolation import Quarantine
from sp00ky_store_surreal.connection.executor import Connection
from sp00ky_store_surreal.connection.external import Transaction
from sp00ky_store_surreal.errors import TableMissing
from sp00ky_store_surreal.fleet import breaker, heartbeat
from sp00ky_store_surreal.jobs import enqueue, reclaim, release, retention
from sp00ky_store_surreal.jobs.claim import Claimer
from sp00ky_store_surreal.jobs.claim_offset import Peers
from sp00ky_store_surreal.jobs.settle import Fitting, Settler
from sp00ky_store_surreal.observe import find, stats
from sp00ky_store_surreal.observe.filters import ids_of
from sp00ky_store_surreal.observe.follow import Following
from sp00ky_store_surreal.observe.notifications import Signals
from sp00ky_store_surreal.observe.watch import watched
from sp00ky_store_surreal.operate import clear
from sp00ky_store_surreal.operate.calls import OperatedStore
from sp00ky_store_surreal.row_changes import RowChanges
from sp00ky_store_surreal.row_loading import load
from sp00ky_store_surreal.schema import check, migrate
from sp00ky_store_surreal.schema.readiness import Readiness
from sp00ky_store_surreal.surql.loader import quoted
from sp00ky_store_surreal.url import target_of

__all__ = ["SurrealStore"]


class SurrealStore(OperatedStore):
    """Jobs in SurrealDB: embedded, in a file or in memory, or on a server."""

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
        self._changes = RowChanges(
            connection=self._connection, tables=options.tables, quarantine=self._quarantine, ready=self._ready
        )
        self._claimer = Claimer(self._connection, self._quarantine, self._peers, self._signals)
        self._limited = frozenset(each.backend for each in options.tables if each.has_limits)
        self._fitting = Fitting(self._by_backend)

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
        """See ``Store.check``."""
        return await check.findings(self._connection, self._tables)

    async def add(self, new_jobs: Sequence[NewJob], *, connection: object = None) -> list[Job]:
        """See ``Store.add``."""
        within = None if connection is None else Transaction(connection, self._target)
        for each in new_jobs:
            self._of_backend(each.backend)
        await self._ready.ensure()
        whole = self._ready.whole_seconds()
        jobs = await enqueue.add(
            self._connection, self._by_backend, new_jobs, whole_seconds=whole, within=within
        )
        self._wake([job.id for job in jobs], work=bool(jobs))
        return jobs

    def statement(self, new_job: NewJob) -> Statement:
        """See ``Statements.statement``."""
        return enqueue.statement(self._of_backend(new_job.backend), new_job)

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
        """See ``Store.change_breaker``."""
        self._of_backend(change.backend)
        await self._ready.ensure()
        result = await breaker.change(self._connection, change)
        if result.written and change.closes:
            self._wake([], work=True)
        return result

    async def next_due(self, backends: Collection[str]) -> float | None:
        """See ``Store.next_due``."""
        await self._ready.ensure()
        tables = await self._ready.there(map(self._of_backend, backends))
        return await stats.next_due(self._connection, tables)

    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        """See ``Store.settle``."""
        return await self._apply(settlements)

    async def release(self, runner_id: str, *, keep: Collection[str]) -> list[str]:
        """See ``Store.release``."""
        await self._ready.ensure()
        given_back = await release.release(self._changes, runner_id, keep)
        if given_back:
            self._claimer.forget_heads()
        self._wake(given_back, work=bool(given_back))
        return given_back

    async def prune(self, *, limit: int = 1_000) -> int:
        """See ``Store.prune``."""
        await self._ready.ensure()
        count = await retention.prune(self._changes, limit)
        self._signals.changed()
        return count

    async def get(self, job_id: str) -> Job:
        """See ``Store.get``."""
        jobs = await self._load([job_id])
        if not jobs:
            raise JobNotFound(job_id=job_id)
        return jobs[0]

    async def find(self, query: JobQuery) -> list[Job]:
        """See ``Store.find``."""
        await self._ready.ensure()
        if query.after is not None:
            await self.get(query.after)
        return await find.find(self._connection, self._tables, query)

    async def count(self, conditions: JobFilter) -> int:
        """See ``Store.count``."""
        await self._ready.ensure()
        return await find.count(self._connection, self._tables, conditions)

    async def clear_matching(self, conditions: JobFilter, *, limit: int = 10_000) -> int:
        """See ``Store.clear_matching``."""
        await self._ready.ensure()
        count = await clear.clear_matching(self._changes, conditions, limit)
        self._signals.changed()
        return count

    async def ids_starting_with(self, prefix: str, *, limit: int = 2) -> list[str]:
        """See ``Store.ids_starting_with``."""
        await self._ready.ensure()
        return await find.ids_starting_with(self._connection, self._tables, prefix, limit)

    async def stats(self) -> Mapping[str, BackendStats]:
        """See ``Store.stats``."""
        await self._ready.ensure()
        return await stats.stats(self._connection, self._tables)

    def work_signal(self) -> AsyncGenerator[None, None]:
        """See ``Store.work_signal``."""
        return self._signals.of_work()

    def watch(self, query: JobQuery, *, history: int | None = None) -> AsyncGenerator[Job, None]:
        """See ``Store.watch``."""
        if query.ids is None:
            tables = [each for each in self._tables if query.backend in {None, each.backend}]
            following = Following(
                connection=self._connection, tables=tables, query=query, signals=self._signals
            )
            return following.jobs(history)
        return watched(self._connection, self._tables, query, self._signals.of_changes(), history)

    async def _load(self, job_ids: Sequence[str]) -> list[Job]:
        await self._ready.ensure()
        jobs: list[Job] = []
        for table in self._tables:
            jobs += await load(self._connection, table, ids_of(table, dict.fromkeys(job_ids)))
        wanted = frozenset(job_ids)
        return [job for job in jobs if job.id in wanted]

    async def _apply(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        if not settlements:
            return []
        await self._ready.ensure()
        settler = Settler(
            connection=self._connection,
            quarantine=self._quarantine,
            results=self._ready.results(),
            ordered=[each for each in self._by_backend if self._claimer.may_order(each)],
            limited=self._limited,
        )
        results = await settler.settle(self._fitting.of(settlements, self._ready.without_entries()))
        pending = [each.transition for each in settlements if each.transition.to is JobStatus.PENDING]
        if any(each.delay is None for each in pending):
            self._claimer.forget_heads()
        self._wake([each.job_id for each in settlements], work=bool(pending))
        return results

    async def overdue(self, runners: Collection[str], *, limit: int = 500) -> list[OverdueClaim]:
        """See ``Store.overdue``."""
        await self._ready.ensure()
        return await reclaim.overdue(self._changes, runners, limit)

    async def _lost(
        self,
        dead_runners: Collection[str],
        *,
        beating: Collection[str],
        overdue: Collection[OverdueClaim],
        limit: int,
    ) -> list[Job]:
        await self._ready.ensure()
        who = reclaim.Lost(dead=dead_runners, beating=beating, named=[each.job_id for each in overdue])
        return await reclaim.lost(self._changes, who, limit)

    async def _beats(self) -> Mapping[str, datetime]:
        return {runner_id: beat.at for runner_id, beat in (await heartbeat.beats(self._connection)).items()}

    async def _delete_ended(self, job_ids: Sequence[str]) -> Mapping[str, str | None]:
        await self._ready.ensure()
        deleted = await clear.delete_ended(self._changes, job_ids)
        self._signals.changed()
        return dict.fromkeys(deleted)

    def _wake(self, ids: Iterable[str], *, work: bool) -> None:
        self._signals.changed(ids)
        if work:
            self._signals.work()

    def _of_backend(self, backend: str) -> JobTable:
        try:
            return self._by_backend[backend]
        except KeyError:
            raise UnknownBackend(backend=backend, known=tuple(self._by_backend)) from None
