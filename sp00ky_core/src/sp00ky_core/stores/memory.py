"""The reference store: jobs in this process's memory. Every other store must do as it does."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from heapq import nlargest
from itertools import islice
from typing import Any

import attrs

from sp00ky_core.breaker import Breaker, BreakerChange
from sp00ky_core.errors import JobNotFound, OptionInvalid, UnknownBackend, shown
from sp00ky_core.ids import job_id, new_key, table_of
from sp00ky_core.job import Job, JobStatus, NewJob
from sp00ky_core.machine import Released, decide
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
from sp00ky_core.retry import RetryPolicy
from sp00ky_core.stores.applying import applied
from sp00ky_core.stores.deciding import DecidingStore
from sp00ky_core.stores.memory_breakers import MemoryBreakers
from sp00ky_core.stores.memory_table import MemoryTable
from sp00ky_core.stores.memory_transaction import MemoryTransaction
from sp00ky_core.stores.rows import job_of, new_row
from sp00ky_core.stores.selecting import age_of, matches, stats_of
from sp00ky_core.stores.signal import Signal

__all__ = ["MemoryStore", "MemoryTransaction"]


def utc_now() -> datetime:
    """This host's clock."""
    return datetime.now(UTC)


class MemoryStore(DecidingStore):
    """Jobs in memory, gone with the process; for tests, for trying out, and to measure others against.

    A claim costs the logarithm of the backlog, and nothing for finished rows. It belongs to one event loop.
    """

    capabilities = StoreCapabilities(transactions=True, exact_order=True, shared=False, durable=False)
    location = "memory://"

    def __init__(self, options: StoreOptions, *, now: Callable[[], datetime] = utc_now) -> None:
        self.options = options
        self._now = now
        self._tables = {table.table: MemoryTable(table) for table in options.tables}
        self._backends = {table.options.backend: table for table in self._tables.values()}
        self._breakers = MemoryBreakers()
        self._beats_at: dict[str, datetime] = {}
        self._transactions: set[MemoryTransaction] = set()
        self._watched: list[OrderedDict[str, None]] = []
        self._work = Signal()
        self._changes = Signal()

    async def open(self) -> None:
        """See ``Store.open``."""
        if self._work.closed:
            self._work, self._changes = Signal(), Signal()

    async def close(self) -> None:
        """See ``Store.close``; the jobs stay."""
        self._work.close()
        self._changes.close()

    async def migrate(self, *, repair: bool = False) -> list[MigrationStep]:
        """See ``Store.migrate``: there is nothing to do."""
        return []

    async def migration(self, *, repair: bool = False) -> list[MigrationStep]:
        """See ``Store.migration``: there is nothing to do."""
        return []

    async def check(self) -> list[Finding]:
        """See ``Store.check``: there is nothing to find."""
        return []

    def transaction(self) -> MemoryTransaction:
        """A transaction to be passed as ``connection=``, in an ``async with``."""
        transaction = MemoryTransaction(self._commit)
        self._transactions.add(transaction)
        return transaction

    async def add(self, new_jobs: Sequence[NewJob], *, connection: object = None) -> list[Job]:
        """See ``Store.add``."""
        if not isinstance(connection, MemoryTransaction | None) or (
            connection is not None and connection not in self._transactions
        ):
            raise OptionInvalid(
                option="connection", value=shown(connection), expected="an open MemoryStore.transaction()"
            )
        for new_job in new_jobs:
            self._of_backend(new_job.backend)
        transaction = connection or MemoryTransaction(self._commit)
        while (holder := self._holder(new_jobs, transaction)) is not None:
            await transaction.wait_for(holder)
        now = self._now()
        jobs = [self._insert(new_job, transaction, now) for new_job in new_jobs]
        if connection is None:
            transaction.commit()
        return jobs

    async def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        """See ``Store.claim``."""
        now = self._now()
        claimed: list[Job] = []
        breakers: dict[str, Breaker] = {}
        for backend, slots in slots_by_backend.items():
            if slots > 0:
                jobs, breaker = self._breakers.claim(self._of_backend(backend), slots, runner_id, now)
                claimed += jobs
                if breaker != Breaker():
                    breakers[backend] = breaker
        self._changed(claimed)
        return Claim(claimed, breakers=breakers)

    async def change_breaker(self, change: BreakerChange) -> BreakerResult:
        """See ``Store.change_breaker``."""
        self._of_backend(change.backend)
        result = self._breakers.change(change, self._now())
        if result.written and change.closes:
            self._work.send()
        return result

    async def next_due(self, backends: Collection[str]) -> float | None:
        """See ``Store.next_due``."""
        found = [due for each in backends if (due := self._of_backend(each).next_due()) is not None]
        return max((min(found) - self._now()).total_seconds(), 0.0) if found else None

    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        """See ``Store.settle``."""
        return await self._apply(settlements)

    async def release(self, runner_id: str, *, keep: Collection[str]) -> list[str]:
        """See ``Store.release``."""
        kept = frozenset(keep)
        given_back = [
            job
            for table in self._tables.values()
            for job in table.of_status(JobStatus.PROCESSING)
            if job.runner_id == runner_id and job.id not in kept and self._is_leased(job)
        ]
        for job in given_back:
            self._write(applied(job, decide(job, Released(), RetryPolicy()), self._now()))
        return [job.id for job in given_back]

    def _is_leased(self, job: Job) -> bool:
        return job.lease_until is not None and job.lease_until > self._now()

    async def beat(self, runner_id: str) -> Mapping[str, datetime]:
        """See ``Store.beat``."""
        self._beats_at[runner_id] = self._now()
        return dict(self._beats_at)

    async def prune(self, *, limit: int = 1_000) -> int:
        """See ``Store.prune``; without a retention of their own, jobs are kept."""
        count = 0
        for table in self._tables.values():
            count += table.prune(self._now(), limit - count)
        self._changes.send()
        return count

    async def get(self, job_id: str) -> Job:
        """See ``Store.get``."""
        job = self._row(job_id)
        if job is None:
            raise JobNotFound(job_id=job_id)
        return job

    async def find(self, query: JobQuery) -> list[Job]:
        """See ``Store.find``."""
        matching: Iterable[Job] = self._matching(query)
        if query.after is not None:
            last = age_of(await self.get(query.after))
            matching = (job for job in matching if age_of(job) < last)
        return nlargest(query.limit, matching, key=age_of)

    async def stats(self) -> Mapping[str, BackendStats]:
        """See ``Store.stats``."""
        now = self._now()
        return {
            backend: attrs.evolve(
                stats_of(table.rows.values(), now), breaker=self._breakers.stats(backend, now)
            )
            for backend, table in self._backends.items()
        }

    def work_signal(self) -> AsyncGenerator[None, None]:
        """See ``Store.work_signal``."""
        return self._work.subscribe()

    async def watch(self, query: JobQuery) -> AsyncGenerator[Job, None]:
        """See ``Store.watch``."""
        changed = OrderedDict.fromkeys(job.id for job in sorted(self._matching(query), key=age_of))
        self._watched.append(changed)
        seen = bool(changed)
        try:
            async for _ in self._changes.subscribe():
                while changed:
                    job = self._row(changed.popitem(last=False)[0])
                    if job is not None and matches(job, query):
                        seen = True
                        yield job
                if seen and query.ids is not None and not any(map(self._row, query.ids)):
                    return
        finally:
            self._watched = [each for each in self._watched if each is not changed]

    def write_row(self, table: str, fields: Mapping[str, Any]) -> str:
        """Write a row as another client might, unchecked: for tests of rows that break the contract.

        Args:
            table: its name.
            fields: columns by name; one that is left out has its default; ``id`` may be a key or an id.

        Returns:
            The row's id.
        """
        now = self._now()
        key = str(fields.get("id") or new_key()).removeprefix(f"{table}:")
        defaults = dict.fromkeys(("created_at", "updated_at", "run_at"), now)
        row = {**defaults, **fields, "id": job_id(table, key)}
        options = self._tables[table].options
        job = job_of(
            row,
            backend=options.backend,
            strategies=options.strategies,
            timeout_counts=options.timeout_overridable,
        )
        self._write(job)
        return job.id

    async def _load(self, job_ids: Sequence[str]) -> list[Job]:
        return [job for each in job_ids if (job := self._row(each)) is not None]

    async def _apply(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        now = self._now()
        return [SettleResult(job_id=each.job_id, fate=self._apply_one(each, now)) for each in settlements]

    async def _lost(self, dead_runners: Collection[str], limit: int) -> list[Job]:
        now, dead = self._now(), frozenset(dead_runners)
        found = (job for table in self._tables.values() for job in table.expired(dead, now))
        return list(islice(found, limit))

    async def _beats(self) -> Mapping[str, datetime]:
        return dict(self._beats_at)

    async def _delete_ended(self, job_ids: Sequence[str]) -> Mapping[str, str | None]:
        ended = {job.id for job in await self._load(job_ids) if job.is_terminal}
        for each in ended:
            self._tables[table_of(each)].remove(each)
        self._changes.send()
        return dict.fromkeys(ended)

    def _apply_one(self, settlement: Settlement, now: datetime) -> SettleFate:
        job = self._row(settlement.job_id)
        if job is None or job.lease_epoch != settlement.epoch:
            return SettleFate.LEASE_LOST
        if job.status is not settlement.status:
            return SettleFate.ALREADY_SETTLED
        after = applied(job, settlement.transition, now)
        if job.is_terminal and not after.is_terminal and self._is_taken(job):
            return SettleFate.DUPLICATE
        self._write(after)
        return SettleFate.SETTLED

    def _is_taken(self, job: Job) -> bool:
        if job.dedup_key is None:
            return False
        held = any((job.backend, job.dedup_key) in each.keys for each in self._transactions)
        return held or self._backends[job.backend].live(job.dedup_key) is not None

    def _holder(self, new_jobs: Sequence[NewJob], own: MemoryTransaction) -> MemoryTransaction | None:
        keys = {(each.backend, each.dedup_key) for each in new_jobs if each.dedup_key is not None}
        others = (each for each in self._transactions if each is not own)
        return next((each for each in others if not keys.isdisjoint(each.keys)), None)

    def _insert(self, new_job: NewJob, transaction: MemoryTransaction, now: datetime) -> Job:
        table = self._of_backend(new_job.backend)
        held = None if new_job.dedup_key is None else (new_job.backend, new_job.dedup_key)
        existing = (held and transaction.keys.get(held)) or table.live(new_job.dedup_key)
        if existing is not None:
            return existing
        job = new_row(new_job, job_id(table.options.table, new_key()), now)
        transaction.jobs.append(job)
        if held is not None:
            transaction.keys[held] = job
        return job

    def _commit(self, transaction: MemoryTransaction) -> None:
        self._transactions.discard(transaction)
        for job in transaction.jobs:
            self._write(job)

    def _write(self, job: Job) -> None:
        self._backends[job.backend].put(job)
        self._changed([job])
        if job.status is JobStatus.PENDING:
            self._work.send()

    def _changed(self, jobs: Iterable[Job]) -> None:
        for watched in self._watched:
            watched.update((job.id, None) for job in jobs)
        self._changes.send()

    def _row(self, job_id: str) -> Job | None:
        table = self._tables.get(table_of(job_id))
        return None if table is None else table.rows.get(job_id)

    def _of_backend(self, backend: str) -> MemoryTable:
        try:
            return self._backends[backend]
        except KeyError:
            raise UnknownBackend(backend=backend, known=tuple(self._backends)) from None

    def _matching(self, query: JobQuery) -> list[Job]:
        if query.ids is not None:
            found: Iterable[Job] = filter(None, map(self._row, dict.fromkeys(query.ids)))
        else:
            found = (job for table in self._tables.values() for job in table.of_status(query.status))
        return [job for job in found if matches(job, query)]
