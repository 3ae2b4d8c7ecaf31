"""Promise what a store may do beside ``Store``: each a Protocol, with a flag in its capabilities.

What the core does with a store that lacks one stands at each; nothing is ever ignored.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeVar, cast, runtime_checkable

import attrs

from sp00ky_core.errors import CallUnsupported
from sp00ky_core.job.job import Job, NewJob
from sp00ky_core.job.state_machine import Rescheduled
from sp00ky_core.ports.query import JobQuery
from sp00ky_core.ports.store import MigrationStep, Store

__all__ = [
    "FLAGS",
    "Grants",
    "ParamStyle",
    "Reschedules",
    "SqlStatement",
    "SqlStatements",
    "Statement",
    "Statements",
    "SynchronousEnqueue",
    "SynchronousMigrate",
    "has",
    "needed",
]


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


class Reschedules(Protocol):
    """A store with ``capabilities.reschedules``. Without it jobs are read, and settled one by one."""

    async def reschedule(self, job_ids: Sequence[str], change: Rescheduled) -> Collection[str]:
        """Change when those of these jobs that are pending are due, or their priority; which, as given.

        In a few statements, no row is read. What another transaction holds, or the database refuses, it may
        leave: the core reads what is left, tries it one by one, and says what became of it.
        """


C = TypeVar("C")

FLAGS: Mapping[type[Any], str] = {
    Reschedules: "reschedules",
    SqlStatements: "sql_statements",
    Statements: "statements",
    SynchronousEnqueue: "synchronous",
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
