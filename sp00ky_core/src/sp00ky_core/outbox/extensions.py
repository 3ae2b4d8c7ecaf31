"""Give an extension what it works with: its options, transactions, jobs; find an extension by its class."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar, cast

import attrs

from sp00ky_core.backend.backend import Backends
from sp00ky_core.backend.validation import check_job
from sp00ky_core.errors import AdapterMissing
from sp00ky_core.job.job import Job, NewJob
from sp00ky_core.outbox.operators.audit import act_of, recorded
from sp00ky_core.plugins.dispatch import Hooks
from sp00ky_core.plugins.registry import Plugins
from sp00ky_core.ports import (
    CallerConnection,
    Finding,
    JobQuery,
    KeyedJob,
    OperatorResult,
    Row,
    Table,
    Transactions,
    TransactionWork,
)
from sp00ky_core.runner.services import ExtensionWork, RunnerSide
from sp00ky_core.stores.event_loop import LoopStore
from sp00ky_core.stores.named_jobs import NamedJobs
from sp00ky_core.stores.transactional.extension import keyed
from sp00ky_core.stores.transitions import kill, report_settled, retry

__all__ = ["Extensions"]

T = TypeVar("T")


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
        via: What its acts come through, for the audit.
        side: Of the runner that it works in; None: it works in none.
    """

    options: Any
    backends: Backends
    store: LoopStore
    hooks: Hooks
    via: str
    side: RunnerSide | None = None

    @property
    def named(self) -> NamedJobs:
        """The store's jobs by the names of sp00ky.yml."""
        return NamedJobs(self.store.here(), self.backends)

    @property
    def jobs(self) -> Jobs:
        """See ``ExtensionContext.jobs``."""
        return Jobs(self)

    @property
    def _transactions(self) -> Transactions:
        return cast("Transactions", self.store.here())

    async def transact(self, work: TransactionWork[T]) -> T:
        """See ``ExtensionContext.transact``."""
        return await self._transactions.transact(work, check=self._checked)

    async def read(self, work: TransactionWork[T]) -> T:
        """See ``ExtensionContext.read``."""
        return await self._transactions.read_tables(work)

    async def insert(
        self,
        connection: CallerConnection,
        rows: Mapping[Table, Sequence[Row]],
        jobs: Sequence[NewJob | KeyedJob] = (),
    ) -> list[Job]:
        """See ``ExtensionContext.insert``."""
        transactions = cast("Transactions", self.store.store)
        return await transactions.insert_within(connection, rows, keyed(jobs, self._checked))

    def insert_in(
        self,
        connection: CallerConnection,
        rows: Mapping[Table, Sequence[Row]],
        jobs: Sequence[NewJob | KeyedJob] = (),
    ) -> list[Job]:
        """See ``ExtensionContext.insert_in``."""
        transactions = cast("Transactions", self.store.store)
        return transactions.insert_within_in(connection, rows, keyed(jobs, self._checked))

    def _checked(self, new_job: NewJob) -> NewJob:
        backend = self.backends.named(new_job.backend)
        return backend.stored(check_job(backend, new_job))

    async def audit(self, action: str, selection: Mapping[str, Any], *, count: int = 1) -> None:
        """See ``ExtensionContext.audit``."""
        async with recorded(self.store.here(), act_of(action, selection, via=self.via)) as record:
            record.count = count

    def clock(self) -> float:
        """See ``ExtensionContext.clock``."""
        return self.side.clock() if self.side else time.monotonic()

    def share(self, key: str) -> bool:
        """See ``ExtensionContext.share``."""
        return self.side is None or self.side.share(key)

    def ended(self) -> Collection[str]:
        """See ``ExtensionContext.ended``."""
        return self.side.take_ended() if self.side else ()

    def wake(self) -> None:
        """See ``ExtensionContext.wake``."""
        if self.side:
            self.side.woken.set()


@attrs.frozen
class Extensions:
    """The extensions that are installed, at work for one outbox.

    Attributes:
        plugins: What has registered them.
        options: Of each, by its key.
        backends: By name.
        store: Where their tables are.
        hooks: Of the plugins.
        via: What acts come through, for the audit.
    """

    plugins: Plugins
    options: Mapping[str, Any]
    backends: Backends
    store: LoopStore
    hooks: Hooks
    via: str

    def context(self, name: str, side: RunnerSide | None = None) -> Context:
        """Return what an extension works with."""
        return Context(self.options.get(name), self.backends, self.store, self.hooks, self.via, side)

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
            if finding.subject.partition(".")[0] in {table.name for table in extension.tables}:
                brought_by = self.plugins.distribution_of(name)
                problem = f"{finding.problem}: {brought_by} declares it"
                consequence = f"what {brought_by} does fails; jobs are delivered all the same"
                return Finding.warning(finding.subject, problem, consequence, finding.fix)
        return finding

    async def findings(self) -> list[Finding]:
        """Ask each what is wrong; one that fails is named."""
        found = list[Finding]()
        for name, extension in self.plugins.extensions.items():
            try:
                found += await extension.findings(self.context(name))
            except Exception as error:  # noqa: BLE001  # a stranger's code
                brought_by = self.plugins.distribution_of(name)
                problem = f"{brought_by} can't say what is wrong: {type(error).__name__}: {error}"
                found.append(Finding.warning(name, problem, "it may not work", f"upgrade {brought_by}"))
        return found
