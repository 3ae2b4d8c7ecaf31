"""Promise what a store may do beside ``Store``: each a Protocol, with a flag in its capabilities.

What the core does with a store that lacks one stands at each; nothing is ever ignored. ``TransactionalStore``
has them all. Those with much of their own stand beside: ``rollups``, ``runners``, ``schedules``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol, TypeVar, Unpack, cast, runtime_checkable

import attrs

from sp00ky_core.errors import CallUnsupported
from sp00ky_core.gate.breaker import BreakerChange
from sp00ky_core.job.job import Job, NewJob
from sp00ky_core.job.state_machine import Rescheduled
from sp00ky_core.ports.job_table import JobTable
from sp00ky_core.ports.operators import Act, ActOptions, AuditEntry, SettingsRecord
from sp00ky_core.ports.query import ALL_JOBS, GroupBy, JobFilter, JobQuery
from sp00ky_core.ports.queue_stats import BreakerResult, ErrorGroup, JobGroup
from sp00ky_core.ports.rollups import Rollups
from sp00ky_core.ports.runners import OverdueClaims, Runners
from sp00ky_core.ports.schedules import Schedules
from sp00ky_core.ports.settlement import Claim
from sp00ky_core.ports.store import Finding, MigrationStep, Store

__all__ = [
    "FLAGS",
    "Audit",
    "Breakers",
    "Checks",
    "Clears",
    "Counts",
    "ErrorGroups",
    "Grants",
    "Limits",
    "Ordering",
    "ParamStyle",
    "Pauses",
    "Reschedules",
    "Retention",
    "Rewrites",
    "Settings",
    "ShortIds",
    "SqlStatement",
    "SqlStatements",
    "Statement",
    "Statements",
    "SynchronousEnqueue",
    "SynchronousMigrate",
    "Watch",
    "has",
    "needed",
]


class Checks(Protocol):
    """A store with ``capabilities.checks``. Without it what ``migration`` would do is all that is found."""

    async def check(self) -> list[Finding]:
        """Find what is wrong with the tables, each finding with its consequence and its fix."""


@runtime_checkable
class Grants(Protocol):
    """Grant privileges: an ability beside ``Store``, where its database has roles."""

    def grants(self) -> list[str]:
        """Return statements that give three roles what they need: to enqueue, to run, to operate.

        Does no IO, so it works on a store that isn't open. The roles' names are for the reader to replace.
        """


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


class Watch(Protocol):
    """A store with ``capabilities.watch``. Without it what watches, or waits, raises ``CallUnsupported``."""

    def watch(self, query: JobQuery, *, history: int | None = None) -> AsyncGenerator[Job, None]:
        """Yield the jobs that match now (oldest first), then each again when it has changed.

        With ``history`` only the latest so many of those that match now are yielded first, 0: none. The
        first of them, or the readiness for changes, comes without reading the table.

        With ``ids`` they are as ``get`` returns them, else as ``find`` does.

        States that follow each other quickly may be merged; the last one is never left out. ``limit`` and
        ``after`` don't count here. With ``ids`` it ends once none of them is there any more.
        """


class Retention(Protocol):
    """A store with ``capabilities.retention``. Without it jobs stay.

    A configuration that says for how long can't be run then.
    """

    async def prune(self, *, limit: int = 1_000, spared: Collection[str] = ()) -> int:
        """Delete at most ``limit`` jobs that ended longer ago than their table keeps them; how many.

        So go successes beyond the latest ``max_successes`` of a table. Jobs that runs of the schedules
        ``spared`` have made are kept, and don't count. Tables that runners don't deliver are left alone.

        A row that the database won't have deleted is reported in the log, and holds up no other. Audit
        entries go after ``AUDIT_KEPT``, uncounted.
        """


class Clears(Protocol):
    """A store with ``capabilities.clears``. Without it jobs are read, and deleted by their ids."""

    async def clear_matching(self, conditions: JobFilter, *, limit: int = 10_000) -> int:
        """Delete at most ``limit`` jobs that have ended and meet the conditions; how many.

        Of each backend the newest go first.

        One statement with conditions for each backend, no row is read. A row that the database won't have
        deleted is reported in the log, and holds up no other. Fewer than ``limit``: there are no more.
        """


class Reschedules(Protocol):
    """A store with ``capabilities.reschedules``. Without it jobs are read, and settled one by one."""

    async def reschedule(self, job_ids: Sequence[str], change: Rescheduled) -> Collection[str]:
        """Change when those of these jobs that are pending are due, or their priority; which, as given.

        In a few statements, no row is read. What another transaction holds, or the database refuses, it may
        leave: the core reads what is left, tries it one by one, and says what became of it.
        """


class Rewrites(Protocol):
    """A store with ``capabilities.rewrites``. Without it nothing is copied, imported or redacted."""

    def own_id(self, job_id: str) -> str | None:
        """Return an id as this database writes it; None: no row can have it."""

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

    async def copies_of(self, job_ids: Collection[str]) -> list[str]:
        """List the ids of the jobs that are copies of these."""

    async def forget_runs(self, job_ids: Collection[str]) -> int:
        """Delete the runs of schedules that have made these jobs; how many."""


class Counts(Protocol):
    """A store with ``capabilities.counts``.

    Without it jobs are counted by reading them, page by page, and ``groups`` raises ``CallUnsupported``.
    """

    async def count(self, conditions: JobFilter) -> int:
        """Count the jobs that meet the conditions, in the database."""

    async def groups(
        self, by: GroupBy, *, conditions: JobFilter = ALL_JOBS, limit: int = 20
    ) -> list[JobGroup]:
        """Count the jobs that meet the conditions by their route, or by whom they are assigned to.

        In the database; the largest groups first, at most ``limit``.
        """


class ErrorGroups(Protocol):
    """A store with ``capabilities.error_groups``. Without it ``errors`` raises ``CallUnsupported``."""

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


class ShortIds(Protocol):
    """A store with ``capabilities.short_ids``. Without it ids have to be given whole."""

    async def ids_starting_with(self, prefix: str, *, limit: int = 2) -> list[str]:
        """List ids that begin with ``<table>:<first characters of the key>``, by the key's index."""


class Ordering(Protocol):
    """A store with ``capabilities.ordering``. Without it no job has an ``ordering_key``: it is refused."""

    async def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        """See ``Store.claim``.

        Of the jobs with one ``ordering_key`` only the first in the order ``(ordering_at, id)`` that hasn't
        ended is taken, when it is due, and only while no other job of that key is ``processing`` and none,
        itself included, has a ``lease_until`` that is yet to come (its attempt was lost, or it was killed:
        the request may still be under way). The database guards it. A lease counts only where a claim wrote
        it: its row's epoch is over 0, and it ends no later than ``table.longest_lease`` from now.
        """


class Limits(Protocol):
    """A store with ``capabilities.limits``. Without it a configuration that has limits can't be run."""

    async def claim(self, slots_by_backend: Mapping[str, int], runner_id: str) -> Claim:
        """See ``Store.claim``.

        Of a table with a ``rate`` each job taken costs a token, the probe too, also if it is released; tokens
        come at that rate, by the database's clock, up to ``burst``. With ``max_in_flight`` at most so many
        jobs are ``processing`` or have a lease yet to come, in the whole fleet; one that has (its attempt was
        lost) isn't taken before it ends, for a row counts once. Such a table is claimed in a transaction of
        its own, which passes if another claim is at it. ``Claim.retry_in`` says when there may be more.
        """


class Breakers(Protocol):
    """A store with ``capabilities.breakers``. Without it each runner's are its own.

    They know no probe then: when a pause ends, jobs are sent again.

    A claim reads the breakers of its backends, and returns them. A backend that is paused gives nothing. One
    whose breaker is open gives one job once its pause has passed, the probe, to the first caller: of the
    ``PROBE_WINDOW`` oldest due one whose path is among ``table.routes``, if there is one, for what can't be
    sent finds nothing out. The routes take turns (``route_in_turn``), for one of them alone may be without an
    answer: those with a job that has retries left, which is the one sent; at a ``risk_turn`` those without.
    Where the window is full, a ``shared`` store looks among the ``PROBE_LATEST`` of each priority that became
    due last, too. The breaker is half-open from then on, and the probe that caller's for
    ``table.probe_lease`` seconds, unless it is changed before; then another caller may take the next one.
    (This may be a second round trip.) A pause that is longer than ``table.longest_pause``, or a probe's lease
    than ``LONGEST_PROBE``, counts as over. None of this holds for a table whose ``breaker`` is False.
    """

    async def change_breaker(self, change: BreakerChange) -> BreakerResult:
        """Write a change if the breaker is still as it was before it, and say how it is now.

        Of several callers' changes that start from one state, one is written. One that isn't for half-open
        ends the probe; one that closes the breaker makes ``work_signal`` fire as new work does. A store that
        repeats it where a reply was lost says whether it has written it at all (``change.has_made``).
        """


class Pauses(Protocol):
    """A store with ``capabilities.pauses``. Without it ``pause`` and ``resume`` raise ``CallUnsupported``.

    A claim takes nothing of a backend that an operator has paused, no probe either; ``Claim.paused`` says so.
    """

    async def pause(self, backend: str, *, seconds: float | None = None, **act: Unpack[ActOptions]) -> bool:
        """Keep every later claim, of every process, from a backend; whether it wasn't paused before.

        It ends after ``seconds``, or else with ``resume``. A pause of what is paused takes its place, but
        for ``since``. Makes ``work_signal`` fire as new work does.
        """

    async def resume(self, backend: str) -> bool:
        """End a pause; whether there was one. Makes ``work_signal`` fire as new work does."""


class Settings(Protocol):
    """A store with ``capabilities.settings``. Without it ``set_backend`` raises ``CallUnsupported``.

    What the values mean is nothing to it: a runner reads them every 2 s, and says by ``use`` what follows.
    """

    async def change_settings(
        self,
        backend: str,
        values: Mapping[str, Any],
        *,
        seconds: float | None = None,
        actor: str | None = None,
    ) -> None:
        """Set values (JSON, by key) of a backend beside those that are set and hold.

        All of them end after ``seconds``; without, when those did that are set already, or with
        ``reset_settings``.
        """

    async def reset_settings(self, backend: str) -> bool:
        """Forget what is set of a backend; whether anything was."""

    async def settings(self) -> Mapping[str, SettingsRecord]:
        """Return what is set and holds now, by the database's clock, by backend."""

    def use(self, table: JobTable) -> None:
        """Lease and limit a backend's jobs as this table says, from the next claim on."""


class Audit(Protocol):
    """A store with ``capabilities.audit``. Without it operators' calls raise ``CallUnsupported``.

    Entries are kept for ``AUDIT_KEPT``; ``Retention.prune`` deletes them.
    """

    async def start_audit(self, act: Act) -> str:
        """Write down an act that is about to be done; the entry's id."""

    async def update_audit(self, entry_id: str, *, count: int, ended: bool = False) -> None:
        """Write down how far an act has come."""

    async def audit(
        self, *, since: datetime | None = None, limit: int = 100, after: str | None = None
    ) -> list[AuditEntry]:
        """List entries, newest first; ``after``: the last of the page before. Raises ``OptionInvalid``."""


C = TypeVar("C")

FLAGS: Mapping[type[Any], str] = {
    Audit: "audit",
    Breakers: "breakers",
    Checks: "checks",
    Clears: "clears",
    Reschedules: "reschedules",
    Retention: "retention",
    Rewrites: "rewrites",
    Counts: "counts",
    ErrorGroups: "error_groups",
    Limits: "limits",
    Ordering: "ordering",
    OverdueClaims: "overdue_claims",
    Pauses: "pauses",
    Rollups: "rollups",
    Runners: "runners",
    Schedules: "schedules",
    Settings: "settings",
    ShortIds: "short_ids",
    SqlStatements: "sql_statements",
    Statements: "statements",
    SynchronousEnqueue: "synchronous",
    Watch: "watch",
}
"""The flag of each; ``SynchronousMigrate`` and ``Grants`` are known by ``isinstance``."""


def has(store: Store, ability: type[C]) -> C | None:
    """Return a store as what it is too; None: it lacks the ability."""
    return cast("C", store) if getattr(store.capabilities, FLAGS[ability]) else None


def needed(store: Store, ability: type[C], call: str, instead: str = "use another store") -> C:
    """Return a store as what it is too. Raises ``CallUnsupported`` where it lacks the ability."""
    able = has(store, ability)
    if able is None:
        raise CallUnsupported(store=store.location, call=call, instead=instead)
    return able
