"""Answer each call of the port: with a statement where it is hot, and as the kit does elsewhere."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar, Unpack, cast

import attrs

from sp00ky_core.errors import CallUnsupported
from sp00ky_core.job.job import Job, JobStatus, NewJob
from sp00ky_core.ports import (
    NO_INFO,
    BackendStats,
    Claim,
    ErrorGroup,
    Finding,
    GroupBy,
    JobFilter,
    JobGroup,
    JobQuery,
    KeyedJob,
    MigrationStep,
    OverdueClaim,
    Row,
    RunnerBeat,
    RunnerInfo,
    SettingsRecord,
    Settlement,
    SettleResult,
    Spared,
    Statement,
    StoreCapabilities,
    StoreOptions,
    Table,
)
from sp00ky_core.stores import LostOptions
from sp00ky_core.stores.subscription import Backoff
from sp00ky_store_kit import Access, Session, TransactionalStore, Work
from sp00ky_store_kit.observe import gate_states
from sp00ky_store_surreal import concurrency_policies
from sp00ky_store_surreal.connection.conflict_retries import TRIES, Connection, Lane
from sp00ky_store_surreal.errors import Conflict
from sp00ky_store_surreal.ids import own_id
from sp00ky_store_surreal.jobs import enqueue
from sp00ky_store_surreal.jobs.claim import Claimer
from sp00ky_store_surreal.jobs.claim_precautions import ClaimRefusals
from sp00ky_store_surreal.jobs.claim_start import Heads, Peers
from sp00ky_store_surreal.jobs.import_and_redact import insert_whole, redact
from sp00ky_store_surreal.jobs.reclaim_and_release import lost, overdue, release
from sp00ky_store_surreal.jobs.retention_and_delete import Deletes, RowWrites
from sp00ky_store_surreal.jobs.settle import Settles
from sp00ky_store_surreal.kit_session import Changed, SurrealSession
from sp00ky_store_surreal.observe import find
from sp00ky_store_surreal.observe.signals import Signals
from sp00ky_store_surreal.observe.stats_and_groups import error_groups, job_groups, next_due, stats
from sp00ky_store_surreal.observe.watch import Watch
from sp00ky_store_surreal.schema import check, migrate
from sp00ky_store_surreal.schema.index_rebuilds import ClaimIndex
from sp00ky_store_surreal.schema.table_layouts import TableLayouts
from sp00ky_store_surreal.surql.loader import quoted
from sp00ky_store_surreal.url import target_of

T = TypeVar("T")


class SurrealStore(TransactionalStore):
    """Jobs in SurrealDB: embedded, in a file or in memory, or on a server.

    Calls that read or write jobs are answered here; those about the store's own tables by the kit.
    """

    _notifications: Signals

    def __init__(self, options: StoreOptions) -> None:
        for table in options.tables:
            quoted(table.table)
        super().__init__(options)
        self._target = target_of(options)
        self._connection = Connection(self._target)
        self._layouts = TableLayouts(self._connection, options.tables)
        self._notifications = Signals(self._target, options.tables, options.extension_tables)
        self._peers = Peers()
        self._index = ClaimIndex(self._connection, options.tables)
        self._claims = Claimer(
            layouts=self._layouts,
            heads=Heads(self._connection),
            refusals=ClaimRefusals(self._refused),
            peers=self._peers,
            signals=self._notifications,
            index=self._index,
            change_breaker=self.change_breaker,
        )
        self._writes = writes = RowWrites(connection=self._connection, quarantine=self._refused)
        self._settles = Settles(self._layouts, self._refused, self._claims)
        self._deletes = Deletes(self._layouts, writes)

    @property
    def capabilities(self) -> StoreCapabilities:  # type: ignore[override]  # they depend on the URL here
        """See ``Store.capabilities``."""
        embedded, file = self._target.embedded, self._target.file
        of_a_server = ("shared", "signals_across_processes", "transactions")
        return attrs.evolve(
            TransactionalStore.capabilities,
            exact_order=embedded,
            durable=not embedded or file is not None,
            statements=True,
            reschedules=False,
            **dict.fromkeys(of_a_server, not embedded),
        )

    @property
    def location(self) -> str:
        """See ``Store.location``."""
        return self._target.location

    # What the kit asks for.

    async def run(self, work: Work[T], access: Access) -> T:
        """See ``TransactionalStore.run``; it is done again where what it was decided on has changed."""
        await self._layouts.ensure()
        lane, backoff = Lane.BEAT if access is Access.BEAT else Lane.REST, Backoff(first=0.0025, limit=1.0)
        for _ in range(TRIES):
            session = SurrealSession(self._connection, lane)
            with suppress(Changed):
                result = await work(session)
                await session.commit()
                return result
            await backoff.wait()
        raise Conflict(store=self.location, problem="transactions keep colliding; try again")

    async def disconnect(self) -> None:
        """See ``TransactionalStore.disconnect``."""
        self._layouts.forget()
        await self._connection.close()

    def adopt(self, connection: object, access: Access) -> None:
        """See ``TransactionalStore.adopt``: ``add`` alone takes a transaction of the SDK's."""

    def translate(self, error: Exception) -> Exception:
        """See ``TransactionalStore.translate``; what the SDK raises has been translated by then."""
        return error

    # Life and tables.

    async def open(self) -> None:
        """See ``Store.open``."""
        await self._connection.open()
        self._executor.open()
        self._notifications.open()

    async def migrate(self, *, repair: bool = False) -> list[MigrationStep]:
        """See ``Store.migrate``."""
        steps = await self.migration(repair=repair)
        await migrate.apply_steps(self._connection, steps, self.options.tables, self.options.extension_tables)
        self._layouts.forget()
        return steps

    async def migration(self, *, repair: bool = False) -> list[MigrationStep]:
        """See ``Store.migration``."""
        return await migrate.missing_steps(
            self._connection, self.options.tables, self.options.extension_tables, repair=repair
        )

    async def check(self) -> list[Finding]:
        """See ``Store.check``."""
        return await check.findings(self._connection, self.options.tables, self.options.extension_tables)

    # Enqueue, claim, settle.

    async def add(self, new_jobs: Sequence[NewJob], *, connection: object = None) -> list[Job]:
        """See ``Store.add``. Raises ``SchemaError`` where the user may not write."""
        for new_job in new_jobs:
            self._of_backend(new_job.backend)
        jobs = await enqueue.add(self._layouts, self._backends, new_jobs, within=connection)
        if jobs:
            self._notifications.send(work=True, ids=[job.id for job in jobs])
        return jobs

    def own_id(self, job_id: str) -> str | None:
        """See ``Store.own_id``: a UUID of PostgreSQL's has no hyphens here, as keys of ours."""
        return own_id(job_id)

    async def import_jobs(self, jobs: Sequence[Job]) -> None:
        """See ``Store.import_jobs``."""
        await insert_whole(self._layouts, self._tables, jobs)
        self._claims.forget_heads()
        self._notifications.send(work=True, ids=[job.id for job in jobs])

    async def redact(self, jobs: Sequence[Job]) -> Collection[str]:
        """See ``Store.redact``."""
        written = await redact(self._layouts, self._tables, jobs)
        self._notifications.send(ids=written)
        return written

    def statement(self, new_job: NewJob) -> Statement:
        """See ``Statements.statement``."""
        return enqueue.statement(self._of_backend(new_job.backend), new_job)

    async def insert_within(
        self, connection: object, rows: Mapping[Table, Sequence[Row]], jobs: Sequence[KeyedJob]
    ) -> list[Job]:
        """See ``Store.insert_within``."""
        made = await enqueue.insert_within(connection, self._layouts, self._backends, rows, jobs)
        return self._own(jobs, made)

    async def _insert(self, session: Session, jobs: Sequence[KeyedJob]) -> list[Job]:
        of_ours = cast("SurrealSession", session)
        return self._own(jobs, await enqueue.insert_keyed(of_ours, self._layouts, self._backends, jobs))

    def _own(self, jobs: Sequence[KeyedJob], stored: Sequence[Job]) -> list[Job]:
        pairs = zip(jobs, stored, strict=True)
        return [keyed.refuse_other(job, self.location) for keyed, job in pairs]

    async def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        """See ``Store.claim``."""
        slots = [(self._of_backend(name), count) for name, count in slots_by_backend.items() if count > 0]
        claim = await self._claims.claim(slots, runner_id) if slots else Claim()
        self._notifications.send(ids=[job.id for job in claim])
        return claim

    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        """See ``Store.settle``."""
        results = await self._settles.settle(settlements) if settlements else []
        work = any(settled.transition.to is JobStatus.PENDING for settled in settlements)
        self._notifications.send(work=work, ids=[settled.job_id for settled in settlements])
        return results

    async def put_off(self, backend: str, path: str, *, seconds: float, limit: int = 1_000) -> int:
        """See ``Store.put_off``."""
        await self._layouts.ensure()
        moved = await self._settles.put_off(self._of_backend(backend), path, seconds, limit)
        self._notifications.send(ids=())
        return moved

    async def release(self, runner_id: str, *, keep: Collection[str]) -> list[str]:
        """See ``Store.release``."""
        released = await release(self._layouts, self._writes, self.options.tables, runner_id, keep)
        if released:
            self._claims.forget_heads()
        self._notifications.send(work=bool(released), ids=released)
        return released

    async def overdue(self, runners: Collection[str], *, limit: int = 500) -> list[OverdueClaim]:
        """See ``Store.overdue``."""
        return await overdue(self._layouts, self._index, self.options.tables, runners, limit)

    async def _lost(self, dead_runners: Collection[str], **options: Unpack[LostOptions]) -> list[Job]:
        return await lost(self._layouts, self._delivered, dead_runners, **options)

    async def beat(self, runner_id: str, info: RunnerInfo = NO_INFO) -> Mapping[str, RunnerBeat]:
        """See ``Store.beat``. Raises ``SchemaError`` where the user may not write."""
        beats = await super().beat(runner_id, info)
        self._peers.seen(runner_id, beats)
        return beats

    async def settings(self) -> Mapping[str, SettingsRecord]:
        """See ``Store.settings``; what an operator has set goes before another tool's policy."""
        records = dict(await super().settings())
        policies = await concurrency_policies.read_policies(self._connection, self.options.tables)
        for backend, concurrency in policies.items():
            record = records.get(backend, SettingsRecord(values={}, actor=concurrency_policies.POLICY))
            values = {"concurrency": concurrency, **record.values}
            records[backend] = attrs.evolve(record, values=values)
        return records

    # Delete, read, watch.

    async def prune(self, *, limit: int = 1_000, spared: Collection[Spared] = ()) -> int:
        """See ``Store.prune``; without a retention of their own, jobs are kept."""
        count = await self._deletes.by_age(self._delivered, limit, spared)
        self._notifications.send(ids=())
        return count

    async def clear_matching(self, conditions: JobFilter, *, limit: int = 10_000) -> int:
        """See ``Store.clear_matching``."""
        count = await self._deletes.matching(self.options.tables, conditions, limit)
        self._notifications.send(ids=())
        return count

    async def delete(self, job_ids: Sequence[str]) -> Mapping[str, str | None]:
        """See ``Store.delete``."""
        deleted = await self._deletes.named(self.options.tables, job_ids)
        self._notifications.send(ids=())
        return deleted

    async def get(self, job_id: str, *, connection: object = None) -> Job:
        """See ``Store.get``; it doesn't look into a caller's transaction."""
        self._refuse(connection, "get(connection=)")
        return await find.one(await self._layouts.ensure(), self.options.tables, job_id)

    async def find(self, query: JobQuery, *, connection: object = None) -> list[Job]:
        """See ``Store.find``; it doesn't look into a caller's transaction."""
        self._refuse(connection, "find(connection=)")
        return await find.find(await self._layouts.ensure(), self.options.tables, query)

    def _refuse(self, connection: object, call: str) -> None:
        if connection is not None:
            later = "leave the connection out, once your transaction has committed"
            raise CallUnsupported(store=self.location, call=call, instead=later)

    async def count(self, conditions: JobFilter) -> int:
        """See ``Store.count``."""
        return await find.count(await self._layouts.ensure(), self.options.tables, conditions)

    async def ids_starting_with(self, prefix: str, *, limit: int = 2) -> list[str]:
        """See ``Store.ids_starting_with``."""
        return await find.ids_starting_with(await self._layouts.ensure(), self.options.tables, prefix, limit)

    async def stats(self, *, limit: int | None = None) -> Mapping[str, BackendStats]:
        """See ``Store.stats``."""
        tables = self.options.tables
        gates = await self._executor.read(partial(gate_states, tables=tables))
        return await stats(self._connection, tables, limit, gates)

    async def next_due(self, backends: Collection[str]) -> float | None:
        """See ``Store.next_due``."""
        tables = await self._layouts.there(map(self._of_backend, backends))
        return await next_due(self._connection, tables) if tables else None

    async def errors(self, **asked: Any) -> list[ErrorGroup]:
        """See ``Store.errors``."""
        return await error_groups(await self._layouts.ensure(), self.options.tables, **asked)

    async def groups(self, by: GroupBy, **asked: Any) -> list[JobGroup]:
        """See ``Store.groups``."""
        return await job_groups(await self._layouts.ensure(), self.options.tables, by, **asked)

    def watch(self, query: JobQuery, *, history: int | None = None) -> AsyncGenerator[Job, None]:
        """See ``Store.watch``."""
        tables = [table for table in self.options.tables if query.backend in {None, table.backend}]
        watch = Watch(connection=self._connection, tables=tables, query=query, signals=self._notifications)
        return watch.jobs(history)
