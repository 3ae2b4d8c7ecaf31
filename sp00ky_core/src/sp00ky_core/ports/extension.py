"""Promise what an extension is: tables, work in the runner, commands and pages of another distribution."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, Unpack
from uuid import UUID

import attrs

from sp00ky_core.errors import RowRefused
from sp00ky_core.job.job import Job, NewJob
from sp00ky_core.ports.operators import OperatorResult
from sp00ky_core.ports.query import JobQuery
from sp00ky_core.ports.store import CallerConnection, Finding
from sp00ky_core.ports.tables import ReadOptions, Row, Table, Update, Where

if TYPE_CHECKING:
    import click  # applications that only enqueue don't load it

__all__ = ["Extension", "ExtensionContext", "ExtensionJobs", "ExtensionTransaction"]
__all__ += ["KeyedJob", "Service", "TransactionWork", "Transactions"]

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class KeyedJob:
    """A job whose id is made by who enqueues it: made twice, it is there once.

    Attributes:
        job: The job.
        key: What its id is made of: the same for what is to be one job.
        prefix: Of its key, where a database's keys are any text.
    """

    job: NewJob
    key: UUID
    prefix: str = ""

    def refuse_other(self, stored: Job, location: str) -> Job:
        """Return the job that is stored under this key. Raises ``RowRefused`` where it is another's.

        A client that may make rows could have guessed the key.
        """
        wanted = (self.job.path, self.job.max_retries, self.job.assigned_to)
        if (stored.path, stored.max_retries, stored.assigned_to) != wanted:
            raise RowRefused(store=location, problem=f"{stored.id} is there already, and is another job")
        return stored


class ExtensionTransaction(Protocol):
    """One transaction: it reads and writes an extension's tables, and enqueues jobs.

    Its calls are those of the kit's ``Session``, which says what each promises.
    """

    @property
    def now(self) -> datetime:
        """The time of the clock that all processes share, when the transaction began."""

    async def enqueue(self, jobs: Sequence[NewJob | KeyedJob]) -> list[Job]:
        """Insert pending jobs, all or none; the stored jobs, in order, or those that are there already.

        Each is checked against its backend's contract, as the outbox does.
        """

    async def select(
        self, table: Table, where: Sequence[Where] = (), **options: Unpack[ReadOptions]
    ) -> list[Row]:
        """Select rows that meet all conditions."""

    async def count(self, table: Table, where: Sequence[Where] = ()) -> int:
        """Count rows that meet all conditions."""

    async def insert(self, table: Table, rows: Sequence[Row]) -> None:
        """Insert rows, which all have the same columns."""

    async def insert_once(self, table: Table, row: Row) -> bool:
        """Insert a row; False: another transaction has made one with its key."""

    async def update(self, table: Table, where: Sequence[Where], values: Mapping[str, Any]) -> int:
        """Set columns in the rows that meet all conditions; how many those were."""

    async def update_many(self, table: Table, updates: Sequence[Update]) -> int:
        """Set columns in many rows, each under its own conditions; how many of them met theirs."""

    async def put(self, table: Table, rows: Sequence[Row]) -> None:
        """Insert whole rows, each in the place of one with its key."""

    async def take(self, table: Table, rows: Sequence[Row]) -> list[Row]:
        """Delete rows by their keys; those that were there."""

    async def delete(self, table: Table, where: Sequence[Where]) -> int:
        """Delete rows that meet all conditions; how many."""

    def savepoint(self) -> AbstractAsyncContextManager[None]:
        """Undo what is done in the block, and nothing else, if the block raises."""


TransactionWork = Callable[[ExtensionTransaction], Awaitable[T]]
"""What is done in one transaction. It may be done again, so it awaits nothing but the transaction's calls."""


class Transactions(Protocol):
    """A store whose transactions extensions use: all that are made from the kit."""

    async def transact(self, work: TransactionWork[T], *, check: Callable[[NewJob], NewJob] = ...) -> T:
        """See ``ExtensionContext.transact``; each job that the work enqueues goes through ``check``."""

    async def read_tables(self, work: TransactionWork[T]) -> T:
        """See ``ExtensionContext.read``."""

    async def insert_within(
        self, connection: CallerConnection, rows: Mapping[Table, Sequence[Row]], jobs: Sequence[KeyedJob]
    ) -> list[Job]:
        """See ``ExtensionContext.insert``."""

    def insert_within_in(
        self, connection: CallerConnection, rows: Mapping[Table, Sequence[Row]], jobs: Sequence[KeyedJob]
    ) -> list[Job]:
        """Insert as ``insert_within`` does, on a caller's blocking connection."""


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


class ExtensionContext(Protocol):
    """What an extension is given: its options, its store, and the runner that it works in, if any."""

    @property
    def options(self) -> Any:
        """An instance of ``Extension.options``, as sp00ky.yml has its section."""

    @property
    def backends(self) -> Mapping[str, Any]:
        """The backends by name, each with its configuration, contract and table."""

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

    async def audit(self, action: str, selection: Mapping[str, Any], *, count: int = 1) -> None:
        """Write down what somebody has done by a call of this extension's."""

    def clock(self) -> float:
        """Return seconds of a monotonic clock."""

    def share(self, key: str) -> bool:
        """Tell whether this runner is the one of the fleet that looks at something first.

        Runners that don't see the same fleet may both be it, or neither: what is done is guarded by a
        compare-and-set, and what isn't done in time the others do. Outside a runner everything is one's own.
        """

    def ended(self) -> Collection[str]:
        """Return the ids of jobs that this runner has settled as success or failed since the last call.

        The writes are durable. At most the latest 10,000: find by an index what was missed.
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
