"""Give an extension what it works with: its options, transactions, jobs; find an extension by its class."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

import attrs

from sp00ky_core.backend.backend import Backends
from sp00ky_core.backend.validation import check_job
from sp00ky_core.config import Config
from sp00ky_core.config.model import TopRetentionConfig
from sp00ky_core.errors import AdapterMissing, CallUnsupported, PluginLoadError, Sp00kyError
from sp00ky_core.job.job import Job, NewJob
from sp00ky_core.job.state_machine import Rescheduled, Transition
from sp00ky_core.outbox.operators.audit import AuditRecord, act_of, recorded
from sp00ky_core.plugins.dispatch import Hooks
from sp00ky_core.plugins.registry import Plugins
from sp00ky_core.ports import (
    SHAPES,
    ActOptions,
    CallerConnection,
    ExtensionTransaction,
    Finding,
    FollowsJobs,
    Gauge,
    GivesMetrics,
    Is,
    JobQuery,
    KeyedJob,
    OperatorResult,
    Row,
    StoreCapabilities,
    SyncsFile,
    Table,
    Transactions,
    TransactionWork,
)
from sp00ky_core.stores.keys_of_jobs import keyed
from sp00ky_core.stores.named_jobs import LoopStore, NamedJobs
from sp00ky_core.stores.transitions import kill, report_settled, reschedule, retry

if TYPE_CHECKING:
    from sp00ky_core.runner.services import ExtensionWork, RunnerSide

__all__ = ["Extensions"]

T = TypeVar("T")
A = TypeVar("A")

logger: logging.Logger = logging.getLogger(__name__)


@attrs.frozen
class Jobs:
    """See ``ExtensionJobs``; what it does to jobs is reported to those who observe."""

    _context: Context

    async def get(self, job_id: str) -> Job:
        """See ``ExtensionJobs.get``."""
        return await self._context.named.get(job_id)

    async def find(self, query: JobQuery) -> list[Job]:
        """See ``ExtensionJobs.find``."""
        return await self._context.named.find(query)

    async def kill(self, job_ids: Sequence[str], *, reason: str) -> Sequence[OperatorResult]:
        """See ``ExtensionJobs.kill``."""
        return await self._reported(await kill(self._context.store.here(), job_ids, reason=reason))

    async def retry(self, job_ids: Sequence[str]) -> Sequence[OperatorResult]:
        """See ``ExtensionJobs.retry``."""
        return await self._reported(await retry(self._context.store.here(), job_ids))

    async def reschedule(self, job_ids: Sequence[str]) -> Sequence[OperatorResult]:
        """See ``ExtensionJobs.reschedule``."""
        return await reschedule(self._context.store.here(), job_ids, Rescheduled(delay=0.0))

    async def delete(self, job_ids: Sequence[str]) -> None:
        """See ``ExtensionJobs.delete``."""
        await self._context.store.here().delete(job_ids)

    async def _reported(self, results: Sequence[OperatorResult]) -> Sequence[OperatorResult]:
        await report_settled(self._context.named, self._context.hooks, results)
        return results


@attrs.frozen
class Context:
    """See ``ExtensionContext``.

    Attributes:
        options: Of the extension.
        backends: By name.
        store: Where its tables are.
        hooks: Of the plugins.
        state: What this process keeps for it.
        retention: What is kept how long.
        via: What its acts come through, for the audit.
        side: Of the runner that it works in; None: it works in none.
    """

    options: Any
    backends: Backends
    store: LoopStore
    hooks: Hooks
    state: dict[str, Any]
    retention: TopRetentionConfig
    via: str
    side: RunnerSide | None = None

    @property
    def location(self) -> str:
        """See ``ExtensionContext.location``."""
        return self.store.store.location

    @property
    def capabilities(self) -> StoreCapabilities:
        """See ``ExtensionContext.capabilities``."""
        return self.store.store.capabilities

    @property
    def served(self) -> Collection[str]:
        """See ``ExtensionContext.served``."""
        return self.side.served if self.side else self.backends.keys()

    @property
    def named(self) -> NamedJobs:
        """The store's jobs by the names of sp00ky.yml."""
        return NamedJobs(self.store.here(), self.backends)

    @property
    def jobs(self) -> Jobs:
        """See ``ExtensionContext.jobs``."""
        return Jobs(self)

    async def transact(self, work: TransactionWork[T]) -> T:
        """See ``ExtensionContext.transact``."""
        return await self.store.here().transact(work, check=self.check)

    async def read(self, work: TransactionWork[T]) -> T:
        """See ``ExtensionContext.read``."""
        return await self.store.here().read_tables(work)

    async def query(self, query: str, *, limit: int) -> list[Mapping[str, Any]]:
        """See ``ExtensionContext.query``."""
        return await self.store.here().query_rows(query, limit=limit)

    async def insert(
        self,
        connection: CallerConnection,
        rows: Mapping[Table, Sequence[Row]],
        jobs: Sequence[NewJob | KeyedJob] = (),
    ) -> list[Job]:
        """See ``ExtensionContext.insert``."""
        return await self.store.store.insert_within(connection, rows, keyed(jobs, self.check))

    def insert_in(
        self,
        connection: CallerConnection,
        rows: Mapping[Table, Sequence[Row]],
        jobs: Sequence[NewJob | KeyedJob] = (),
    ) -> list[Job]:
        """See ``ExtensionContext.insert_in``."""
        return self.store.store.insert_within_in(connection, rows, keyed(jobs, self.check))

    def check(self, new_job: NewJob) -> NewJob:
        """See ``ExtensionContext.check``."""
        backend = self.backends.named(new_job.backend)
        return backend.stored(check_job(backend, new_job))

    def traced(self, new_job: NewJob) -> NewJob:
        """See ``ExtensionContext.traced``."""
        return self.hooks.traced(new_job, self.backends.named(new_job.backend).config)

    def transaction(self) -> AbstractAsyncContextManager[Any]:
        """See ``ExtensionContext.transaction``."""
        return self._transactions.own_transaction()

    async def join(self, connection: CallerConnection, work: TransactionWork[T]) -> T:
        """See ``ExtensionContext.join``."""
        return await self._transactions.join(connection, work, check=self.check)

    @property
    def _transactions(self) -> Transactions:
        store, instead = self.store.store, "use PostgreSQL, MariaDB or SQLite"
        if isinstance(store, Transactions):
            return store
        raise CallUnsupported(store=store.location, call="transact", instead=instead)

    async def audit(
        self, action: str, selection: Mapping[str, Any], *, count: int = 1, **act: Unpack[ActOptions]
    ) -> None:
        """See ``ExtensionContext.audit``."""
        async with self.audited(action, selection, **act) as record:
            record.count = count

    def audited(
        self, action: str, selection: Mapping[str, Any], **act: Unpack[ActOptions]
    ) -> AbstractAsyncContextManager[AuditRecord]:
        """See ``ExtensionContext.audited``."""
        return recorded(self.store.here(), act_of(action, selection, via=self.via, **act))

    async def observe(self, hook: str, **facts: Any) -> None:
        """See ``ExtensionContext.observe``."""
        await self.hooks.dispatch(hook, **facts)

    def clock(self) -> float:
        """See ``ExtensionContext.clock``."""
        return self.side.clock() if self.side else time.monotonic()

    def share(self, key: str, backend: str | None = None) -> bool:
        """See ``ExtensionContext.share``."""
        return self.side is None or self.side.share(key, backend)

    def ended(self) -> Mapping[str, Transition | None]:
        """See ``ExtensionContext.ended``."""
        return self.side.take_ended() if self.side else {}

    def wake(self) -> None:
        """See ``ExtensionContext.wake``."""
        if self.side:
            self.side.woken.set()


@attrs.frozen
class Extensions:
    """The extensions that are installed, at work for one outbox.

    Attributes:
        plugins: What has registered them.
        config: With the options of each, by its key.
        backends: By name.
        store: Where their tables are.
        hooks: Of the plugins.
        states: What this process keeps for each.
        via: What acts come through, for the audit.
    """

    plugins: Plugins
    config: Config
    backends: Backends
    store: LoopStore
    hooks: Hooks
    states: dict[str, dict[str, Any]]
    via: str

    def context(self, name: str, side: RunnerSide | None = None) -> Context:
        """Return what an extension works with."""
        given = (self.config.extensions.get(name), self.backends, self.store, self.hooks)
        state = self.states.setdefault(name, {})
        return Context(*given, state, self.config.retention, self.via, side)

    def of(self, api: type[T]) -> T:
        """Return an extension's calls. Raises ``AdapterMissing`` where it isn't registered."""
        for name, extension in self.plugins.extensions.items():
            if extension.api is api:
                make: Callable[[Context], T] = api
                return make(self.context(name))
        known = tuple(self.plugins.extensions)
        raise AdapterMissing(kind="extension", name=api.__name__, distribution="", known=known)

    def work(self) -> ExtensionWork:
        """Return what a runner runs."""
        return {
            (name, self.plugins.distribution_of(name)): (extension, partial(self.context, name))
            for name, extension in self.plugins.extensions.items()
        }

    def blamed(self, finding: Finding) -> Finding:
        """Return a finding of the store's; one of an extension's table names it, and stops no job."""
        for name, extension in self.plugins.extensions.items():
            names = {SHAPES.name, *(table.name for table in extension.tables)}
            if finding.subject.partition(".")[0] in names:
                brought_by = self.plugins.distribution_of(name)
                problem = f"{finding.problem}: {brought_by} declares it"
                consequence = f"what {brought_by} does fails; jobs are delivered all the same"
                return Finding.warning(finding.subject, problem, consequence, finding.fix)
        return finding

    async def planned(self) -> list[str]:
        """Say what ``sync`` would do."""
        return [line for one, context in self._able(SyncsFile) for line in await one.planned(context)]

    async def sync(self, **act: Unpack[ActOptions]) -> list[str]:
        """Note the shapes of their tables, and have each do what the file says; say what was done."""
        await self._note_shapes()
        return [line for one, context in self._able(SyncsFile) for line in await one.sync(context, **act)]

    async def retried(self, job_ids: Sequence[str]) -> None:
        """Tell each that jobs are pending again; what fails then is logged."""
        for one, context in self._able(FollowsJobs):
            try:
                await one.retried(context, job_ids)
            except Sp00kyError as error:  # the jobs are pending all the same
                logger.warning("%s isn't told that jobs are pending again: %s", type(one).__name__, error)

    async def left(self, job_ids: Sequence[str]) -> Mapping[str, int]:
        """Count the rows that name jobs."""
        left = Counter[str]()
        for one, context in self._able(FollowsJobs):
            left.update(await one.left(context, job_ids))
        return left

    async def forget(self, job_ids: Sequence[str]) -> None:
        """Delete the rows that name jobs."""
        for one, context in self._able(FollowsJobs):
            await one.forget(context, job_ids)

    async def metrics(self) -> list[Gauge]:
        """Return the numbers of those that give some; one that can't say them now says none."""
        gauges = list[Gauge]()
        for one, context in self._able(GivesMetrics):
            try:
                gauges += await one.metrics(context)
            except Exception as error:  # noqa: BLE001  # a stranger's code
                logger.debug("%s can't be measured: %s", type(one).__name__, error)
        return gauges

    def _able(self, ability: type[A]) -> Iterator[tuple[A, Context]]:
        for name, extension in self.plugins.extensions.items():
            if isinstance(extension, ability):
                yield extension, self.context(name)

    async def findings(self, *, are_migrated: bool = True) -> list[Finding]:
        """Ask each what is wrong, if their tables are there; one that fails, or isn't there, is named."""
        found = [_left_out(error) for error in self.plugins.left_out]
        if not are_migrated:
            return found
        with suppress(Sp00kyError):  # where no migration has made the table, that is said already
            found += await self._changed_shapes()
        for name, extension in self.plugins.extensions.items():
            try:
                found += await extension.findings(self.context(name))
            except Exception as error:  # noqa: BLE001  # a stranger's code
                brought_by = self.plugins.distribution_of(name)
                problem = f"{brought_by} can't say what is wrong: {type(error).__name__}: {error}"
                found.append(Finding.warning(name, problem, "it may not work", f"upgrade {brought_by}"))
        return found

    def _tables(self) -> dict[str, tuple[Table, str]]:
        """Return each table and who brought it, by its name."""
        return {
            table.name: (table, self.plugins.distribution_of(name))
            for name, extension in self.plugins.extensions.items()
            for table in extension.tables
        }

    async def _note_shapes(self) -> None:
        """Keep the shape of each table for its version; the first one that a version has is the one."""
        if not (tables := self._tables()):
            return

        async def work(tx: ExtensionTransaction) -> None:
            noted = {row["table_name"]: row for row in await tx.select(SHAPES)}
            for name, (table, _) in tables.items():
                row = {"table_name": name, "version": table.version, "shape": table.shape}
                if name not in noted:
                    await tx.insert_once(SHAPES, row)  # another migration may be at it
                elif noted[name]["version"] < table.version:
                    await tx.update(SHAPES, [Is("table_name", "=", name)], row)

        await self.store.here().transact(work)

    async def _changed_shapes(self) -> list[Finding]:
        """Find tables whose shape isn't the one that their version had."""
        if not (tables := self._tables()):
            return []

        async def work(tx: ExtensionTransaction) -> list[Row]:
            return await tx.select(SHAPES)

        rows = await self.store.here().read_tables(work)
        return [
            _changed(*tables[row["table_name"]])
            for row in rows
            if row["table_name"] in tables and _is_changed(row, tables[row["table_name"]][0])
        ]


def _is_changed(row: Row, table: Table) -> bool:
    return bool(row["version"] == table.version and row["shape"] != table.shape)


def _changed(table: Table, brought_by: str) -> Finding:
    problem = f"{brought_by} has changed its columns without raising their version, {table.version}"
    consequence = f"what {brought_by} does with it may fail; jobs are delivered all the same"
    fix = f"install a {brought_by} that raises it, or the one before"
    return Finding.warning(table.name, problem, consequence, fix)


def _left_out(error: PluginLoadError) -> Finding:
    fix = f"fix it, or uninstall {error.distribution}"
    consequence = "nothing of it is done; jobs are delivered all the same"
    return Finding.warning(
        error.distribution, f"its extension is left out: {error.problem}", consequence, fix
    )
