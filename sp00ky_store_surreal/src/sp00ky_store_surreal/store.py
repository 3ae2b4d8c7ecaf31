"""The store: each call of the port, put together from its room."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Collection, Iterable, Mapping, Sequence
from datetime import datetime

import attrs

from sp00ky_core.breaker import BreakerChange
from sp00ky_core.errors import JobNotFound, UnknownBackend
from sp00ky_core.job import Job, JobStatus, NewJob
from sp00ky_core.ports import (
    BackendStats,
    BreakerResult,
    Claim,
    Finding,
    JobQuery,
    JobTable,
    MigrationStep,
    Settlement,
    SettleResult,
    StoreCapabilities,
    StoreOptions,
)
from sp00ky_core.statement import Statement
from sp00ky_core.stores.deciding import DecidingStore
from sp00ky_store_surreal import adding, breakers, check, migrate, numbers, selecting, settling
from sp00ky_store_surreal.callers import Transaction
from sp00ky_store_surreal.claiming import Claimer
from sp00ky_store_surreal.connection import Connection
from sp00ky_store_surreal.errors import TableMissing
from sp00ky_store_surreal.peers import Peers
from sp00ky_store_surreal.queries import quoted, surql
from sp00ky_store_surreal.readiness import Readiness
from sp00ky_store_surreal.reading import load, nameable
from sp00ky_store_surreal.refusals import Refusals
from sp00ky_store_surreal.signals import Signals
from sp00ky_store_surreal.target import target_of
from sp00ky_store_surreal.unnameable import end_unnameable
from sp00ky_store_surreal.upkeep import Upkeep
from sp00ky_store_surreal.watching import watched

__all__ = ["SurrealStore"]

_log = logging.getLogger(__name__)


class SurrealStore(DecidingStore):
    """Jobs in SurrealDB: embedded, in a file or in memory, or on a server."""

    def __init__(self, options: StoreOptions) -> None:
        self._target = target_of(options)
        self._tables = options.tables
        self._by_backend = {each.backend: each for each in options.tables}
        for each in options.tables:
            quoted(each.table)
        self._connection = Connection(self._target)
        self._ready = Readiness(self._connection, options.tables)
        self._refusals = Refusals()
        self._peers = Peers()
        self._signals = Signals(self._target, options.tables)
        self._upkeep = Upkeep(
            connection=self._connection, tables=options.tables, refusals=self._refusals, ready=self._ready
        )
        self._claimer = Claimer(
            self._connection, self._refusals, self._peers, self._signals, self._upkeep.beats
        )
        self._warned: set[str] = set()

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
        jobs = await adding.add(
            self._connection, self._by_backend, new_jobs, whole_seconds=whole, within=within
        )
        self._wake(work=bool(jobs))
        return jobs

    def statement(self, new_job: NewJob) -> Statement:
        """See ``Statements.statement``."""
        return adding.statement(self._of_backend(new_job.backend), new_job)

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
            self._ready.note(error)  # what was claimed beside it is given back, for nobody was told
            raise
        self._signals.changed()
        return claim

    async def change_breaker(self, change: BreakerChange) -> BreakerResult:
        """See ``Store.change_breaker``."""
        self._of_backend(change.backend)
        await self._ready.ensure()
        result = await breakers.change(self._connection, change)
        if result.written and change.closes:
            self._wake(work=True)
        return result

    async def next_due(self, backends: Collection[str]) -> float | None:
        """See ``Store.next_due``."""
        await self._ready.ensure()
        tables = await self._ready.there(map(self._of_backend, backends))
        return await numbers.next_due(self._connection, tables)

    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        """See ``Store.settle``."""
        return await self._apply(settlements)

    async def release(self, runner_id: str, *, keep: Collection[str]) -> list[str]:
        """See ``Store.release``."""
        await self._ready.ensure()
        given_back = await self._upkeep.release(runner_id, keep)
        if given_back:
            self._claimer.forget_heads()
        self._wake(work=bool(given_back))
        return given_back

    async def beat(self, runner_id: str) -> Mapping[str, datetime]:
        """See ``Store.beat``."""
        await self._ready.ensure()
        beats = await self._upkeep.beat(runner_id)
        self._peers.seen(runner_id, beats)
        return beats

    async def prune(self, *, limit: int = 1_000) -> int:
        """See ``Store.prune``."""
        await self._ready.ensure()
        count = await self._upkeep.prune(limit)
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
        return await selecting.find(self._connection, self._tables, query)

    async def stats(self) -> Mapping[str, BackendStats]:
        """See ``Store.stats``."""
        await self._ready.ensure()
        return await numbers.stats(self._connection, self._tables)

    def work_signal(self) -> AsyncGenerator[None, None]:
        """See ``Store.work_signal``."""
        return self._signals.of_work()

    def watch(self, query: JobQuery) -> AsyncGenerator[Job, None]:
        """See ``Store.watch``."""
        return watched(self._connection, self._tables, query, self._signals.of_changes())

    async def _load(self, job_ids: Sequence[str]) -> list[Job]:
        await self._ready.ensure()
        jobs: list[Job] = []
        for table in self._tables:
            jobs += await load(self._connection, table, selecting.ids_of(table, dict.fromkeys(job_ids)))
        wanted = frozenset(job_ids)
        return [job for job in jobs if job.id in wanted]

    async def _apply(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        if not settlements:
            return []
        await self._ready.ensure()
        results = await settling.settle(self._connection, self._fitting(settlements), self._refusals)
        pending = [each.transition for each in settlements if each.transition.to is JobStatus.PENDING]
        if any(each.delay is None for each in pending):
            self._claimer.forget_heads()
        self._wake(work=bool(pending))
        return results

    def _fitting(self, settlements: Sequence[Settlement]) -> Sequence[Settlement]:
        without = self._ready.without_entries()
        if not without:
            return settlements
        self._warn(without)
        return [
            attrs.evolve(each, transition=attrs.evolve(each.transition, error=None))
            if each.backend in without
            else each
            for each in settlements
        ]

    def _warn(self, backends: Iterable[str]) -> None:
        for each in sorted(set(backends) - self._warned):
            self._warned.add(each)
            table = self._by_backend[each].table
            _log.warning(
                "table %s can't hold entries in errors: what goes wrong isn't kept on its rows; "
                "run: sp00ky migrate --repair",
                table,
            )

    async def _lost(self, dead_runners: Collection[str], limit: int) -> list[Job]:
        await self._ready.ensure()
        jobs: list[Job] = []
        for table in await self._ready.there(self._tables):
            if len(jobs) < limit:
                with self._ready.passing_over():
                    jobs += await self._lost_of(table, dead_runners, limit - len(jobs))
        return jobs

    async def _lost_of(self, table: JobTable, dead_runners: Collection[str], limit: int) -> list[Job]:
        statement = surql("lost", table=quoted(table.table))
        reply = await self._connection.read(statement, dead=list(dead_runners), limit=limit)
        ids = [row["id"] for row in reply[-1]]
        found = await load(self._connection, table, nameable(ids))
        await end_unnameable(self._connection, table, ids, found)
        return found

    async def _beats(self) -> Mapping[str, datetime]:
        return await self._upkeep.beats()

    async def _delete_ended(self, job_ids: Sequence[str]) -> Mapping[str, str | None]:
        await self._ready.ensure()
        deleted = await self._upkeep.delete_ended(job_ids)
        self._signals.changed()
        return dict.fromkeys(deleted)

    def _wake(self, *, work: bool) -> None:
        self._signals.changed()
        if work:
            self._signals.work()

    def _of_backend(self, backend: str) -> JobTable:
        try:
            return self._by_backend[backend]
        except KeyError:
            raise UnknownBackend(backend=backend, known=tuple(self._by_backend)) from None
