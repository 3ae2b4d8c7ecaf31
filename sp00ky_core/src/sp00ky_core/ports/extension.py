"""Promise what an extension is: tables, work in the runner, commands and pages of another distribution."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, Unpack, runtime_checkable

import attrs

from sp00ky_core.config.model import TopRetentionConfig
from sp00ky_core.job.job import Job, NewJob
from sp00ky_core.job.state_machine import Transition
from sp00ky_core.ports.fleet import ActOptions, OperatorResult
from sp00ky_core.ports.query import JobQuery
from sp00ky_core.ports.store import CallerConnection, Finding, StoreCapabilities
from sp00ky_core.ports.tables import KeyedJob, Row, Spared, Table, TransactionWork

if TYPE_CHECKING:
    import click  # applications that only enqueue don't load it

__all__ = ["ActRecord", "Extension", "ExtensionContext", "ExtensionJobs", "FollowsJobs"]
__all__ += ["Gauge", "GivesMetrics"]
__all__ += ["Service", "SyncsFile"]

T = TypeVar("T")


class ExtensionJobs(Protocol):
    """Jobs by their ids, as an extension sees them: no act of these is an operator's, so none is audited."""

    async def get(self, job_id: str) -> Job:
        """Return one job. Raises ``JobNotFound``."""

    async def find(self, query: JobQuery) -> list[Job]:
        """List jobs, newest first."""

    async def kill(self, job_ids: Sequence[str], *, reason: str) -> Sequence[OperatorResult]:
        """Kill jobs, each fate in order."""

    async def retry(self, job_ids: Sequence[str]) -> Sequence[OperatorResult]:
        """Make failed jobs pending again, each fate in order."""

    async def reschedule(self, job_ids: Sequence[str]) -> Sequence[OperatorResult]:
        """Make pending jobs due now, each fate in order; that of one in flight is ``illegal``."""

    async def delete(self, job_ids: Sequence[str]) -> None:
        """Delete those of these jobs that have ended."""


class ActRecord(Protocol):
    """What the audit says of an act that is under way."""

    async def reach(self, count: int) -> None:
        """Write down to how much the act has been done."""


class ExtensionContext(Protocol):
    """What an extension is given: its options, its store, and the runner that it works in, if any."""

    @property
    def options(self) -> Any:
        """An instance of ``Extension.options``, as sp00ky.yml has its section."""

    @property
    def state(self) -> dict[str, Any]:
        """What this process keeps for the extension as long as its outbox, or until it ends."""

    @property
    def retention(self) -> TopRetentionConfig:
        """What ``retention`` at the top of sp00ky.yml says."""

    @property
    def location(self) -> str:
        """The store's, without a password."""

    @property
    def capabilities(self) -> StoreCapabilities:
        """In what the store differs from others."""

    @property
    def backends(self) -> Mapping[str, Any]:
        """The backends by name, each with its configuration, contract and table."""

    @property
    def served(self) -> Collection[str]:
        """The names of those whose jobs the runner delivers that this works in; outside of one all."""

    @property
    def jobs(self) -> ExtensionJobs:
        """The store's jobs."""

    async def transact(self, work: TransactionWork[T]) -> T:
        """Do work in one transaction; it commits, or nothing of it is there.

        Where databases notice only at the commit that others have written what was read, and after a
        deadlock, the work is done again.

        Raises:
            StoreUnavailable: The reply to the commit was lost: look whether it is there.
        """

    async def read(self, work: TransactionWork[T]) -> T:
        """Do work that only reads, in one transaction."""

    async def query(self, query: str, *, limit: int) -> list[Mapping[str, Any]]:
        """Run a user's query, which only reads; its first ``limit`` rows, each a JSON object.

        In a transaction of its own, which the database keeps from writing where it can, and which ends after
        ``QUERY_SECONDS``. Values are what JSON has: instants, uuids, decimals and record ids come as text or
        numbers, as the database writes them as JSON.

        Raises:
            QueryRefused: It is no single query, or it writes, takes too long, fails, or a row is no object.
        """

    def check(self, new_job: NewJob) -> NewJob:
        """Hold a job against its backend's contract; return it as the store knows it. Raises as ``run``."""

    def traced(self, new_job: NewJob) -> NewJob:
        """Return a job with the caller's trace context, if a plugin gives it one."""

    async def insert(
        self,
        connection: CallerConnection,
        rows: Mapping[Table, Sequence[Row]],
        jobs: Sequence[NewJob | KeyedJob] = (),
    ) -> list[Job]:
        """Insert rows and jobs in a caller's transaction, which reads nothing for it.

        A row, or a job, whose key is there already stays as it is.

        Raises:
            OptionInvalid: The store knows no connections of this kind.
        """

    def insert_in(
        self,
        connection: CallerConnection,
        rows: Mapping[Table, Sequence[Row]],
        jobs: Sequence[NewJob | KeyedJob] = (),
    ) -> list[Job]:
        """Insert as ``insert`` does, on a caller's blocking connection."""

    def transaction(self) -> AbstractAsyncContextManager[Any]:
        """Begin a transaction on a connection of its own, of the store's driver, in any event loop.

        Raises:
            CallUnsupported: The store has no such transactions.
        """

    async def join(self, connection: CallerConnection, work: TransactionWork[T]) -> T:
        """Do work in a transaction of a caller's connection, which goes on. Raises as ``transaction``."""

    async def audit(
        self, action: str, selection: Mapping[str, Any], *, count: int = 1, **act: Unpack[ActOptions]
    ) -> None:
        """Write down what somebody has done by a call of this extension's."""

    def audited(
        self, action: str, selection: Mapping[str, Any], **act: Unpack[ActOptions]
    ) -> AbstractAsyncContextManager[ActRecord]:
        """Write an act down before it begins, and that it has ended.

        Raises:
            StoreError: It can't be written down; then it isn't done either.
        """

    async def observe(self, hook: str, **facts: Any) -> None:
        """Call the observers of a hook that this extension's plugin declares."""

    def clock(self) -> float:
        """Return seconds of a monotonic clock."""

    def share(self, key: str, backend: str | None = None) -> bool:
        """Tell whether this runner is the one that looks at something first: of the fleet, or of a backend's.

        Runners that don't see the same fleet may both be it, or neither: what is done is guarded by a
        compare-and-set, and what isn't done in time the others do. Outside a runner everything is one's own.
        """

    def ended(self) -> Mapping[str, Transition | None]:
        """Return the jobs, by id, that this runner has settled as success or failed since the last call.

        Each with what was written of it, which is durable; None: its result is long, read the job. At most
        the latest 10,000: find by an index what was missed.
        """

    def wake(self) -> None:
        """Have the runner's service look again now."""


class Service(Protocol):
    """An extension's work in a runner, which runs it as it runs its own parts: supervised, and drained.

    What it raises is logged with the name of its distribution, and costs no job.
    """

    async def look(self) -> float:
        """Do what is due; return the seconds until the next look.

        It is woken earlier by the store's signal, by jobs that have ended, and by ``ExtensionContext.wake``.
        """

    async def close(self) -> None:
        """End what it has begun: the runner drains."""


class Extension(Protocol):
    """What a distribution adds to the outbox beside stores and transports, under a key of sp00ky.yml.

    Attributes:
        options: An attrs class of the section, read as those of transports; None: the section is free.
        tables: Its tables, whose names begin with ``sp00ky_``.
        api: What ``Outbox.extension`` gives, made of an ``ExtensionContext``.
    """

    options: type | None
    tables: Sequence[Table]
    api: Callable[[Any], Any]

    def start(self, context: ExtensionContext) -> Service | None:
        """Return what each runner runs; None: nothing."""

    def commands(self) -> Mapping[str, click.Command]:
        """Return its commands by name."""

    def pages(self) -> Sequence[Any]:
        """Return its pages of the dashboard."""

    async def findings(self, context: ExtensionContext) -> list[Finding]:
        """Say what is wrong, for ``check``."""

    async def retention(self, context: ExtensionContext) -> int:
        """Delete some rows that are older than they are kept; how many. It is called until there are none."""


@runtime_checkable
class SyncsFile(Protocol):
    """An extension whose rows are to be what sp00ky.yml says: an ability beside ``Extension``."""

    async def planned(self, context: ExtensionContext) -> list[str]:
        """Say what ``sync`` would do, a line each; its tables may be missing."""

    async def sync(self, context: ExtensionContext, **act: Unpack[ActOptions]) -> list[str]:
        """Make the rows what the section says, after ``migrate``; say what was done, a line each."""


@runtime_checkable
class FollowsJobs(Protocol):
    """An extension whose rows name jobs: an ability beside ``Extension``."""

    async def spared(self, context: ExtensionContext) -> Sequence[Spared]:
        """Read what must be read of jobs before ``retention`` deletes them; say which it leaves alone.

        A runner calls it before each round. Where it raises, none is deleted in that round.
        """

    async def retried(self, context: ExtensionContext, job_ids: Sequence[str]) -> None:
        """Note that failed jobs are pending again, by an operator's hand."""

    async def left(self, context: ExtensionContext, job_ids: Sequence[str]) -> Mapping[str, int]:
        """Count the rows that name these jobs, which are to be redacted, by what the rows are."""

    async def forget(self, context: ExtensionContext, job_ids: Sequence[str]) -> None:
        """Delete those rows."""


@attrs.frozen(kw_only=True)
class Gauge:
    """A number of an extension's tables, as ``/metrics`` shows it.

    Attributes:
        name: ``sp00ky_`` and what it counts, with its unit.
        text: What it means, in a sentence.
        label: Tells its values apart; empty: there is one.
        values: By the label's values; under an empty key where there is no label.
    """

    name: str
    text: str
    label: str = ""
    values: Mapping[str, float]


@runtime_checkable
class GivesMetrics(Protocol):
    """An extension whose rows are counted in ``/metrics``: an ability beside ``Extension``."""

    async def metrics(self, context: ExtensionContext) -> Sequence[Gauge]:
        """Measure its tables: the same from every process. It reads little, by an index."""
