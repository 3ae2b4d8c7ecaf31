"""Promise what a database that holds jobs does."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol, Unpack

from sp00ky_core.gate.breaker import BreakerChange
from sp00ky_core.job import Job, NewJob
from sp00ky_core.ports.findings import Finding, MigrationStep
from sp00ky_core.ports.operators import Act, ActOptions, AuditEntry, OperatorResult, Reschedule
from sp00ky_core.ports.query import JobFilter, JobQuery
from sp00ky_core.ports.runners import OverdueClaim, RunnerBeat, RunnerInfo, RunnerRecord
from sp00ky_core.ports.settlement import Claim, Settlement, SettleResult
from sp00ky_core.ports.statement import CallerConnection
from sp00ky_core.ports.stats import BackendStats, BreakerResult, ErrorGroup
from sp00ky_core.ports.tables import StoreCapabilities, StoreOptions

__all__ = ["Store", "SynchronousEnqueue", "StoreFactory"]


class Store(Protocol):
    """A database that holds jobs.

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

    async def check(self) -> list[Finding]:
        """Find what is wrong with the tables, each finding with its consequence and its fix."""

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
        1,000), in a list of any order. No two callers get
        the same row. A row that can't be delivered is returned with its ``defect`` said; it costs no other
        row. ``errors`` may be left out; ``lease_until`` and ``deferred_since`` may not. A row that is read in
        a second step, and is no more as this claim left it, is left out: a runner sends what it is given.
        A payload over ``table.max_payload_bytes`` and any other text over ``LONGEST_TEXT`` isn't read:
        ``UNREAD`` stands for it, and makes the row defective.

        The breakers of these backends are read with it. A backend that is paused gives nothing. One whose
        breaker is open gives one job once its pause has passed, the probe, to the first caller: of the
        ``PROBE_WINDOW`` oldest due one whose path is among ``table.routes``, if there is one, for what can't
        be sent finds nothing out. The routes take turns (``route_in_turn``), for one of them alone may be
        without an answer: those with a job that has retries left, which is the one sent; at a ``risk_turn``
        those without. Where the window is full, a ``shared`` store looks among the ``PROBE_LATEST`` of each
        priority that became due last, too. The breaker is half-open from then on, and the probe that caller's
        for ``table.probe_lease`` seconds, unless it is changed before; then another caller may take the next
        one. (This may be a second round trip.) A pause that is longer than ``table.longest_pause``, or a
        probe's lease than ``LONGEST_PROBE``, counts as over. None of this holds for a table whose ``breaker``
        is False.

        A backend that an operator has paused gives nothing, no probe either; ``paused`` of the claim says so.

        With ``capabilities.ordering``: of the jobs with one ``ordering_key`` only the first in the order
        ``(ordering_at, id)`` that hasn't ended is taken, when it is due, and only while no other job of that
        key is ``processing`` and none, itself included, has a ``lease_until`` that is yet to come (its
        attempt was lost, or it was killed: the request may still be under way). The database guards it.
        A lease counts only where a claim wrote it: its row's epoch is over 0, and it ends no later than
        ``table.longest_lease`` from now.

        With ``capabilities.limits``, of a table with a ``rate``: each job taken costs a token, the probe too,
        also if it is released; tokens come at that rate, by the database's clock, up to ``burst``. With
        ``max_in_flight``: at most so many jobs are ``processing`` or have a lease yet to come, in the whole
        fleet; one that has (its attempt was lost) isn't taken before it ends, for a row counts once. Such a
        table is claimed in a transaction of its own, which passes if another claim is at it.
        ``retry_in`` of the claim says when there may be more.
        """

    async def pause(self, backend: str, *, seconds: float | None = None, **act: Unpack[ActOptions]) -> bool:
        """Keep every later claim, of every process, from a backend; whether it wasn't paused before.

        It ends after ``seconds``, or else with ``resume``. A pause of what is paused takes its place, but
        for ``since``. Makes ``work_signal`` fire as new work does.
        """

    async def resume(self, backend: str) -> bool:
        """End a pause; whether there was one. Makes ``work_signal`` fire as new work does."""

    async def change_breaker(self, change: BreakerChange) -> BreakerResult:
        """Write a change if the breaker is still as it was before it, and say how it is now.

        Of several callers' changes that start from one state, one is written. One that isn't for half-open
        ends the probe; one that closes the breaker makes ``work_signal`` fire as new work does. A store that
        repeats it where a reply was lost says whether it has written it at all (``change.has_made``).
        """

    async def next_due(self, backends: Collection[str]) -> float | None:
        """Return seconds until these backends' next pending job is due (0: one is); None: there is none."""

    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        """Write transitions in one round trip, each under its guard; their fates, in order.

        A row that the database refuses is isolated: it is settled without its result, or without its error
        entry, or failed with the database's reason, and the others are written. ``written`` says which.
        (But what has ended stays as it is where a redrive is refused.)
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

    async def runners(self) -> list[RunnerRecord]:
        """List the runners whose rows are there, the youngest first."""

    async def drain_runner(self, runner_id: str) -> bool:
        """Ask a runner to drain: its next beat says so. False: there is no such runner."""

    async def remove_runner(self, runner_id: str) -> None:
        """Remove the row of a runner that stops."""

    async def start_audit(self, act: Act) -> str:
        """Write down an act that is about to be done; the entry's id."""

    async def update_audit(self, entry_id: str, *, count: int, ended: bool = False) -> None:
        """Write down how far an act has come."""

    async def audit(
        self, *, since: datetime | None = None, limit: int = 100, after: str | None = None
    ) -> list[AuditEntry]:
        """List entries, newest first; ``after``: the last of the page before. Raises ``OptionInvalid``."""

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
        ``beating``: the database's clock may have jumped. And those of ``overdue``, whoever has them, as long
        as they are still as they were (epoch, runner) and their lease is still over.
        """

    async def kill(self, job_ids: Sequence[str], *, reason: str = ...) -> list[OperatorResult]:
        """End jobs; an attempt in flight is fenced off. Fates in order."""

    async def redrive(
        self,
        job_ids: Sequence[str],
        *,
        resend_unknown: bool = False,
        delays: Sequence[float] | None = None,
    ) -> list[OperatorResult]:
        """Make failed jobs pending again, each due after its delay in seconds (None: at once). In order."""

    async def reschedule(self, job_ids: Sequence[str], change: Reschedule) -> list[OperatorResult]:
        """Change when pending jobs are due, or their priority; others are ``illegal``. Fates in order."""

    async def clear(self, job_ids: Sequence[str]) -> list[OperatorResult]:
        """Delete jobs that have ended; others are ``illegal``, as is what the database keeps. In order."""

    async def count(self, conditions: JobFilter) -> int:
        """Count the jobs that meet the conditions, in the database."""

    async def errors(self, *, since: datetime | None = None, limit: int = 100) -> list[ErrorGroup]:
        """Group the jobs that are failed, or pending after a failed attempt, by their last error.

        Those whose ``updated_at`` is ``since`` or later. The largest groups first, at most ``limit``.
        """

    async def clear_matching(self, conditions: JobFilter, *, limit: int = 10_000) -> int:
        """Delete at most ``limit`` jobs that have ended and meet the conditions; how many.

        Of each backend the newest go first.

        One statement with conditions for each backend, no row is read. A row that the database won't have
        deleted is reported in the log, and holds up no other. Fewer than ``limit``: there are no more.
        """

    async def ids_starting_with(self, prefix: str, *, limit: int = 2) -> list[str]:
        """List ids that begin with ``<table>:<first characters of the key>``, by the key's index."""

    async def prune(self, *, limit: int = 1_000, spared: Collection[str] = ()) -> int:
        """Delete at most ``limit`` jobs that ended longer ago than their table keeps them; how many.

        So go successes beyond the latest ``max_successes`` of a table. Jobs that runs of the schedules
        ``spared`` have made are kept, and don't count. Tables that runners don't deliver are left alone.

        A row that the database won't have deleted is reported in the log, and holds up no other. Audit
        entries go after ``AUDIT_KEPT``, uncounted.
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

    def watch(self, query: JobQuery, *, history: int | None = None) -> AsyncGenerator[Job, None]:
        """Yield the jobs that match now (oldest first), then each again when it has changed.

        With ``history`` only the latest so many of those that match now are yielded first, 0: none. The
        first of them, or the readiness for changes, comes without reading the table.

        With ``ids`` they are as ``get`` returns them, else as ``find`` does.

        States that follow each other quickly may be merged; the last one is never left out. ``limit`` and
        ``after`` don't count here. With ``ids`` it ends once none of them is there any more.
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


StoreFactory = Callable[[StoreOptions], Store]
"""Makes a store for a URL; a plugin registers one for each scheme."""
