"""Carry what joins a transaction of the caller: its connection, or an enqueue as text and bindings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, Protocol

import attrs

from sp00ky_core.job.job import NewJob

__all__ = ["CallerConnection", "ParamStyle", "SqlStatement", "Statement"]

CallerConnection = object
"""A caller's connection, session or transaction of any kind that its store knows: each store says which.

Drivers have no base class in common, and a type that named them all would need them installed. One that the
store doesn't know is an ``OptionInvalid``."""


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
