"""Promise what a database that holds jobs does; say what it is made from, and what it can do."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol, Self

import attrs

from sp00ky_core.config import SurrealdbConfig
from sp00ky_core.job.job import Job, NewJob
from sp00ky_core.ports.job_table import JobTable
from sp00ky_core.ports.query import JobQuery
from sp00ky_core.ports.queue_stats import BackendStats
from sp00ky_core.ports.runners import OverdueClaim, RunnerBeat, RunnerInfo
from sp00ky_core.ports.settlement import Claim, Settlement, SettleResult

__all__ = ["CallerConnection", "Finding", "MigrationStep", "Store", "StoreFactory"]
__all__ += ["StoreCapabilities", "StoreOptions"]

CallerConnection = object
"""A caller's connection, session or transaction of any kind that its store knows: each store says which.

Drivers have no base class in common, and a type that named them all would need them installed. One that the
store doesn't know is an ``OptionInvalid``."""


@attrs.frozen(kw_only=True)
class Finding:
    """Something about the database that ``check`` has to say.

    Attributes:
        stops_jobs: Else it is a warning.
        subject: A table, a field, an index.
        problem: What is wrong, in words.
        consequence: What follows from it.
        fix: What to do about it.
    """

    stops_jobs: bool
    subject: str
    problem: str
    consequence: str
    fix: str

    @classmethod
    def stopping(cls, subject: str, problem: str, consequence: str, fix: str) -> Self:
        """Report what keeps jobs from being made or delivered."""
        return cls(stops_jobs=True, subject=subject, problem=problem, consequence=consequence, fix=fix)

    @classmethod
    def warning(cls, subject: str, problem: str, consequence: str, fix: str) -> Self:
        """Report a weakness that jobs are delivered with."""
        return cls(stops_jobs=False, subject=subject, problem=problem, consequence=consequence, fix=fix)


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
    """

    url: str = attrs.field(repr=False)
    tables: tuple[JobTable, ...]
    directory: Path = attrs.field(factory=Path.cwd)
    surrealdb: SurrealdbConfig | None = None


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
        ordering: Jobs with an ``ordering_key`` are delivered one at a time, in order. Where not, no job has
            one.
        limits: Claims keep a table's ``rate`` and ``max_in_flight``. Where not, no table has them.
        schedules: It is a ``Schedules`` too. Where not, no job is made by a schedule.
        rollups: It is a ``Rollups`` too. Where not, rates are known of a running process alone.
        one_loop: It can only be used in the event loop in which it was opened.
        watch: It is a ``Watch`` too, and so on: what the core does where it isn't stands at each Protocol.
        checks: It is a ``Checks`` too.
        retention: It is a ``Retention`` too.
        clears: It is a ``Clears`` too.
        reschedules: It is a ``Reschedules`` too.
        rewrites: It is a ``Rewrites`` too.
        overdue_claims: It is an ``OverdueClaims`` too.
        breakers: It is a ``Breakers`` too.
        pauses: It is a ``Pauses`` too.
        settings: It is a ``Settings`` too.
        runners: It is a ``Runners`` too.
        audit: It is an ``Audit`` too.
        counts: It is a ``Counts`` too.
        error_groups: It is an ``ErrorGroups`` too.
        short_ids: It is a ``ShortIds`` too.
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
    ordering: bool = False
    limits: bool = False
    schedules: bool = False
    rollups: bool = False
    one_loop: bool = True
    watch: bool = True
    checks: bool = True
    retention: bool = True
    clears: bool = True
    reschedules: bool = True
    rewrites: bool = True
    overdue_claims: bool = True
    breakers: bool = True
    pauses: bool = True
    settings: bool = True
    runners: bool = True
    audit: bool = True
    counts: bool = True
    error_groups: bool = True
    short_ids: bool = True


class Store(Protocol):
    """A database that holds jobs: what every store does. What it may do beside it stands in ``capabilities``.

    Times are the database's own: a transition carries delays, and ``run_at``, ``lease_until`` and
    ``updated_at`` come from its clock. Every write of a status moves ``updated_at``; none moves
    ``created_at``. Any number of tasks may call at the same time. What a driver raises is translated:
    ``StoreUnavailable`` where a connection isn't healed within the store's backoff (2 s at most between
    tries), ``SchemaError`` for missing or wrong tables, else ``StoreError``. None cancels a task.
    """

    @property
    def capabilities(self) -> StoreCapabilities:
        """In what this store differs from others."""

    @property
    def location(self) -> str:
        """Its URL, fit to be printed: without secrets."""

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

        What ``Breakers``, ``Pauses``, ``Ordering`` and ``Limits`` promise of a claim stands there.
        """

    async def next_due(self, backends: Collection[str]) -> float | None:
        """Return seconds until these backends' next pending job is due (0: one is); None: there is none."""

    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        """Write transitions in one round trip, each under its guard; their fates, in order.

        A row that the database refuses is isolated: it is settled without its result, or without its error
        entry, or failed with the database's reason, and the others are written. ``written`` says which.
        (But a redrive or a reschedule leaves the row as it is then.) A redrive whose ``dedup_key`` another
        job has that isn't terminal is ``duplicate``.
        """

    async def release(self, runner_id: str, *, keep: Collection[str]) -> list[str]:
        """Give back this runner's ``processing`` rows but those kept (ids); the ids given back.

        A row whose lease has run out isn't given back: it is to be reclaimed as lost. ``deferred_since``
        stays as it is, as it does in a claim.
        """

    async def beat(self, runner_id: str, info: RunnerInfo = ...) -> Mapping[str, RunnerBeat]:
        """Write this runner's sign of life, and what it says of itself; return each runner's last one.

        Never queued behind claims or settles. Rows of runners that have not beaten for a day are removed.
        Its own ``info.draining`` is true from when ``drain_runner`` has asked for it.
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
        ``beating``: the database's clock may have jumped. And those of ``overdue`` (see ``OverdueClaims``),
        whoever has them, as long as they are still as they were (epoch, runner) and their lease is still
        over.
        """

    async def delete(self, job_ids: Sequence[str]) -> Mapping[str, str | None]:
        """Delete those of these jobs that have ended; their ids as they were given, each with None.

        One that the database keeps has what it said of it instead, and costs no other.
        """

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

    async def stats(self, *, limit: int | None = None) -> Mapping[str, BackendStats]:
        """Return each backend's numbers, its counts of one moment; with ``limit``, those up to it are exact.

        A larger one is an estimate then, at least ``limit``, and it reads no more than about so many rows.
        """

    def work_signal(self) -> AsyncGenerator[None, None]:
        """Yield whenever there may be work, and once after each (re)subscription.

        Losing the subscription degrades to the caller's poll, is logged, and heals automatically. Signals
        that come while the consumer is busy are merged into one.
        """


StoreFactory = Callable[[StoreOptions], Store]
"""Makes a store for a URL; a plugin registers one for each scheme."""
