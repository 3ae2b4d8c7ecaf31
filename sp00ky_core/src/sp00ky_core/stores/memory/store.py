"""The reference store: jobs in this process's memory. Every other store must do as it does."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from heapq import nlargest
from itertools import islice

import attrs

from sp00ky_core.breaker import Breaker, BreakerChange
from sp00ky_core.errors import OptionInvalid, shown
from sp00ky_core.job import Job, JobStatus, NewJob
from sp00ky_core.machine import Released, decide
from sp00ky_core.ports import (
    BreakerResult,
    Claim,
    Finding,
    JobFilter,
    MigrationStep,
    OverdueClaim,
    Reschedule,
    SettleFate,
    Settlement,
    SettleResult,
)
from sp00ky_core.retry import RetryPolicy
from sp00ky_core.stores.apply import applied, rescheduled
from sp00ky_core.stores.filters import age_of, is_overdue
from sp00ky_core.stores.ids import job_id, new_key, table_of
from sp00ky_core.stores.memory.audit import MemoryAudit
from sp00ky_core.stores.memory.observe import MemoryObserve
from sp00ky_core.stores.memory.runners import MemoryRunners
from sp00ky_core.stores.memory.table import MemoryTable
from sp00ky_core.stores.memory.transaction import MemoryTransaction
from sp00ky_core.stores.operations import DecidingStore
from sp00ky_core.stores.rows import new_row

__all__ = ["MemoryStore", "MemoryTransaction"]


@attrs.frozen(kw_only=True)
class _Part:
    """A claim of one backend."""

    jobs: list[Job]
    breaker: Breaker
    retry_in: float | None


class MemoryStore(MemoryObserve, MemoryRunners, MemoryAudit, DecidingStore):
    """Jobs in memory, gone with the process; for tests, for trying out, and to measure others against.

    A claim costs the logarithm of the backlog, and nothing for finished rows. It belongs to one event loop.
    """

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
        """Begin a transaction to be passed as ``connection=``, in an ``async with``."""
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
        parts = {
            backend: self._claim_of(self._of_backend(backend), slots, runner_id, now)
            for backend, slots in slots_by_backend.items()
            if slots > 0
        }
        paused = {backend: self._controls[backend].paused_for(now) for backend in parts}
        claim = Claim(
            (job for part in parts.values() for job in part.jobs),
            breakers={name: part.breaker for name, part in parts.items() if part.breaker != Breaker()},
            paused={name: seconds for name, seconds in paused.items() if seconds > 0},
            retry_in={name: part.retry_in for name, part in parts.items() if part.retry_in is not None},
        )
        self._changed(claim)
        return claim

    def _claim_of(self, table: MemoryTable, slots: int, runner_id: str, now: datetime) -> _Part:
        control = self._controls[table.options.backend]
        allowance = control.allowance(table, now)
        granted = 0 if control.paused(now) else allowance.grant(slots)
        jobs, breaker = self._breakers.claim(table, granted, runner_id, now)
        control.spend(allowance, len(jobs), now)
        wait = allowance.retry_in(slots, len(jobs))
        if wait is not None and (control.paused(now) or not table.has_due(now)):
            wait = None
        return _Part(jobs=jobs, breaker=breaker, retry_in=wait)

    async def pause(
        self,
        backend: str,
        *,
        seconds: float | None = None,
        reason: str | None = None,
        actor: str | None = None,
    ) -> bool:
        """See ``Store.pause``."""
        is_new = self._control(backend).pause(seconds, reason=reason, actor=actor, now=self._now())
        self._work.send()
        return is_new

    async def resume(self, backend: str) -> bool:
        """See ``Store.resume``."""
        was_paused = self._control(backend).resume(self._now())
        self._work.send()
        return was_paused

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

    async def overdue(self, runners: Collection[str], *, limit: int = 500) -> list[OverdueClaim]:
        """See ``Store.overdue``."""
        now, theirs = self._now(), frozenset(runners)
        found = (each for table in self._tables.values() for each in table.overdue(now))
        return list(islice((each for each in found if each.runner_id in theirs), limit))

    async def prune(self, *, limit: int = 1_000) -> int:
        """See ``Store.prune``; without a retention of their own, jobs are kept."""
        count = 0
        for table in self._tables.values():
            count += table.prune(self._now(), limit - count)
        self._prune_audit()
        self._changes.send()
        return count

    async def clear_matching(self, conditions: JobFilter, *, limit: int = 10_000) -> int:
        """See ``Store.clear_matching``."""
        ended = (job for job in self._each_matching(conditions) if job.is_terminal)
        newest = nlargest(limit, ended, key=age_of)
        for job in newest:
            self._tables[table_of(job.id)].remove(job.id)
        self._changes.send()
        return len(newest)

    async def _load(self, job_ids: Sequence[str]) -> list[Job]:
        return [job for each in job_ids if (job := self._row(each)) is not None]

    async def _apply(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        now = self._now()
        return [SettleResult(job_id=each.job_id, fate=self._apply_one(each, now)) for each in settlements]

    async def _lost(
        self,
        dead_runners: Collection[str],
        *,
        beating: Collection[str],
        overdue: Collection[OverdueClaim],
        limit: int,
    ) -> list[Job]:
        now, named = self._now(), {each.job_id for each in overdue}
        found = (
            job
            for table in self._tables.values()
            for job in table.of_status(JobStatus.PROCESSING)
            if job.runner_id in dead_runners
            or (is_overdue(job, now) and (job.runner_id not in beating or job.id in named))
        )
        return list(islice(found, limit))

    async def _delete_ended(self, job_ids: Sequence[str]) -> Mapping[str, str | None]:
        ended = {job.id for job in await self._load(job_ids) if job.is_terminal}
        for each in ended:
            self._tables[table_of(each)].remove(each)
        self._changes.send()
        return dict.fromkeys(ended)

    async def _reschedule(self, job_ids: Sequence[str], change: Reschedule) -> Mapping[str, str | None]:
        pending = [job for job in await self._load(job_ids) if job.status is JobStatus.PENDING]
        for job in pending:
            self._write(rescheduled(job, change, self._now()))
        return dict.fromkeys(job.id for job in pending)

    def _apply_one(self, settlement: Settlement, now: datetime) -> SettleFate:
        job = self._row(settlement.job_id)
        if job is None:
            return SettleFate.LEASE_LOST
        fate = settlement.fate_on(epoch=job.lease_epoch, status=job.status, runner_id=job.runner_id)
        if fate is not SettleFate.SETTLED:
            return fate
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
