"""Promise statements that enqueue in the caller's transaction."""

from __future__ import annotations

from typing import Protocol

from sp00ky_core.job.job import NewJob
from sp00ky_core.ports.statement import ParamStyle, SqlStatement, Statement


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
