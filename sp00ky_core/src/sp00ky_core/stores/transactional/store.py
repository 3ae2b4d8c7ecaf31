"""Answer every call of the ``Store`` port out of a few primitives of a database with transactions."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeVar, Unpack, overload

import attrs

from sp00ky_core.errors import RowRefused, UnknownBackend
from sp00ky_core.gate.breaker import BreakerChange
from sp00ky_core.job.job import Job, JobStatus, NewJob
from sp00ky_core.job.state_machine import Rescheduled
from sp00ky_core.ports import (
    ALL_JOBS,
    MAX_ROWS,
    BreakerResult,
    Claim,
    ErrorGroup,
    Finding,
    GroupBy,
    JobFilter,
    JobQuery,
    JobTable,
    MigrationStep,
    ScheduleChange,
    ScheduleRun,
    SettleFate,
    Settlement,
    SettleResult,
    Spawn,
    StoreCapabilities,
    StoreOptions,
)
from sp00ky_core.stores.callers import finished, refuse_synchronous, unknown_kind
from sp00ky_core.stores.decisions import DecidingStore, LostOptions
from sp00ky_core.stores.refusals import Quarantine
from sp00ky_core.stores.transactional import fleet, observe, schema
from sp00ky_core.stores.transactional.connection.lanes import Executor
from sp00ky_core.stores.transactional.connection.session import Access, Session, Work
from sp00ky_core.stores.transactional.jobs.claim import Claiming, joined, transactions
from sp00ky_core.stores.transactional.jobs.due import Rounds, next_due
from sp00ky_core.stores.transactional.jobs.enqueue import add, copies_of, forget_runs, insert_whole, redact
from sp00ky_core.stores.transactional.jobs.retention import Cleared, Deleting
from sp00ky_core.stores.transactional.jobs.settle import lost, overdue_claims, release, reschedule, settle
from sp00ky_core.stores.transactional.schedules import (
    Changing,
    find_runs,
    insert_spawns,
    prune_runs,
    query_rows,
    snapshot,
)
from sp00ky_core.stores.transactional.watch import Notifications, Watch

__all__ = ["TransactionalStore"]

T = TypeVar("T")


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


P = ParamSpec("P")
R = TypeVar("R")
X = TypeVar("X")


@overload
def call(
    access: Access, work: Callable[Concatenate[Session, P], R], *, tells: bool | None = None
) -> Callable[Concatenate[Any, P], R]: ...


@overload
def call(
    access: Access,
    work: Callable[Concatenate[Session, X, P], R],
    of: Callable[[Any], X],
    *,
    tells: bool | None = None,
) -> Callable[Concatenate[Any, P], R]: ...


def call(
    access: Access,
    work: Callable[..., Any],
    of: Callable[[TransactionalStore], Any] | None = None,
    *,
    tells: bool | None = None,
) -> Callable[..., Any]:
    """Make a call of the port out of work that is done in one transaction.

    Args:
        access: What it does.
        work: Gets the session, and what the call is given.
        of: Says what the work gets of the store, after the session.
        tells: Whether it is news that there may be work, or just that jobs have changed; None: it is none.
    """

    async def called(store: TransactionalStore, *args: Any, **options: Any) -> Any:
        own = () if of is None else (of(store),)
        result = await store._executor.do(lambda session: work(session, *own, *args, **options), access)
        if tells is not None:
            store._notifications.send(work=tells)
        return result

    called.__name__, called.__doc__ = work.__name__, work.__doc__
    return called


READ, WRITE, BEAT = Access.READ, Access.WRITE, Access.BEAT


def _tables(store: TransactionalStore) -> Sequence[JobTable]:
    return store.options.tables


def _backends(store: TransactionalStore) -> Mapping[str, JobTable]:
    return store._backends


def _named(store: TransactionalStore) -> Mapping[str, JobTable]:
    return store._tables


class TransactionalStore(Primitives, DecidingStore):
    """A base for the store of any database that has transactions: an adapter writes the ``Primitives``.

    It belongs to one event loop. A call that is cancelled ends at once, and its transaction comes to its own
    end: nothing is left open, and ``release`` waits for the claims among them before it looks for their rows.

    Attributes:
        executor: What does its work in transactions.
    """

    capabilities: ClassVar[StoreCapabilities] = StoreCapabilities(
        transactions=True, shared=True, ordering=True, limits=True, schedules=True, rollups=True
    )

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
    def _delivered(self) -> tuple[JobTable, ...]:
        """The tables whose jobs runners deliver."""
        return tuple(table for table in self.options.tables if table.delivered)

    def _of_backend(self, backend: str) -> JobTable:
        return self._backends[backend]

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
        work = partial(schema.migrate, tables=self.options.tables, location=self.location)
        return await self._executor.write(work)

    async def migration(self, *, repair: bool = False) -> list[MigrationStep]:
        """See ``Store.migration``."""
        return await self._executor.read(
            lambda session: schema.plan(session, self.options.tables, self.location)
        )

    def migrate_in(self, connection: object, *, only_plan: bool = False) -> list[MigrationStep]:
        """See ``SynchronousMigrate.migrate_in``."""
        work = partial(
            schema.plan if only_plan else schema.migrate, tables=self.options.tables, location=self.location
        )
        return self._within(connection, Access.READ if only_plan else Access.WRITE, work)

    async def check(self) -> list[Finding]:
        """See ``Checks.check``."""
        work = partial(schema.check, tables=self.options.tables, location=self.location)
        return await self._executor.read(work)

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
        """See ``Breakers.change_breaker``."""
        table = self._of_backend(change.backend)
        result = await self._executor.write(partial(fleet.change_breaker, table=table, change=change))
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

    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        """See ``Store.settle``."""
        if not settlements:
            return []

        def work(apart: bool) -> Work[list[SettleResult]]:
            return partial(settle, tables=self._tables, settlements=settlements, apart=apart)

        results = await self._executor.isolated(work)
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

    overdue = call(READ, overdue_claims, _tables)

    async def prune(self, *, limit: int = 1_000, spared: Collection[str] = ()) -> int:
        """See ``Retention.prune``; without a retention of their own, jobs are kept."""
        return await self._deleted(lambda deleting: deleting.by_age(self._delivered, limit, tuple(spared)))

    async def clear_matching(self, conditions: JobFilter, *, limit: int = 10_000) -> int:
        """See ``Clears.clear_matching``."""
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
        """See ``Rewrites.own_id``; here ids are any text."""
        return job_id

    import_jobs = call(WRITE, insert_whole, _named, tells=True)
    redact = call(WRITE, redact, _named, tells=False)
    copies_of = call(READ, copies_of, _tables)
    forget_runs = call(WRITE, forget_runs)

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

    count = call(READ, observe.count, _tables)
    ids_starting_with = call(READ, observe.ids_starting_with, _tables)
    stats = call(READ, observe.stats, _tables)
    groups = call(READ, observe.job_groups, _tables)
    write_rollups = call(WRITE, observe.write_rollups)
    rollups = call(READ, observe.read_rollups)
    fold_rollups = call(WRITE, observe.fold_rollups)

    def work_signal(self) -> AsyncGenerator[None, None]:
        """See ``Store.work_signal``."""
        return self._notifications.work()

    def watch(self, query: JobQuery, *, history: int | None = None) -> AsyncGenerator[Job, None]:
        """See ``Watch.watch``."""
        watch = Watch(self._executor.read, self.options.tables, query)
        return watch.follow(self._notifications.changed(), history)

    # What the whole fleet shares.

    pause = call(WRITE, fleet.pause, _backends, tells=True)
    resume = call(WRITE, fleet.resume, _backends, tells=True)
    change_settings = call(WRITE, fleet.change_settings, _backends)
    reset_settings = call(WRITE, fleet.reset_settings, _backends)
    settings = call(READ, fleet.read_settings, _tables)

    def use(self, table: JobTable) -> None:
        """See ``Settings.use``."""
        known = self._of_backend(table.backend)
        changed = {name: getattr(table, name) for name in ("timeout", "rate", "max_in_flight")}
        self._backends[table.backend] = self._tables[table.table] = attrs.evolve(known, **changed)

    beat = call(BEAT, fleet.beat)
    runners = call(READ, fleet.runners)
    drain_runner = call(BEAT, fleet.drain_runner)
    remove_runner = call(BEAT, fleet.remove_runner)
    start_audit = call(WRITE, fleet.start_audit)
    update_audit = call(WRITE, fleet.update_audit)
    audit = call(READ, fleet.audit_entries)

    async def errors(
        self,
        *,
        since: datetime | None = None,
        limit: int = 100,
        conditions: JobFilter = ALL_JOBS,
        by: GroupBy = "route",
    ) -> list[ErrorGroup]:
        """See ``ErrorGroups.errors``."""
        asked = partial(observe.error_groups, since=since, limit=limit, conditions=conditions, by=by)
        return await asked(self._executor.read, self.options.tables)

    # Schedules.

    schedules = call(READ, snapshot)
    runs = call(READ, find_runs)
    prune_runs = call(WRITE, prune_runs)

    async def change_schedule(self, change: ScheduleChange) -> Sequence[ScheduleRun] | None:
        """See ``Schedules.change_schedule``."""
        work = partial(Changing, self._insert, change)
        runs = await self._executor.isolated(lambda apart: work(apart).write)
        if runs is not None:
            self._notifications.send(work=True)
        return runs

    async def _insert(self, session: Session, spawns: Sequence[Spawn]) -> Sequence[Job]:
        return await insert_spawns(session, spawns, self._backends)

    async def query_rows(self, query: str, *, limit: int = MAX_ROWS + 1) -> list[Mapping[str, Any]]:
        """See ``Schedules.query_rows``; where the database answers otherwise, an error is the query's."""
        return await query_rows(self._executor, self.location, query, limit)

    # What ``DecidingStore`` asks for.

    async def _lost(self, dead_runners: Collection[str], **options: Unpack[LostOptions]) -> list[Job]:
        work = partial(lost, tables=self._delivered, dead=dead_runners, refused=self._refused, **options)
        return await self._executor.read(work)

    async def _beats(self) -> Mapping[str, datetime]:
        return {runner_id: beat.at for runner_id, beat in (await self._executor.read(fleet.beats)).items()}


async def _nothing(session: Session) -> None:
    """Touch the database, so that a connection is made."""
    await session.now()
