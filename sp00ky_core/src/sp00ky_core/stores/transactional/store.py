"""Answer every call of the ``Store`` port out of a few primitives of a database with transactions."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, TypeVar

from sp00ky_core.gate.breaker import BreakerChange
from sp00ky_core.job import Job, JobStatus, NewJob
from sp00ky_core.ports import (
    BackendStats,
    BreakerResult,
    Claim,
    Finding,
    JobFilter,
    JobQuery,
    MigrationStep,
    OverdueClaim,
    SettleFate,
    Settlement,
    SettleResult,
    StoreCapabilities,
)
from sp00ky_core.stores.callers import finished, refuse_synchronous, unknown_kind
from sp00ky_core.stores.ids import table_of
from sp00ky_core.stores.operations import DecidingStore
from sp00ky_core.stores.transactional.connection.session import Access, Session, Work
from sp00ky_core.stores.transactional.fleet.breaker import change_breaker
from sp00ky_core.stores.transactional.fleet.heartbeat import beats
from sp00ky_core.stores.transactional.jobs.claim import Claiming, joined, transactions
from sp00ky_core.stores.transactional.jobs.due import next_due
from sp00ky_core.stores.transactional.jobs.enqueue import add
from sp00ky_core.stores.transactional.jobs.reclaim import lost, overdue_claims
from sp00ky_core.stores.transactional.jobs.release import release
from sp00ky_core.stores.transactional.jobs.retention import Deleting
from sp00ky_core.stores.transactional.jobs.settle import settle
from sp00ky_core.stores.transactional.observe.find import count, find, ids_starting_with, one
from sp00ky_core.stores.transactional.observe.stats import stats
from sp00ky_core.stores.transactional.observe.watch import Watch
from sp00ky_core.stores.transactional.rows import key_of
from sp00ky_core.stores.transactional.schedules.store import ScheduleStore
from sp00ky_core.stores.transactional.schema.migrate import check, migrate, plan

__all__ = ["TransactionalStore"]

T = TypeVar("T")


class TransactionalStore(ScheduleStore, DecidingStore):
    """A base for the store of any database that has transactions: an adapter writes the ``Primitives``.

    It belongs to one event loop. A call that is cancelled ends at once, and its transaction comes to its own
    end: nothing is left open, and ``release`` waits for the claims among them before it looks for their rows.
    """

    capabilities: ClassVar[StoreCapabilities] = StoreCapabilities(
        transactions=True, shared=True, ordering=True, limits=True, schedules=True, rollups=True
    )

    async def open(self) -> None:
        """See ``Store.open``."""
        self._executor.open()
        self._notifications.open()
        await self._executor.read(_nothing)

    async def close(self) -> None:
        """See ``Store.close``."""
        await self._notifications.close()
        await self._executor.close()
        await self.disconnect()

    async def migrate(self, *, repair: bool = False) -> list[MigrationStep]:
        """See ``Store.migrate``; there is nothing that ``repair`` would change."""
        if not await self.migration():  # so that what is up to date is left without a lock, and unwritten
            return []
        work = partial(migrate, tables=self.options.tables, location=self.location)
        return await self._executor.write(work)

    async def migration(self, *, repair: bool = False) -> list[MigrationStep]:
        """See ``Store.migration``."""
        return await self._executor.read(lambda session: plan(session, self.options.tables, self.location))

    def migrate_in(self, connection: object, *, only_plan: bool = False) -> list[MigrationStep]:
        """See ``SynchronousMigrate.migrate_in``."""
        work = partial(plan if only_plan else migrate, tables=self.options.tables, location=self.location)
        return self._within(connection, Access.READ if only_plan else Access.WRITE, work)

    async def check(self) -> list[Finding]:
        """See ``Checks.check``."""
        work = partial(check, tables=self.options.tables, location=self.location)
        return await self._executor.read(work)

    # Enqueue, claim, settle.

    async def add(self, new_jobs: Sequence[NewJob], *, connection: object = None) -> list[Job]:
        """See ``Store.add``."""
        for each in new_jobs:
            self._of_backend(each.backend)
        work = partial(add, tables=self._backends, new_jobs=new_jobs)
        if connection is not None:
            session = self._awaited(connection, Access.WRITE)
            return await self._executor.within(session, partial(work, joined=True))
        jobs = await self._executor.write(work) if new_jobs else []
        self._notifications.send(work=True)
        return jobs

    def add_in(self, connection: object, new_jobs: Sequence[NewJob]) -> list[Job]:
        """See ``SynchronousEnqueue.add_in``: here, and in the calls beside it, where a session ``blocks``."""
        for each in new_jobs:
            self._of_backend(each.backend)
        return self._within(
            connection, Access.WRITE, partial(add, tables=self._backends, new_jobs=new_jobs, joined=True)
        )

    def get_in(self, connection: object, job_id: str) -> Job:
        """See ``SynchronousEnqueue.get_in``."""
        return self._within(connection, Access.READ, partial(one, tables=self._tables, job_id=job_id))

    def find_in(self, connection: object, query: JobQuery) -> list[Job]:
        """See ``SynchronousEnqueue.find_in``."""
        return self._within(connection, Access.READ, partial(self._found, query=query))

    def _within(self, connection: object, access: Access, work: Work[T]) -> T:
        session = self._adopted(connection, access)
        if not session.blocks:
            raise unknown_kind(connection, "a synchronous one; with this one, use Outbox and await its calls")
        result: T = finished(self._executor.within(session, work))
        return result

    def _awaited(self, connection: object, access: Access) -> Session:
        session = self._adopted(connection, access)
        if session.waits:
            refuse_synchronous(connection)
        return session

    def _adopted(self, connection: object, access: Access) -> Session:
        session = self.adopt(connection, access)
        if session is None:
            raise unknown_kind(connection, f"a connection of a kind that {self.location} takes")
        return session

    async def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        """See ``Store.claim``."""
        slots = {self._of_backend(each): count for each, count in slots_by_backend.items() if count > 0}
        claiming = partial(Claiming, runner_id=runner_id, refused=self._refused, rounds=self._rounds)
        seen = slots
        if self.capabilities.concurrent_writes:  # a claim that gets nothing is in nobody's way
            seen = {table: count for table, count in slots.items() if table.has_limits}
        claim, tables = await self._executor.read(claiming(slots=seen).look) if seen else (Claim(), ())
        tables = [*tables, *(table for table in slots if table not in seen)]
        for each in transactions(slots, tables):
            claim = joined(claim, await self._claimed(partial(claiming, slots=each)))
        if claim:
            self._notifications.send()
        return claim

    async def _claimed(self, claiming: Callable[..., Claiming]) -> Claim:
        return await self._executor.isolated(lambda apart: claiming(apart=apart).claim, claims=True)

    async def change_breaker(self, change: BreakerChange) -> BreakerResult:
        """See ``Breakers.change_breaker``."""
        table = self._of_backend(change.backend)
        result = await self._executor.write(partial(change_breaker, table=table, change=change))
        if result.written and change.closes:
            self._notifications.send(work=True)
        return result

    async def next_due(self, backends: Collection[str]) -> float | None:
        """See ``Store.next_due``."""
        tables = [self._of_backend(each) for each in backends]

        async def work(session: Session) -> float | None:
            due = await next_due(session, tables)
            return None if due is None else max((due - await session.now()).total_seconds(), 0.0)

        return await self._executor.read(work)

    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        """See ``Store.settle``."""
        if not settlements:
            return []

        def work(apart: bool) -> Work[list[SettleResult]]:
            return partial(settle, tables=self._tables, settlements=settlements, apart=apart)

        results = await self._executor.isolated(work)
        pairs = zip(settlements, results, strict=True)
        written = [each.transition.to for each, result in pairs if result.fate is SettleFate.SETTLED]
        if written:  # also the end of a job with a key is news: those behind it can be claimed
            self._notifications.send(work=JobStatus.PENDING in written or bool(self._rounds.in_use))
        return results

    async def release(self, runner_id: str, *, keep: Collection[str]) -> list[str]:
        """See ``Store.release``."""
        await self._executor.claims_ended()
        options: dict[str, Any] = {"runner_id": runner_id, "keep": frozenset(keep), "refused": self._refused}
        work = partial(release, tables=self.options.tables, **options)
        released = await self._executor.isolated(lambda apart: partial(work, apart=apart))
        if released:
            self._notifications.send(work=True)
        return released

    # Upkeep and operators.

    async def overdue(self, runners: Collection[str], *, limit: int = 500) -> list[OverdueClaim]:
        """See ``OverdueClaims.overdue``."""
        work = partial(overdue_claims, tables=self.options.tables, runners=runners, limit=limit)
        return await self._executor.read(work)

    async def prune(self, *, limit: int = 1_000, spared: Collection[str] = ()) -> int:
        """See ``Retention.prune``; without a retention of their own, jobs are kept."""
        arguments: dict[str, Any] = {"tables": self._delivered, "limit": limit, "spared": tuple(spared)}
        return await self._deleted(lambda deleting: partial(deleting.by_age, **arguments))

    async def clear_matching(self, conditions: JobFilter, *, limit: int = 10_000) -> int:
        """See ``Clears.clear_matching``."""
        arguments: dict[str, Any] = {"tables": self.options.tables, "conditions": conditions, "limit": limit}
        return await self._deleted(lambda deleting: partial(deleting.matching, **arguments))

    async def _deleted(self, work: Callable[[Deleting], Work[T]]) -> T:
        result = await self._executor.isolated(
            lambda apart: work(Deleting(self._refused, apart=apart, cleared=self._cleared))
        )
        self._notifications.send()
        return result

    # Reading.

    async def get(self, job_id: str, *, connection: object = None) -> Job:
        """See ``Store.get``."""
        return await self._read(connection, partial(one, tables=self._tables, job_id=job_id))

    async def find(self, query: JobQuery, *, connection: object = None) -> list[Job]:
        """See ``Store.find``."""
        return await self._read(connection, partial(self._found, query=query))

    async def _read(self, connection: object, work: Work[T]) -> T:
        if connection is None:
            return await self._executor.read(work)
        return await self._executor.within(self._awaited(connection, Access.READ), work)

    async def _found(self, session: Session, query: JobQuery) -> list[Job]:
        after = None if query.after is None else await one(session, self._tables, query.after)
        return await find(session, self.options.tables, query, after)

    async def count(self, conditions: JobFilter) -> int:
        """See ``Counts.count``."""
        return await self._executor.read(partial(count, tables=self.options.tables, conditions=conditions))

    async def ids_starting_with(self, prefix: str, *, limit: int = 2) -> list[str]:
        """See ``ShortIds.ids_starting_with``."""
        table = table_of(prefix)
        if table not in self._tables:
            return []
        work = partial(ids_starting_with, table=table, start=key_of(prefix), limit=limit)
        return await self._executor.read(work)

    async def stats(self, *, limit: int | None = None) -> Mapping[str, BackendStats]:
        """See ``Store.stats``; what is larger than ``limit`` is said to be so large."""
        return await self._executor.read(partial(stats, tables=self.options.tables, limit=limit))

    def work_signal(self) -> AsyncGenerator[None, None]:
        """See ``Store.work_signal``."""
        return self._notifications.work()

    def watch(self, query: JobQuery, *, history: int | None = None) -> AsyncGenerator[Job, None]:
        """See ``Watch.watch``."""
        watch = Watch(self._executor.read, self.options.tables, query)
        return watch.follow(self._notifications.changed(), history)

    # What ``DecidingStore`` asks for.

    async def _lost(
        self,
        dead_runners: Collection[str],
        *,
        beating: Collection[str],
        overdue: Collection[OverdueClaim],
        limit: int,
    ) -> list[Job]:
        options: dict[str, Any] = {"beating": beating, "named": overdue, "limit": limit}
        options["refused"] = self._refused
        work = partial(lost, tables=self._delivered, dead=tuple(dead_runners), **options)
        return await self._executor.read(work)

    async def _beats(self) -> Mapping[str, datetime]:
        return {each: beat.at for each, beat in (await self._executor.read(beats)).items()}

    async def delete(self, job_ids: Sequence[str]) -> Mapping[str, str | None]:
        """See ``Store.delete``."""
        return await self._deleted(
            lambda deleting: partial(deleting.by_ids, tables=self._tables, ids=job_ids)
        )


async def _nothing(session: Session) -> None:
    """Touch the database, so that a connection is made."""
    await session.now()
