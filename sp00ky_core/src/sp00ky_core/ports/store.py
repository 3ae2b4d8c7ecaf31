"""Promise what a database that holds jobs does, and what it may do beside; say what it is made from.

Each Protocol beside ``Store`` has a flag in its capabilities. What the core does with a store that lacks one
stands there; nothing is ever ignored.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar, Unpack, cast, runtime_checkable

import attrs

from sp00ky_core.config import SurrealdbConfig
from sp00ky_core.config.keys import Finding
from sp00ky_core.errors import CallUnsupported
from sp00ky_core.gate.breaker import BreakerChange
from sp00ky_core.job.job import Job, NewJob
from sp00ky_core.job.state_machine import Rescheduled
from sp00ky_core.ports.fleet import (
    NO_INFO,
    Act,
    ActOptions,
    AuditEntry,
    OverdueClaim,
    RunnerBeat,
    RunnerInfo,
    RunnerRecord,
    SettingsRecord,
)
from sp00ky_core.ports.job_table import JobTable
from sp00ky_core.ports.query import ALL_JOBS, GroupBy, JobFilter, JobQuery
from sp00ky_core.ports.settlement import Claim, Settlement, SettleResult
from sp00ky_core.ports.statistics import (
    BackendStats,
    BreakerResult,
    ErrorGroup,
    JobGroup,
    Rollup,
    RollupQuery,
)
from sp00ky_core.ports.tables import KeyedJob, Row, Spared, Table, TransactionWork

__all__ = ["CallerConnection", "Finding", "MigrationStep", "Store", "StoreFactory"]
__all__ += ["StoreCapabilities", "StoreOptions"]
__all__ += ["FLAGS", "Grants", "ParamStyle", "Reschedules", "SqlStatement", "SqlStatements", "Statement"]
__all__ += ["ROLES", "Use"]
__all__ += ["Statements", "SynchronousEnqueue", "SynchronousMigrate", "Transactions", "has", "needed"]

C = TypeVar("C")
T = TypeVar("T")

CallerConnection = object
"""A caller's connection, session or transaction of any kind that its store knows: each store says which.

Drivers have no base class in common, and a type that named them all would need them installed. One that the
store doesn't know is an ``OptionInvalid``."""


@attrs.frozen(kw_only=True)
class MigrationStep:
    """One statement of a migration, and why it is there.

    Attributes:
        table: The table.
        statement: The statement, in the database's language.
        why: Why it is needed, in words.
        creates_table: A missing job table; else something is added or repaired.
        without: What follows as long as it isn't made.
        stops_jobs: No job is made or delivered until then.
    """

    table: str
    statement: str
    why: str
    creates_table: bool = False
    without: str = "calls fail"
    stops_jobs: bool = True


@attrs.frozen(kw_only=True)
class StoreOptions:
    """The tables and the address that a store is made from.

    Attributes:
        url: May hold a password.
        tables: The job tables.
        directory: Relative file names are relative to it.
        surrealdb: The block of that name in sp00ky.yml.
        extension_tables: The tables of extensions, which it makes and checks as its own.
    """

    url: str = attrs.field(repr=False)
    tables: tuple[JobTable, ...]
    directory: Path = attrs.field(factory=Path.cwd)
    surrealdb: SurrealdbConfig | None = None
    extension_tables: tuple[Table, ...] = ()


@attrs.frozen(kw_only=True)
class StoreCapabilities:
    """In what stores may differ; the conformance suite asks these flags, never a store's name.

    Attributes:
        transactions: Add(connection=...) joins a transaction of the caller's.
        statements: It is a ``Statements`` too.
        sql_statements: It is an ``SqlStatements`` too.
        synchronous: It is a ``SynchronousEnqueue`` too.
        exact_order: Claims are oldest due first, even where runners compete.
        shared: Several processes may open it at once.
        signals_across_processes: `work_signal()` reports other processes' jobs.
        durable: What was written outlives the process.
        concurrent_writes: A caller's transaction that has written delays no claim and no settle.
        holds_any_row: A row may break the contract, so another client can have written it so.
        one_loop: It can only be used in the event loop in which it was opened.
        reschedules: It is a ``Reschedules`` too.
    """

    transactions: bool = False
    statements: bool = False
    sql_statements: bool = False
    synchronous: bool = False
    exact_order: bool = True
    shared: bool = False
    signals_across_processes: bool = False
    durable: bool = True
    concurrent_writes: bool = True
    holds_any_row: bool = True
    one_loop: bool = True
    reschedules: bool = True


class Store(Protocol):
    """A database that holds jobs: what every store does. What it may do beside stands in ``capabilities``.

    ``TransactionalStore`` makes all of it out of a few primitives.

    Times are the database's own: a transition carries delays, and ``run_at``, ``lease_until`` and
    ``updated_at`` come from its clock. Every write of a status moves ``updated_at``; none moves
    ``created_at``. Any number of tasks may call at the same time. What a driver raises is translated:
    ``StoreUnavailable`` where a connection isn't healed within the store's backoff (2 s at most between
    tries), ``SchemaError`` for missing or wrong tables, else ``StoreError``. None cancels a task.
    """

    @property
    def capabilities(self) -> StoreCapabilities:
        """What this store has, or lacks, that not every store does."""

    @property
    def location(self) -> str:
        """The store's URL without secrets, so that it may be printed."""

    async def open(self) -> None:
        """Connect. Raises ``StoreUnavailable`` or ``StoreInUse``; opening an open store does nothing."""

    async def close(self) -> None:
        """Let go of every connection; iterators end. Closing a closed store does nothing."""

    async def migrate(self, *, repair: bool = False) -> list[MigrationStep]:
        """Create or extend the tables; safe to repeat and to run at once with itself.

        Only adds, unless ``repair``. Returns what it did, in order; nothing to do is an empty list. A table
        under our name that is no job table is refused with ``SchemaError``, untouched.
        """

    async def migration(self, *, repair: bool = False) -> list[MigrationStep]:
        """Plan what ``migrate`` would do now."""

    async def check(self) -> list[Finding]:
        """Find what is wrong with the tables, each finding with its consequence and its fix."""

    # Jobs, from the enqueue to the end.

    async def add(
        self, new_jobs: Sequence[NewJob], *, connection: CallerConnection | None = None
    ) -> list[Job]:
        """Insert pending jobs, all or none, in one round trip; the stored jobs, in order.

        ``connection`` is the caller's, with its transaction: the jobs are there when that commits. Of jobs
        with one ``dedup_key`` only one that isn't terminal exists in a table: the existing one is returned
        instead of a second, also when it was committed at the same time or stands earlier in the batch.
        Where the database lets transactions collide instead of waiting for each other, the caller's commit
        fails if another client has committed the key meanwhile.

        Raises:
            RowRefused: the database refused a row (its ASSERT, a missing ``assigned_to``).
            OptionInvalid: ``connection`` is of no kind that this store knows.
        """

    async def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        """Take due jobs, up to a number for each backend, in one round trip.

        Each becomes ``processing`` with its epoch raised by one, ``runner_id`` set, and a lease of
        ``table.attempt_timeout(job.timeout) + table.lease_margin``. Within a backend those of a higher
        ``priority`` are taken first, then the oldest due (where not ``exact_order``: to within a window of
        1,000), in a list of any order. No two callers get the same row. A row that can't be delivered is
        returned with its ``defect`` said; it costs no other row. ``errors`` may be left out; ``lease_until``
        and ``deferred_since`` may not. A row that is read in a second step, and is no more as this claim left
        it, is left out: a runner sends what it is given. A payload over ``table.max_payload_bytes`` and any
        other text over ``LONGEST_TEXT`` isn't read: ``UNREAD`` stands for it, and makes the row defective.

        *A backend that an operator has paused* gives nothing, no probe either; ``Claim.paused`` says so.

        *Breakers.* A claim reads those of its backends, and returns them. A backend that is paused by its
        breaker gives nothing. One whose breaker is open gives one job once its pause has passed, the probe,
        to the first caller: of the ``PROBE_WINDOW`` oldest due one whose path is among ``table.routes``, if
        there is one, for what can't be sent finds nothing out. The routes take turns (``route_in_turn``), for
        one of them alone may be without an answer: those with a job that has retries left, which is the one
        sent; at a ``risk_turn`` those without. Where the window is full, a ``shared`` store looks among the
        ``PROBE_LATEST`` of each priority that became due last, too. The breaker is half-open from then on,
        and the probe that caller's for ``table.probe_lease`` seconds, unless it is changed before; then
        another caller may take the next one. (This may be a second round trip.) A pause that is longer than
        ``table.longest_pause``, or a probe's lease than ``LONGEST_PROBE``, counts as over. None of this holds
        for a table whose ``breaker`` is False.

        *Keys.* Of the jobs with one ``ordering_key`` only the first in the order ``(ordering_at, id)`` that
        hasn't ended is taken, when it is due, and only while no other job of that key is ``processing`` and
        none, itself included, has a ``lease_until`` that is yet to come (its attempt was lost, or it was
        killed: the request may still be under way). The database guards it. A lease counts only where a claim
        wrote it: its row's epoch is over 0, and it ends no later than ``table.longest_lease`` from now.

        *Limits.* Of a table with a ``rate`` each job taken costs a token, the probe too, also if it is
        released; tokens come at that rate, by the database's clock, up to ``burst``. With ``max_in_flight``
        at most so many jobs are ``processing`` or have a lease yet to come, in the whole fleet; one that has
        (its attempt was lost) isn't taken before it ends, for a row counts once. Such a table is claimed in a
        transaction of its own, which passes if another claim is at it. ``Claim.retry_in`` says when there may
        be more.
        """

    async def next_due(self, backends: Collection[str]) -> float | None:
        """Return seconds until these backends' next pending job is due (0: one is); None: there is none."""

    async def put_off(self, backend: str, path: str, *, seconds: float, limit: int = 1_000) -> int:
        """Make pending jobs of a path that are due by now due so many seconds later; how many.

        At most ``limit``, in one transaction; fewer: there are no more. Nothing else of them changes. Jobs
        with an ``ordering_key``, and what another transaction holds, may be left as they are.
        """

    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        """Write transitions in one round trip, each under its guard; their fates, in order.

        A row that the database refuses is isolated: it is settled without its result, or without its error
        entry, or failed with the database's reason, and the others are written. ``written`` says which.
        (But an operator's retry or reschedule leaves the row as it is then.) A retry whose ``dedup_key``
        another job has that isn't terminal is ``duplicate``.
        """

    async def release(self, runner_id: str, *, keep: Collection[str]) -> list[str]:
        """Give back this runner's ``processing`` rows but those kept (ids); the ids given back.

        A row whose lease has run out isn't given back: it is to be reclaimed as lost. ``deferred_since``
        stays as it is, as it does in a claim.
        """

    async def overdue(self, runners: Collection[str], *, limit: int = 500) -> list[OverdueClaim]:
        """List these runners' ``processing`` rows that ``reclaim`` takes only where they are named to it.

        Their lease has run out by the database's clock, is missing, or is none that a claim can have written:
        the epoch is 0, or it ends later than ``table.longest_lease`` from now. Never more than ``limit``.
        """

    async def reclaim(
        self,
        dead_runners: Mapping[str, datetime],
        *,
        beating: Collection[str] = (),
        overdue: Collection[OverdueClaim] = (),
        limit: int = 500,
    ) -> list[Settlement]:
        """Settle ``processing`` rows as lost, at most ``limit``, and return what was written.

        Those of ``dead_runners``: each with its last beat, as ``beat`` gave it; one that has beaten since is
        left alone, however late this call gets through. Those whose lease has run out by the database's
        clock, is missing, or is none that a claim can have written, unless their runner is one of
        ``beating``: the database's clock may have jumped. And those of ``overdue`` (see there),
        whoever has them, as long as they are still as they were (epoch, runner) and their lease is still
        over.
        """

    async def change_breaker(self, change: BreakerChange) -> BreakerResult:
        """Write a change if the breaker is still as it was before it, and say how it is now.

        Of several callers' changes that start from one state, one is written. One that isn't for half-open
        ends the probe; one that closes the breaker makes ``work_signal`` fire as new work does. A store that
        repeats it where a reply was lost says whether it has written it at all (``change.has_made``).
        """

    def work_signal(self) -> AsyncGenerator[None, None]:
        """Yield whenever there may be work, and once after each (re)subscription.

        Losing the subscription degrades to the caller's poll, is logged, and heals automatically. Signals
        that come while the consumer is busy are merged into one.
        """

    # What there is.

    async def get(self, job_id: str, *, connection: object = None) -> Job:
        """Return one job, as a caller's connection sees it if one is given. Raises ``JobNotFound``.

        Whole, but for ``errors`` over ``LONGEST_ERRORS`` and other texts over ``LONGEST_TEXT``.
        """

    async def find(self, query: JobQuery, *, connection: object = None) -> list[Job]:
        """List jobs, newest first; with ``connection``, those that its transaction sees, its own included.

        What is long isn't read: of a payload, a result, and ``errors`` those over ``LONGEST_LISTED`` are left
        out, but for the last of the ``errors``; ``Job.omitted`` names them. Other texts as in ``claim``.

        Raises:
            OptionInvalid: ``connection`` is of no kind that this store knows.
        """

    def watch(self, query: JobQuery, *, history: int | None = None) -> AsyncGenerator[Job, None]:
        """Yield the jobs that match now (oldest first), then each again when it has changed.

        With ``history`` only the latest so many of those that match now are yielded first, 0: none. The
        first of them, or the readiness for changes, comes without reading the table.

        With ``ids`` they are as ``get`` returns them, else as ``find`` does.

        States that follow each other quickly may be merged; the last one is never left out. ``limit`` and
        ``after`` don't count here. With ``ids`` it ends once none of them is there any more.
        """

    def own_id(self, job_id: str) -> str | None:
        """Return an id as this database writes it; None: no row can have it."""

    async def ids_starting_with(self, prefix: str, *, limit: int = 2) -> list[str]:
        """List ids that begin with ``<table>:<first characters of the key>``, by the key's index."""

    async def copies_of(self, job_ids: Collection[str]) -> list[str]:
        """List the ids of the jobs that are copies of these."""

    async def stats(self, *, limit: int | None = None) -> Mapping[str, BackendStats]:
        """Return each backend's numbers, its counts of one moment; with ``limit``, those up to it are exact.

        A larger one is an estimate then, at least ``limit``, and it reads no more than about so many rows.
        """

    async def count(self, conditions: JobFilter) -> int:
        """Count the jobs that meet the conditions, in the database."""

    async def groups(
        self, by: GroupBy, *, conditions: JobFilter = ALL_JOBS, limit: int = 20
    ) -> list[JobGroup]:
        """Count the jobs that meet the conditions by their route, or by whom they are assigned to.

        In the database; the largest groups first, at most ``limit``.
        """

    async def errors(
        self,
        *,
        since: datetime | None = None,
        limit: int = 100,
        conditions: JobFilter = ALL_JOBS,
        by: GroupBy = "route",
    ) -> list[ErrorGroup]:
        """Group the jobs that are failed, or pending after a failed attempt, by their last error.

        Those whose ``updated_at`` is ``since`` or later, and that meet the conditions; by their route,
        too, or by whom they are assigned to. The largest groups first, at most ``limit``.
        """

    # What is done to jobs that wait, or have ended.

    async def import_jobs(self, jobs: Sequence[Job]) -> None:
        """Insert jobs as they are, with their ids, times, statuses and errors; all or none.

        None of them is processing. One without ``created_at`` is new: it is created, due, and has its place
        among those of its ``ordering_key``, when the database's clock says so. Those that are pending make
        ``work_signal`` fire as new work does.

        Raises:
            RowRefused: the database refuses one: its id is there, another live job has its ``dedup_key``.
        """

    async def redact(self, jobs: Sequence[Job]) -> Collection[str]:
        """Write payload, result, errors, and keys of jobs that have ended as they are here; which, by id.

        Keys are ``dedup_key``, ``ordering_key`` and ``assigned_to``. ``redacted_at`` becomes the database's
        now; ``lease_epoch`` is raised, so that nobody writes back, or sends, what they read before.
        Everything else stays, ``updated_at`` too. A job that has another status or epoch by now is left out.

        Raises:
            RowRefused: the database refuses one; none is written.
        """

    async def delete(self, job_ids: Sequence[str]) -> Mapping[str, str | None]:
        """Delete those of these jobs that have ended; their ids as they were given, each with None.

        One that the database keeps has what it said of it instead, and costs no other.
        """

    async def clear_matching(self, conditions: JobFilter, *, limit: int = 10_000) -> int:
        """Delete at most ``limit`` jobs that have ended and meet the conditions; how many.

        Of each backend the newest go first.

        One statement with conditions for each backend, no row is read. A row that the database won't have
        deleted is reported in the log, and holds up no other. Fewer than ``limit``: there are no more.
        """

    async def prune(self, *, limit: int = 1_000, spared: Collection[Spared] = ()) -> int:
        """Delete at most ``limit`` jobs that ended longer ago than their table keeps them; how many.

        So go successes beyond the latest ``max_successes`` of a table. Jobs that an
        extension has ``spared`` are kept, and don't count. Tables that runners don't deliver are left alone.

        A row that the database won't have deleted is reported in the log, and holds up no other. Audit
        entries go after ``AUDIT_KEPT``, uncounted.
        """

    # What the fleet shares.

    async def beat(self, runner_id: str, info: RunnerInfo = NO_INFO) -> Mapping[str, RunnerBeat]:
        """Write this runner's sign of life, and what it says of itself; return each runner's last one.

        Never queued behind claims or settles. Rows of runners that have not beaten for a day are removed.
        Its own ``info.draining`` is true from when ``drain_runner`` has asked for it.
        """

    async def runners(self) -> list[RunnerRecord]:
        """List the runners whose rows are there, the youngest first."""

    async def drain_runner(self, runner_id: str) -> bool:
        """Ask a runner to drain: its next beat says so. False: there is no such runner."""

    async def remove_runner(self, runner_id: str) -> None:
        """Remove the row of a runner that stops."""

    async def pause(self, backend: str, *, seconds: float | None = None, **act: Unpack[ActOptions]) -> bool:
        """Keep every later claim, of every process, from a backend; whether it wasn't paused before.

        It ends after ``seconds``, or else with ``resume``. A pause of what is paused takes its place, but
        for ``since``. Makes ``work_signal`` fire as new work does.
        """

    async def resume(self, backend: str) -> bool:
        """End a pause; whether there was one. Makes ``work_signal`` fire as new work does."""

    async def change_settings(
        self,
        backend: str,
        values: Mapping[str, Any],
        *,
        seconds: float | None = None,
        actor: str | None = None,
    ) -> None:
        """Set values (JSON, by key) of a backend beside those that are set and hold.

        What they mean is nothing to a store: a runner reads them every 2 s, and says by ``use`` what follows.

        All of them end after ``seconds``; without, when those did that are set already, or with
        ``reset_settings``.
        """

    async def reset_settings(self, backend: str) -> bool:
        """Forget what is set of a backend; whether anything was."""

    async def settings(self) -> Mapping[str, SettingsRecord]:
        """Return what is set and holds now, by the database's clock, by backend."""

    def use(self, table: JobTable) -> None:
        """Lease and limit a backend's jobs as this table says, from the next claim on."""

    async def start_audit(self, act: Act) -> str:
        """Write down an act that is about to be done; return the entry's id."""

    async def update_audit(self, entry_id: str, *, count: int, ended: bool = False) -> None:
        """Write down how far an act has come."""

    async def audit(
        self, *, since: datetime | None = None, limit: int = 100, after: str | None = None
    ) -> list[AuditEntry]:
        """List entries, newest first; ``after``: the last of the page before. Raises ``OptionInvalid``."""

    async def write_rollups(self, rollups: Sequence[Rollup]) -> datetime:
        """Write rows in one round trip, each in the place of one with its key; return the database's time.

        So a write whose reply was lost may be repeated. Without rows it only reads the clock.
        """

    async def rollups(self, query: RollupQuery) -> list[Rollup]:
        """Sum up rows over all runners, in the database: by step, backend, path, outcome and code, in order.

        ``minute`` is the beginning of the step, or ``query.since``; ``runner_id`` is empty.
        """

    async def fold_rollups(self, *, limit: int = 10_000) -> int:
        """Fold at most ``limit`` rows older than ``MINUTES_KEPT`` into those of their hours; how many.

        Only minutes of hours that are as old as a whole. Rows older than ``ROLLUPS_KEPT`` are deleted,
        uncounted, at most ``limit``. Any number of runners may call it at once: nothing is counted twice.
        """

    # Extensions.

    async def transact(self, work: TransactionWork[T], *, check: Callable[[NewJob], NewJob] = ...) -> T:
        """See ``ExtensionContext.transact``; each job that the work enqueues goes through ``check``."""

    async def read_tables(self, work: TransactionWork[T]) -> T:
        """See ``ExtensionContext.read``."""

    async def query_rows(self, query: str, *, limit: int = 10_000) -> list[Mapping[str, Any]]:
        """See ``ExtensionContext.query``."""

    async def insert_within(
        self, connection: CallerConnection, rows: Mapping[Table, Sequence[Row]], jobs: Sequence[KeyedJob]
    ) -> list[Job]:
        """See ``ExtensionContext.insert``."""

    def insert_within_in(
        self, connection: CallerConnection, rows: Mapping[Table, Sequence[Row]], jobs: Sequence[KeyedJob]
    ) -> list[Job]:
        """Insert as ``insert_within`` does, on a caller's blocking connection."""


StoreFactory = Callable[[StoreOptions], Store]
"""Makes a store for a URL; a plugin registers one for each scheme."""


class Use(StrEnum):
    """What a role of the database is for."""

    RUN = "run"
    OPERATE = "operate"
    ENQUEUE = "enqueue"


ROLES: Mapping[Use, str] = {Use.RUN: "runner_role", Use.OPERATE: "operator_role", Use.ENQUEUE: "app_role"}
"""How a role is called in ``Grants.grants``."""


@runtime_checkable
class Grants(Protocol):
    """Grant privileges: an ability beside ``Store``, where its database has roles."""

    def grants(self) -> list[str]:
        """Return statements that give three roles what they need: to enqueue, to run, to operate.

        Does no IO, so it works on a store that isn't open. The roles' names are for the reader to replace.
        """

    async def lacking(self) -> Mapping[Use, list[Finding]]:
        """Find what this store's role lacks for each use; ``Store.check`` has those of ``Use.RUN``."""


@attrs.frozen(kw_only=True)
class Statement:
    """Statements that enqueue one job, to be sent within the caller's transaction.

    No name in it is in another one too, so any number can be joined in one query. Sent a second time it is
    refused, for its job is there already (or finds it, by its ``dedup_key``).

    Attributes:
        text: In the database's language, each statement ended; needs ``bindings``.
        bindings: What its variables stand for, in the driver's own types.
        job_id: The job's id; where a ``dedup_key`` is taken, no row has it.
        variable: Holds the job's record id in the statements that follow, also where its ``dedup_key`` was
            taken.
    """

    text: str
    bindings: Mapping[str, Any]
    job_id: str
    variable: str


ParamStyle = Literal["pyformat", "format", "numeric", "named"]
"""``%(path)s`` and ``%s`` of psycopg and Django, ``$1`` of asyncpg, ``:path`` of SQLAlchemy's ``text()``."""


@attrs.frozen(kw_only=True)
class SqlStatement:
    """An INSERT of one job in SQL; unpacked, it is its text and its parameters.

    It returns the row's ``id``, and no row where a ``dedup_key`` is taken, or where it is sent a second time.

    Attributes:
        text: SQL, with a place for each parameter.
        parameters: By name (``pyformat``, ``named``), or in order (``format``, ``numeric``).
        job_id: The job's id; where its ``dedup_key`` is taken, no row has it.
    """

    text: str
    parameters: Mapping[str, Any] | tuple[Any, ...]
    job_id: str

    def __iter__(self) -> Iterator[Any]:
        """Yield text and parameters, as in ``cursor.execute(*statement)``."""
        return iter((self.text, self.parameters))


class Statements(Protocol):
    """A store with ``capabilities.statements``, whose callers' transactions are text."""

    def statement(self, new_job: NewJob) -> Statement:
        """Return statements that insert one pending job, as ``add`` would, in the caller's transaction.

        Does no IO, so it works on a store that isn't open. ``dedup_key`` is honoured. If the transaction is
        rolled back nothing is left.
        """


class SqlStatements(Protocol):
    """A store with ``capabilities.sql_statements``, whose database speaks SQL."""

    def sql_statement(self, new_job: NewJob, paramstyle: ParamStyle) -> SqlStatement:
        """Return an INSERT of one pending job, as ``add`` would, for the caller's transaction.

        Does no IO, so it works on a store that isn't open. Where ``dedup_key`` is taken it inserts and
        returns nothing. Raises ``OptionInvalid`` for another ``paramstyle``.
        """


class SynchronousEnqueue(Protocol):
    """A store with ``capabilities.synchronous``: it works on callers' blocking connections.

    Its calls block the thread that they are made in, need no event loop and start no thread, and may be made
    in several threads at once, each with its connection; the store needn't be open.
    """

    def add_in(self, connection: object, new_jobs: Sequence[NewJob]) -> list[Job]:
        """Insert pending jobs in the connection's transaction; see ``Store.add``.

        Raises:
            OptionInvalid: ``connection`` is of no kind that this store knows, is asynchronous, closed, or
                outside a transaction.
        """

    def get_in(self, connection: object, job_id: str) -> Job:
        """Return one job as the connection sees it. Raises ``JobNotFound``."""

    def find_in(self, connection: object, query: JobQuery) -> list[Job]:
        """List jobs as the connection sees them, newest first."""


@runtime_checkable
class SynchronousMigrate(Protocol):
    """Migrate on a caller's blocking connection: an ability beside ``SynchronousEnqueue``.

    For databases that have no other connection: one in memory, as tests have.
    """

    def migrate_in(self, connection: object, *, only_plan: bool = False) -> list[MigrationStep]:
        """Migrate in the connection's transaction, as ``Store.migrate``; the store needn't be open.

        With ``only_plan`` only list what would be done, as ``Store.migration``.
        """


@runtime_checkable
class Transactions(Protocol):
    """Begin transactions for an application's own writes: an ability beside ``Store``."""

    def own_transaction(self) -> AbstractAsyncContextManager[Any]:
        """See ``ExtensionContext.transaction``."""

    async def join(
        self, connection: CallerConnection, work: TransactionWork[T], *, check: Callable[[NewJob], NewJob]
    ) -> T:
        """See ``ExtensionContext.join``; each job that the work enqueues goes through ``check``."""


class Reschedules(Protocol):
    """A store with ``capabilities.reschedules``. Without it jobs are read, and settled one by one."""

    async def reschedule(self, job_ids: Sequence[str], change: Rescheduled) -> Collection[str]:
        """Change when those of these jobs that are pending are due, or their priority; which, as given.

        In a few statements, no row is read. What another transaction holds, or the database refuses, it may
        leave: the core reads what is left, tries it one by one, and says what became of it.
        """


FLAGS: Mapping[type[Any], str] = {
    Reschedules: "reschedules",
    SqlStatements: "sql_statements",
    Statements: "statements",
    SynchronousEnqueue: "synchronous",
}
"""The flag of each; ``SynchronousMigrate``, ``Transactions`` and ``Grants`` are known by ``isinstance``."""


def has(store: Store, ability: type[C]) -> C | None:
    """Return a store as what it is too; None: it lacks the ability."""
    return cast("C", store) if getattr(store.capabilities, FLAGS[ability]) else None


def needed(store: Store, ability: type[C], call: str, instead: str = "use another store") -> C:
    """Return a store as what it is too. Raises ``CallUnsupported`` where it lacks the ability."""
    able = has(store, ability)
    if able is None:
        raise CallUnsupported(store=store.location, call=call, instead=instead)
    return able
