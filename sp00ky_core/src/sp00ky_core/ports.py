"""The two ports, Store and Transport, and what each call promises.

An adapter is done when the suites in ``sp00ky_core.testing`` pass for it. Stores differ in what their
``capabilities`` say, and in nothing else.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import attrs

from sp00ky_core.breaker import LONGEST_INTERVAL, Breaker, BreakerChange
from sp00ky_core.config import BackendConfig, SurrealdbConfig
from sp00ky_core.contract import Route
from sp00ky_core.errors import OptionInvalid, shown
from sp00ky_core.job import Job, JobStatus, NewJob, is_plain_text
from sp00ky_core.machine import Transition
from sp00ky_core.outcome import Outcome
from sp00ky_core.statement import Statement

__all__ = [
    "JobTable",
    "StoreOptions",
    "StoreCapabilities",
    "Claim",
    "Store",
    "Statements",
    "Settlement",
    "SettleFate",
    "SettleResult",
    "OperatorFate",
    "OperatorResult",
    "BreakerResult",
    "JobQuery",
    "BreakerStats",
    "BackendStats",
    "Finding",
    "MigrationStep",
    "Attempt",
    "Transport",
    "StoreFactory",
    "TransportFactory",
    "LEASE_MARGIN",
]

LEASE_MARGIN = 30.0
"""Seconds that a lease outlasts the attempt's timeout."""

PROBE_MARGIN = 5.0
"""Seconds that a probe's lease outlasts its timeout: if its runner dies, no other probe is sent before."""

PROBE_WINDOW = 1_000
"""Among so many of the jobs that have been due longest is a probe chosen."""


@attrs.frozen(kw_only=True)
class JobTable:
    """One backend's job table, and what a store must know to lease and to prune its rows."""

    backend: str
    table: str
    timeout: float = 10.0  # seconds for a whole attempt
    timeout_overridable: bool = False  # whether the row's own timeout counts
    lease_margin: float = LEASE_MARGIN  # seconds; tests shorten it
    keep_success: float | None = None  # seconds that a job is kept after it ended; None: the store's default
    keep_failed: float | None = None
    strategies: frozenset[str] = frozenset({"linear", "exponential"})  # those that this process knows
    breaker: bool = True  # whether claims heed the backend's breaker
    routes: frozenset[str] = frozenset()  # paths to which jobs can be sent, if they are known
    max_payload_bytes: int = 1_048_576  # a claim needn't read what is longer: the job is claimed as defective

    def attempt_timeout(self, job_timeout: float | None) -> float:
        """Seconds for an attempt of a job whose row says ``job_timeout`` (clamped to 1..86,400)."""
        if not self.timeout_overridable or job_timeout is None:
            return self.timeout
        return min(max(job_timeout, 1.0), 86_400.0)

    @property
    def probe_lease(self) -> float:
        """Seconds for which a probe is one runner's alone; one that takes longer may get company."""
        longest = LONGEST_INTERVAL if self.timeout_overridable else min(self.timeout, LONGEST_INTERVAL)
        return longest + min(self.lease_margin, PROBE_MARGIN)


@attrs.frozen(kw_only=True)
class StoreOptions:
    """What a store is made from."""

    url: str = attrs.field(repr=False)  # may hold a password
    tables: tuple[JobTable, ...]
    directory: Path = attrs.field(factory=Path.cwd)  # relative file names are relative to it
    surrealdb: SurrealdbConfig | None = None  # the block of that name in sp00ky.yml


@attrs.frozen(kw_only=True)
class StoreCapabilities:
    """In what stores may differ; the conformance suite asks these flags, never a store's name."""

    transactions: bool = False  # add(connection=...) joins a transaction of the caller's
    statements: bool = False  # it is a ``Statements`` too
    exact_order: bool = True  # claims are oldest due first, even where runners compete
    shared: bool = False  # several processes may open it at once
    signals_across_processes: bool = False  # work_signal() tells of other processes' jobs
    durable: bool = True  # what was written outlives the process
    holds_any_row: bool = True  # a row may break the contract, so another client can have written it so


@attrs.frozen(kw_only=True)
class Settlement:
    """A transition to be written, under the guard ``(id, epoch, status)``."""

    job_id: str
    backend: str
    epoch: int
    status: JobStatus = JobStatus.PROCESSING  # what the row must still be
    transition: Transition

    def as_written(self, result: SettleResult) -> Settlement:
        """The same with the transition that was written, where the database took a lesser one only."""
        return self if result.written is None else attrs.evolve(self, transition=result.written)


class Claim(list[Job]):
    """Claimed jobs, and the breakers of their backends as the claim found, or left, them."""

    def __init__(self, jobs: Iterable[Job] = (), *, breakers: Mapping[str, Breaker] | None = None) -> None:
        super().__init__(jobs)
        self.breakers: Mapping[str, Breaker] = breakers or {}  # without those that are as if new


class SettleFate(StrEnum):
    """What became of a settlement."""

    SETTLED = "settled"
    ALREADY_SETTLED = "already_settled"  # same epoch, no longer processing: an earlier try had got through
    LEASE_LOST = "lease_lost"  # somebody else owns the row now, or it is gone; nothing was written
    BUSY = "busy"  # nothing was written yet, try again: a transaction of somebody else's holds the row, or
    # the database refuses to write it in any form (``problem`` says why)
    DUPLICATE = "duplicate"  # of a redrive only: another job with its dedup_key isn't terminal


@attrs.frozen(kw_only=True)
class SettleResult:
    """A settlement's fate; ``problem`` says why the row had to be settled without a part of it."""

    job_id: str
    fate: SettleFate
    problem: str | None = None  # the database refused the result or the entry: what it said
    written: Transition | None = None  # the lesser transition that it took; None: the one that was asked for


class OperatorFate(StrEnum):
    """What became of a kill, a redrive or a clear."""

    KILLED = "killed"
    REDRIVEN = "redriven"
    CLEARED = "cleared"
    NOT_FOUND = "not_found"
    ILLEGAL = "illegal"  # the state machine has no such transition, or the database keeps it: `problem`
    DUPLICATE = "duplicate"  # another job with its dedup_key isn't terminal
    CHANGED = "changed"  # the row kept changing under our hands; try again. (`problem`: it can't be written)


@attrs.frozen(kw_only=True)
class OperatorResult:
    """The fate of one job that an operator named."""

    job_id: str
    fate: OperatorFate
    problem: str | None = None


@attrs.frozen(kw_only=True)
class BreakerResult:
    """What became of a breaker's change."""

    written: bool  # else the breaker had changed meanwhile, and nothing was written
    breaker: Breaker  # as it is now


def _check_text(_query: object, field: attrs.Attribute[str | None], value: object) -> None:
    if value is not None and not (isinstance(value, str) and is_plain_text(value)):
        raise OptionInvalid(option=field.name, value=shown(value), expected="a text without NUL")


def _check_limit(_query: object, _field: attrs.Attribute[int], value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_LIMIT:
        raise OptionInvalid(option="limit", value=shown(value), expected=f"a whole number, 0 to {MAX_LIMIT}")


MAX_LIMIT = 2**63 - 1


@attrs.frozen(kw_only=True)
class JobQuery:
    """Which jobs are wanted: newest first (``created_at``, then id), all conditions met.

    Raises:
        OptionInvalid: a text or a limit that no database can have.
    """

    ids: tuple[str, ...] | None = None
    backend: str | None = None
    status: JobStatus | None = None
    path: str | None = attrs.field(default=None, validator=_check_text)
    assigned_to: str | None = attrs.field(default=None, validator=_check_text)
    limit: int = attrs.field(default=50, validator=_check_limit)
    after: str | None = None  # the id of the last job of the page before


@attrs.frozen(kw_only=True)
class BreakerStats:
    """A backend's breaker, as the fleet sees it."""

    state: str = "closed"  # a BreakerState's value
    paused_for_s: float = 0.0


@attrs.frozen(kw_only=True)
class BackendStats:
    """A backend's queue in numbers; field names are those of ``jobs stats --json``."""

    pending: int = 0
    due: int = 0
    processing: int = 0
    success: int = 0
    failed: int = 0
    stalled: int = 0  # processing, and the lease has run out or is missing
    oldest_due_s: float | None = None  # age of the job that has been due longest; None: none is due
    breaker: BreakerStats = BreakerStats()


@attrs.frozen(kw_only=True)
class Finding:
    """Something about the database that ``check`` has to say."""

    stops_jobs: bool  # else it is a warning
    subject: str  # a table, a field, an index
    problem: str
    consequence: str
    mend: str


@attrs.frozen(kw_only=True)
class MigrationStep:
    """One statement of a migration, and why it is there."""

    table: str
    statement: str
    why: str
    creates_table: bool = False  # a job table that isn't there yet; else something is added or repaired


class Store(Protocol):
    """A database that holds jobs.

    Times are the database's own: a transition carries delays, and ``run_at``, ``lease_until`` and
    ``updated_at`` come from the database's clock. Every write of a status moves ``updated_at``; none moves
    ``created_at``. Any number of tasks may call at the same time. What a driver raises is translated:
    ``StoreUnavailable`` where a connection could not be healed within the store's own backoff (at most 2 s
    between tries), ``SchemaError`` where tables are missing or wrong, ``StoreError`` otherwise; the caller's
    task is never cancelled by a lost connection.
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
        """What ``migrate`` would do now."""

    async def check(self) -> list[Finding]:
        """What is wrong with the tables, each finding with its consequence and its mend."""

    async def add(self, new_jobs: Sequence[NewJob], *, connection: object = None) -> list[Job]:
        """Insert pending jobs, all or none, in one round trip; the stored jobs, in order.

        ``connection`` is the caller's, with its transaction: the jobs are there when that commits. Of jobs
        with one ``dedup_key`` only one that isn't terminal exists in a table: the existing one is returned
        instead of a second, also when it was committed at the same time or stands earlier in the batch.
        Where the database lets transactions collide instead of waiting for each other, the caller's commit
        fails if somebody has committed the key meanwhile.

        Raises:
            RowRefused: the database refused a row (its ASSERT, a missing ``assigned_to``).
            OptionInvalid: ``connection`` is of no kind that this store knows.
        """

    async def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        """Take due jobs, up to a number for each backend, in one round trip.

        Each becomes ``processing`` with its epoch raised by one, ``runner_id`` set, and a lease of
        ``table.attempt_timeout(job.timeout) + table.lease_margin``. Within a backend the oldest due are taken
        (where not ``exact_order``: to within a window of 1,000), in a list of any order. No two callers get
        the same row. A row that can't be delivered is returned with its ``defect`` said; it costs no other
        row. ``errors`` may be left out.

        The breakers of these backends are read with it. A backend that is paused gives nothing. One whose
        breaker is open gives one job once its pause has passed, the probe, to the first caller: of the
        ``PROBE_WINDOW`` oldest due one whose path is among ``table.routes``, if there is one, for what can't
        be sent finds nothing out; of those one with retries left. The breaker is half-open from then on, and
        the probe that caller's for ``table.probe_lease`` seconds, unless it is changed before; then another
        caller may take the next one. (This may be a second round trip.) None of this holds for a table whose
        ``breaker`` is False.
        """

    async def change_breaker(self, change: BreakerChange) -> BreakerResult:
        """Write a change if the breaker is still as it was before it, and say how it is now.

        Of several callers' changes that start from one state, one is written. One that isn't for half-open
        ends the probe; one that closes the breaker makes ``work_signal`` fire as new work does. A store that
        repeats it where a reply was lost says whether it has written it at all (``change.has_made``).
        """

    async def next_due(self, backends: Collection[str]) -> float | None:
        """Seconds until the next pending job of these backends is due (0: one is); None: there is none."""

    async def settle(self, settlements: Sequence[Settlement]) -> list[SettleResult]:
        """Write transitions in one round trip, each under its guard; their fates, in order.

        A row that the database refuses is isolated: it is settled without its result, or without its error
        entry, or failed with the database's reason, and the others are written. ``written`` says which.
        (But what has ended stays as it is where a redrive is refused.)
        """

    async def release(self, runner_id: str, *, keep: Collection[str]) -> list[str]:
        """Give back this runner's ``processing`` rows but those kept (ids); the ids given back.

        A row whose lease has run out isn't given back: it is to be reclaimed as lost.
        """

    async def beat(self, runner_id: str) -> Mapping[str, datetime]:
        """Write this runner's sign of life; each runner's last one, this one's included.

        Never queued behind claims or settles.
        """

    async def reclaim(self, dead_runners: Mapping[str, datetime], *, limit: int = 500) -> list[Settlement]:
        """Settle ``processing`` rows as lost, at most ``limit``, and return what was written.

        Those whose lease has run out by the database's clock, those without a lease, and those of
        ``dead_runners``: each with its last beat, as ``beat`` gave it. One that has beaten since is left
        alone, however late this call gets through.
        """

    async def kill(self, job_ids: Sequence[str], *, reason: str = ...) -> list[OperatorResult]:
        """End jobs; an attempt in flight is fenced off. Fates in order."""

    async def redrive(self, job_ids: Sequence[str], *, resend_unknown: bool = False) -> list[OperatorResult]:
        """Make failed jobs pending again. Fates in order."""

    async def clear(self, job_ids: Sequence[str]) -> list[OperatorResult]:
        """Delete jobs that have ended; others are ``illegal``, as is what the database keeps. In order."""

    async def prune(self, *, limit: int = 1_000) -> int:
        """Delete at most ``limit`` jobs that ended longer ago than their table keeps them; how many.

        A row that the database won't have deleted is told of, and holds up no other.
        """

    async def get(self, job_id: str) -> Job:
        """One job. Raises ``JobNotFound``."""

    async def find(self, query: JobQuery) -> list[Job]:
        """Jobs, newest first."""

    async def stats(self) -> Mapping[str, BackendStats]:
        """Each backend's numbers."""

    def work_signal(self) -> AsyncGenerator[None, None]:
        """Yields whenever there may be work, and once after each (re)subscription.

        Losing the subscription degrades to the caller's poll, is logged, and heals by itself. Signals that
        come while the consumer is busy are merged into one.
        """

    def watch(self, query: JobQuery) -> AsyncGenerator[Job, None]:
        """Yields the jobs that match now (oldest first), then each again when it has changed.

        States that follow each other quickly may be merged; the last one is never left out. ``limit`` and
        ``after`` don't count here. With ``ids`` it ends once none of them is there any more.
        """


class Statements(Protocol):
    """What a store has besides where ``capabilities.statements``: its callers' transactions are text."""

    def statement(self, new_job: NewJob) -> Statement:
        """Statements that insert one pending job, as ``add`` would, in a transaction that the caller sends.

        Does no IO, so it works on a store that isn't open. ``dedup_key`` is honoured. If the transaction is
        rolled back nothing is left.
        """


@attrs.frozen(kw_only=True)
class Attempt:
    """One delivery try under one claim: all that a transport needs to know."""

    job: Job
    backend: BackendConfig
    route: Route
    number: int  # 1 for the first
    timeout: float  # seconds, for the whole attempt
    last: bool = False  # no retry is left: take no chance with a connection that may be stale
    headers: Mapping[str, str] = attrs.field(factory=dict)  # of plugins, checked


class Transport(Protocol):
    """A way to deliver a job to a backend."""

    async def open(self) -> None:
        """Get ready; called once, in the event loop that will deliver."""

    async def close(self) -> None:
        """Let go of every connection; attempts in flight have ended or were cancelled.

        Closing a closed transport does nothing; a close that was cancelled is made again.
        """

    async def deliver(self, attempt: Attempt) -> Outcome:
        """Send the request and say what came of it.

        Never raises for what a backend or the network does, nor for a hostile row; it ends within
        ``attempt.timeout``. Cancelling it closes the connection.
        """


StoreFactory = Callable[[StoreOptions], Store]
TransportFactory = Callable[[], Transport]
