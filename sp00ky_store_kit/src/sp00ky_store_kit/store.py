"""Answer every call of the ``Store`` port out of a few primitives of a database with transactions."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, TypeVar, Unpack

import attrs

from sp00ky_core.errors import RowRefused, UnknownBackend
from sp00ky_core.gate.breaker import BreakerChange
from sp00ky_core.job.job import Job, JobStatus, NewJob
from sp00ky_core.job.state_machine import Rescheduled
from sp00ky_core.ports import (
    ALL_JOBS,
    NO_INFO,
    Act,
    ActOptions,
    AuditEntry,
    BackendStats,
    BreakerResult,
    Claim,
    ErrorGroup,
    Finding,
    GroupBy,
    JobFilter,
    JobGroup,
    JobQuery,
    JobTable,
    KeyedJob,
    MigrationStep,
    OverdueClaim,
    Rollup,
    RollupQuery,
    Row,
    RunnerBeat,
    RunnerInfo,
    RunnerRecord,
    SettingsRecord,
    SettleFate,
    Settlement,
    SettleResult,
    Spared,
    StoreCapabilities,
    StoreOptions,
    Table,
    TransactionWork,
)
from sp00ky_core.stores.decisions import DecidingStore, LostOptions
from sp00ky_core.stores.keys_of_jobs import Check
from sp00ky_core.stores.refused_writes import Quarantine
from sp00ky_core.stores.without_waiting import finished
from sp00ky_store_kit import breakers_and_pauses, fleet, observe, schema
from sp00ky_store_kit.caller_connections import refuse_synchronous, unknown_kind
from sp00ky_store_kit.connection.lanes import Executor
from sp00ky_store_kit.connection.session import Access, Session, Work
from sp00ky_store_kit.extension import (
    in_transaction,
    missing_rows,
    own_errors,
    query_rows,
)
from sp00ky_store_kit.jobs.claim import Claiming, joined, transactions
from sp00ky_store_kit.jobs.due import Rounds, next_due
from sp00ky_store_kit.jobs.enqueue import (
    add,
    copies_of,
    insert_keyed,
    insert_whole,
    redact,
)
from sp00ky_store_kit.jobs.retention import Cleared, Deleting
from sp00ky_store_kit.jobs.settle import (
    lost,
    overdue_claims,
    put_off,
    release,
    reschedule,
    settle,
)
from sp00ky_store_kit.watch import Notifications, Watch

__all__ = ["TransactionalStore"]

T = TypeVar("T")


def as_it_is(new_job: NewJob) -> NewJob:
    """Return a job that has been checked."""
    return new_job


class Primitives(ABC):
    """The part of a ``TransactionalStore`` that knows the database; the rest follows from it.

    Attributes:
        cancels: A call that is cancelled cancels ``run``, which ends what the database does for it; else its
            transaction comes to its own end.
        poll: Seconds between two looks for what others have written, where nothing tells; None: ``changes``
            tells, or there is nothing to tell.
    """

    cancels: ClassVar[bool] = False
    poll: ClassVar[float | None] = None

    @property
    @abstractmethod
    def location(self) -> str:
        """See ``Store.location``."""

    @abstractmethod
    async def run(self, work: Work[T], access: Access) -> T:
        """Begin a transaction, do the work in it, and commit; roll back if it raises.

        It connects where there is no connection, and once more where the one there is can't begin. Unless
        ``cancels``, it is cancelled only with the event loop; then, too, no transaction may be left open.
        After a deadlock, or where a transaction couldn't be serialized, it may do the work again, in a new
        one.
        """

    @abstractmethod
    async def disconnect(self) -> None:
        """Let go of every connection; ``run`` may connect again."""

    @abstractmethod
    def adopt(self, connection: object, access: Access) -> Session | None:
        """Make a session of a caller's connection, in its transaction; None: it is of no kind known here.

        With ``Access.READ`` it only reads, and the connection may be outside a transaction.

        Raises:
            OptionInvalid: It would commit each statement on its own.
        """

    @abstractmethod
    def translate(self, error: Exception) -> Exception:
        """Turn a driver's error into a ``StoreError``, or its child that fits.

        It gets whatever was raised: what isn't the driver's is to be returned as it is.
        """

    async def changes(self) -> AsyncGenerator[None, None]:
        """Yield when other processes, or transactions of callers', may have written.

        To yield once too often costs a look at the tables. What it raises is logged, and it is called again.
        An adapter leaves it as it is where its capabilities promise neither ``transactions`` nor
        ``signals_across_processes``, or where it can but ``poll``.
        """
        while self.poll is not None:
            yield
            await asyncio.sleep(self.poll)


class ByBackend(dict[str, JobTable]):
    """Tables by their backend. One that has none is an ``UnknownBackend``."""

    def __missing__(self, backend: str) -> JobTable:
        raise UnknownBackend(backend=backend, known=tuple(self))


class TransactionalStore(Primitives, DecidingStore):
    """A base for the store of any database that has transactions: an adapter writes the ``Primitives``.

    It belongs to one event loop. A call that is cancelled ends at once, and its transaction comes to its own
    end: nothing is left open, and ``release`` waits for the claims among them before it looks for their rows.

    Attributes:
        executor: What does its work in transactions.
    """

    capabilities: ClassVar[StoreCapabilities] = StoreCapabilities(transactions=True, shared=True)

    executor: ClassVar[type[Executor]] = Executor

    def __init__(self, options: StoreOptions) -> None:
        self.options = options
        self._tables = {table.table: table for table in options.tables}
        self._backends = ByBackend({table.backend: table for table in options.tables})
        self._refused, self._rounds, self._cleared = Quarantine(), Rounds(), Cleared()
        self._executor = self.executor(self.run, self.translate, lambda: self.location, cancels=self.cancels)
        self._notifications = Notifications(
            self.changes, self._executor, options.tables, self._rounds.begin_again
        )

    @property
    def declared(self) -> list[Table]:
        """Every table that it makes: of jobs, of the fleet's, of extensions."""
        return schema.all_tables(self.options.tables, self.options.extension_tables)

    @property
    def _delivered(self) -> tuple[JobTable, ...]:
        """The tables whose jobs runners deliver."""
        return tuple(table for table in self.options.tables if table.delivered)

    def _of_backend(self, backend: str) -> JobTable:
        return self._backends[backend]

    async def open(self) -> None:
        """See ``Store.open``."""
        self._executor.open()
        self._notifications.open()
        await self._executor.read(lambda session: session.now())  # so that a connection is made

    async def close(self) -> None:
        """See ``Store.close``."""
        await self._notifications.close()
        await self._executor.close()
        await self.disconnect()

    async def migrate(self, *, repair: bool = False) -> list[MigrationStep]:
        """See ``Store.migrate``; there is nothing that ``repair`` would change."""
        if not await self.migration():  # so that what is up to date is left without a lock, and unwritten
            return []
        return await self._executor.write(self._with_schema(schema.migrate))

    async def migration(self, *, repair: bool = False) -> list[MigrationStep]:
        """See ``Store.migration``."""
        return await self._executor.read(self._with_schema(schema.plan))

    def migrate_in(self, connection: object, *, only_plan: bool = False) -> list[MigrationStep]:
        """See ``SynchronousMigrate.migrate_in``."""
        access, work = (Access.READ, schema.plan) if only_plan else (Access.WRITE, schema.migrate)
        return self._within(connection, access, self._with_schema(work))

    async def check(self) -> list[Finding]:
        """See ``Store.check``."""
        return await self._executor.read(self._with_schema(schema.check))

    def _with_schema(self, work: Callable[..., Awaitable[T]]) -> Work[T]:
        return partial(work, tables=self.declared, location=self.location)

    # Enqueue, claim, settle.

    async def add(self, new_jobs: Sequence[NewJob], *, connection: object = None) -> list[Job]:
        """See ``Store.add``."""
        work = partial(add, tables=self._backends, new_jobs=new_jobs)
        if connection is not None:
            session = self._awaited(connection, Access.WRITE)
            return await self._executor.within(session, partial(work, joined=True))
        jobs = await self._executor.write(work) if new_jobs else []
        self._notifications.send(work=True)
        return jobs

    def add_in(self, connection: object, new_jobs: Sequence[NewJob]) -> list[Job]:
        """See ``SynchronousEnqueue.add_in``: here, and in the calls beside it, where a session ``blocks``."""
        work = partial(add, tables=self._backends, new_jobs=new_jobs, joined=True)
        return self._within(connection, Access.WRITE, work)

    def get_in(self, connection: object, job_id: str) -> Job:
        """See ``SynchronousEnqueue.get_in``."""
        return self._within(connection, Access.READ, partial(observe.one, tables=self._tables, job_id=job_id))

    def find_in(self, connection: object, query: JobQuery) -> list[Job]:
        """See ``SynchronousEnqueue.find_in``."""
        return self._within(connection, Access.READ, partial(self._found, query=query))

    def _within(self, connection: object, access: Access, work: Work[T]) -> T:
        session = self._adopted(connection, access)
        if not session.blocks:
            raise unknown_kind(connection, "a synchronous one; with this one, use Outbox and await its calls")
        return finished(self._executor.within(session, work))

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
        slots = {self._of_backend(backend): count for backend, count in slots_by_backend.items() if count > 0}
        claiming = partial(Claiming, runner_id=runner_id, refused=self._refused, rounds=self._rounds)
        seen = slots
        if self.capabilities.concurrent_writes:  # a claim that gets nothing is in nobody's way
            seen = {table: count for table, count in slots.items() if table.has_limits}
        claim, tables = await self._executor.read(claiming(slots=seen).look) if seen else (Claim(), ())
        tables = [*tables, *(table for table in slots if table not in seen)]
        for transaction in transactions(slots, tables):
            claim = joined(claim, await self._claimed(partial(claiming, slots=transaction)))
        if claim:
            self._notifications.send()
        return claim

    async def _claimed(self, claiming: Callable[..., Claiming]) -> Claim:
        return await self._executor.isolated(lambda apart: claiming(apart=apart).claim, claims=True)

    async def change_breaker(self, change: BreakerChange) -> BreakerResult:
        """See ``Store.change_breaker``."""
        table = self._of_backend(change.backend)
        work = partial(breakers_and_pauses.change_breaker, table=table, change=change)
        result = await self._executor.write(work)
        if result.written and change.closes:
            self._notifications.send(work=True)
        return result

    async def next_due(self, backends: Collection[str]) -> float | None:
        """See ``Store.next_due``."""
        tables = [self._of_backend(backend) for backend in backends]

        async def work(session: Session) -> float | None:
            due = await next_due(session, tables)
            return None if due is None else max((due - await session.now()).total_seconds(), 0.0)

        return await self._executor.read(work)

    async def put_off(self, backend: str, path: str, *, seconds: float, limit: int = 1_000) -> int:
        """See ``Store.put_off``."""
        table = self._of_backend(backend)
        work = partial(put_off, table=table, path=path, seconds=seconds, limit=limit)
        moved = await self._executor.write(work)
        if moved:
            self._notifications.send()
        return moved

    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        """See ``Store.settle``."""
        if not settlements:
            return []
        work = partial(settle, tables=self._tables, settlements=settlements)
        results = await self._executor.isolated(lambda apart: partial(work, apart=apart))
        pairs = zip(settlements, results, strict=True)
        written = [pair.transition.to for pair, result in pairs if result.fate is SettleFate.SETTLED]
        if written:  # also the end of a job with a key is news: those behind it can be claimed
            self._notifications.send(work=JobStatus.PENDING in written or bool(self._rounds.in_use))
        return results

    async def release(self, runner_id: str, *, keep: Collection[str]) -> list[str]:
        """See ``Store.release``."""
        await self._executor.claims_ended()
        kept = frozenset(keep)
        work = partial(release, tables=self._tables, runner_id=runner_id, keep=kept, refused=self._refused)
        released = await self._executor.isolated(lambda apart: partial(work, apart=apart))
        if released:
            self._notifications.send(work=True)
        return released

    # Upkeep and operators.

    async def overdue(self, runners: Collection[str], *, limit: int = 500) -> list[OverdueClaim]:
        """See ``Store.overdue``."""
        work = partial(overdue_claims, tables=self.options.tables, runners=runners, limit=limit)
        return await self._executor.read(work)

    async def prune(self, *, limit: int = 1_000, spared: Collection[Spared] = ()) -> int:
        """See ``Store.prune``; without a retention of their own, jobs are kept."""
        return await self._deleted(lambda deleting: deleting.by_age(self._delivered, limit, spared))

    async def clear_matching(self, conditions: JobFilter, *, limit: int = 10_000) -> int:
        """See ``Store.clear_matching``."""
        return await self._deleted(lambda deleting: deleting.matching(self.options.tables, conditions, limit))

    async def reschedule(self, job_ids: Sequence[str], change: Rescheduled) -> Collection[str]:
        """See ``Reschedules.reschedule``."""
        work = partial(reschedule, tables=self._tables, job_ids=job_ids, change=change)
        try:
            written = await self._executor.write(work)
        except RowRefused:
            return ()
        self._notifications.send(work=bool(written))
        return written

    def own_id(self, job_id: str) -> str | None:
        """See ``Store.own_id``; here ids are any text."""
        return job_id

    async def import_jobs(self, jobs: Sequence[Job]) -> None:
        """See ``Store.import_jobs``."""
        await self._executor.write(partial(insert_whole, tables=self._tables, jobs=jobs))
        self._notifications.send(work=True)

    async def redact(self, jobs: Sequence[Job]) -> Collection[str]:
        """See ``Store.redact``."""
        written = await self._executor.write(partial(redact, tables=self._tables, jobs=jobs))
        self._notifications.send()
        return written

    async def copies_of(self, job_ids: Collection[str]) -> list[str]:
        """See ``Store.copies_of``."""
        work = partial(copies_of, tables=self.options.tables, job_ids=job_ids)
        return await self._executor.read(work)

    async def delete(self, job_ids: Sequence[str]) -> Mapping[str, str | None]:
        """See ``Store.delete``."""
        return await self._deleted(lambda deleting: deleting.by_ids(self._tables, job_ids))

    async def _deleted(self, delete: Callable[[Deleting], Awaitable[T]]) -> T:
        def work(apart: bool) -> Work[T]:
            options: dict[str, Any] = {"refused": self._refused, "apart": apart, "cleared": self._cleared}
            return lambda session: delete(Deleting(session=session, **options))

        result = await self._executor.isolated(work)
        self._notifications.send()
        return result

    # Reading.

    async def get(self, job_id: str, *, connection: object = None) -> Job:
        """See ``Store.get``."""
        return await self._read(connection, partial(observe.one, tables=self._tables, job_id=job_id))

    async def find(self, query: JobQuery, *, connection: object = None) -> list[Job]:
        """See ``Store.find``."""
        return await self._read(connection, partial(self._found, query=query))

    async def _read(self, connection: object, work: Work[T]) -> T:
        if connection is None:
            return await self._executor.read(work)
        return await self._executor.within(self._awaited(connection, Access.READ), work)

    async def _found(self, session: Session, query: JobQuery) -> list[Job]:
        after = None if query.after is None else await observe.one(session, self._tables, query.after)
        return await observe.find(session, self.options.tables, query, after)

    async def count(self, conditions: JobFilter) -> int:
        """See ``Store.count``."""
        work = partial(observe.count, tables=self.options.tables, conditions=conditions)
        return await self._executor.read(work)

    async def ids_starting_with(self, prefix: str, *, limit: int = 2) -> list[str]:
        """See ``Store.ids_starting_with``."""
        work = partial(observe.ids_starting_with, tables=self.options.tables, prefix=prefix, limit=limit)
        return await self._executor.read(work)

    async def stats(self, *, limit: int | None = None) -> Mapping[str, BackendStats]:
        """See ``Store.stats``; what is larger than ``limit`` is said to be so large."""
        return await self._executor.read(partial(observe.stats, tables=self.options.tables, limit=limit))

    async def groups(
        self, by: GroupBy, *, conditions: JobFilter = ALL_JOBS, limit: int = 20
    ) -> list[JobGroup]:
        """See ``Store.groups``."""
        asked = partial(observe.job_groups, by=by, conditions=conditions, limit=limit)
        return await self._executor.read(partial(asked, tables=self.options.tables))

    async def write_rollups(self, rollups: Sequence[Rollup]) -> datetime:
        """See ``Store.write_rollups``."""
        return await self._executor.write(partial(observe.write_rollups, rollups=rollups))

    async def rollups(self, query: RollupQuery) -> list[Rollup]:
        """See ``Store.rollups``."""
        return await self._executor.read(partial(observe.read_rollups, query=query))

    async def fold_rollups(self, *, limit: int = 10_000) -> int:
        """See ``Store.fold_rollups``."""
        return await self._executor.write(partial(observe.fold_rollups, limit=limit))

    def work_signal(self) -> AsyncGenerator[None, None]:
        """See ``Store.work_signal``."""
        return self._notifications.work()

    def watch(self, query: JobQuery, *, history: int | None = None) -> AsyncGenerator[Job, None]:
        """See ``Store.watch``."""
        watch = Watch(self._executor.read, self.options.tables, query)
        return watch.follow(self._notifications.changed(), history)

    # What the whole fleet shares.

    async def pause(self, backend: str, *, seconds: float | None = None, **act: Unpack[ActOptions]) -> bool:
        """See ``Store.pause``."""
        work = partial(breakers_and_pauses.pause, tables=self._backends, backend=backend, seconds=seconds)
        begun = await self._executor.write(partial(work, **act))
        self._notifications.send(work=True)
        return begun

    async def resume(self, backend: str) -> bool:
        """See ``Store.resume``."""
        work = partial(breakers_and_pauses.resume, tables=self._backends, backend=backend)
        ended = await self._executor.write(work)
        self._notifications.send(work=True)
        return ended

    async def change_settings(
        self,
        backend: str,
        values: Mapping[str, Any],
        *,
        seconds: float | None = None,
        actor: str | None = None,
    ) -> None:
        """See ``Store.change_settings``."""
        work = partial(breakers_and_pauses.change_settings, tables=self._backends, backend=backend)
        await self._executor.write(partial(work, values=values, seconds=seconds, actor=actor))

    async def reset_settings(self, backend: str) -> bool:
        """See ``Store.reset_settings``."""
        work = partial(breakers_and_pauses.reset_settings, tables=self._backends, backend=backend)
        return await self._executor.write(work)

    async def settings(self) -> Mapping[str, SettingsRecord]:
        """See ``Store.settings``."""
        work = partial(breakers_and_pauses.read_settings, tables=self.options.tables)
        return await self._executor.read(work)

    def use(self, table: JobTable) -> None:
        """See ``Store.use``."""
        known = self._of_backend(table.backend)
        changed = {name: getattr(table, name) for name in ("timeout", "rate", "max_in_flight")}
        self._backends[table.backend] = self._tables[table.table] = attrs.evolve(known, **changed)

    async def beat(self, runner_id: str, info: RunnerInfo = NO_INFO) -> Mapping[str, RunnerBeat]:
        """See ``Store.beat``."""
        work = partial(fleet.beat, runner_id=runner_id, info=info)
        return await self._executor.do(work, Access.BEAT)

    async def runners(self) -> list[RunnerRecord]:
        """See ``Store.runners``."""
        return await self._executor.read(fleet.runners)

    async def drain_runner(self, runner_id: str) -> bool:
        """See ``Store.drain_runner``."""
        return await self._executor.do(partial(fleet.drain_runner, runner_id=runner_id), Access.BEAT)

    async def remove_runner(self, runner_id: str) -> None:
        """See ``Store.remove_runner``."""
        await self._executor.do(partial(fleet.remove_runner, runner_id=runner_id), Access.BEAT)

    async def start_audit(self, act: Act) -> str:
        """See ``Store.start_audit``."""
        return await self._executor.write(partial(fleet.start_audit, act=act))

    async def update_audit(self, entry_id: str, *, count: int, ended: bool = False) -> None:
        """See ``Store.update_audit``."""
        await self._executor.write(partial(fleet.update_audit, entry_id=entry_id, count=count, ended=ended))

    async def audit(
        self, *, since: datetime | None = None, limit: int = 100, after: str | None = None
    ) -> list[AuditEntry]:
        """See ``Store.audit``."""
        return await self._executor.read(partial(fleet.audit_entries, since=since, limit=limit, after=after))

    async def errors(
        self,
        *,
        since: datetime | None = None,
        limit: int = 100,
        conditions: JobFilter = ALL_JOBS,
        by: GroupBy = "route",
    ) -> list[ErrorGroup]:
        """See ``Store.errors``."""
        asked = partial(observe.error_groups, since=since, limit=limit, conditions=conditions, by=by)
        return await asked(self._executor.read, self.options.tables)

    # Extensions.

    async def transact(self, work: TransactionWork[T], *, check: Check = as_it_is) -> T:
        """See ``Store.transact``."""
        transaction = partial(in_transaction, work=work, insert=self._insert, check=check)
        try:
            result = await own_errors(self._executor.write(transaction))
        except RowRefused:  # another transaction may have inserted the same key meanwhile: now it is seen
            result = await own_errors(self._executor.write(transaction))
        self._notifications.send(work=True)
        return result

    async def read_tables(self, work: TransactionWork[T]) -> T:
        """See ``Store.read_tables``."""
        transaction = partial(in_transaction, work=work, insert=self._insert, check=as_it_is)
        return await own_errors(self._executor.read(transaction))

    async def join(self, connection: object, work: TransactionWork[T], *, check: Check) -> T:
        """See ``Transactions.join``."""
        transaction = partial(in_transaction, work=work, insert=self._insert, check=check)
        session = self._adopted(connection, Access.WRITE)
        return await own_errors(self._executor.within(session, transaction))

    async def insert_within(
        self, connection: object, rows: Mapping[Table, Sequence[Row]], jobs: Sequence[KeyedJob]
    ) -> list[Job]:
        """See ``Store.insert_within``."""
        work = partial(self._insert_all, rows=rows, jobs=jobs)
        return await self._executor.within(self._awaited(connection, Access.WRITE), work)

    def insert_within_in(
        self, connection: object, rows: Mapping[Table, Sequence[Row]], jobs: Sequence[KeyedJob]
    ) -> list[Job]:
        """See ``Store.insert_within_in``."""
        return self._within(connection, Access.WRITE, partial(self._insert_all, rows=rows, jobs=jobs))

    async def _insert_all(
        self, session: Session, rows: Mapping[Table, Sequence[Row]], jobs: Sequence[KeyedJob]
    ) -> list[Job]:
        for table, some in rows.items():
            await session.insert(table, await missing_rows(session, table, some))
        return (
            [*await insert_keyed(session, self._backends, jobs, self.location, joined=True)] if jobs else []
        )

    async def _insert(self, session: Session, jobs: Sequence[KeyedJob]) -> Sequence[Job]:
        """Insert jobs under their keys, all or none; in order, those that are there already as they are."""
        return await insert_keyed(session, self._backends, jobs, self.location)

    async def query_rows(self, query: str, *, limit: int = 10_000) -> list[Mapping[str, Any]]:
        """See ``Store.query_rows``; where the database answers otherwise, an error is the query's."""
        return await query_rows(self._executor, self.location, query, limit)

    # What ``DecidingStore`` asks for.

    async def _lost(self, dead_runners: Collection[str], **options: Unpack[LostOptions]) -> list[Job]:
        work = partial(lost, tables=self._delivered, dead=dead_runners, refused=self._refused, **options)
        return await self._executor.read(work)

    async def _beats(self) -> Mapping[str, datetime]:
        return {runner_id: beat.at for runner_id, beat in (await self._executor.read(fleet.beats)).items()}
