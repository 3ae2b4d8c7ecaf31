"""Translate filters and queries to SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from sp00ky_core.ports import JobFilter, JobTable
from sp00ky_store_postgres.connection.executor import Executor, Row
from sp00ky_store_postgres.connection.workload import Workload
from sp00ky_store_postgres.rows import last_entry
from sp00ky_store_postgres.schema.tables import Tables


@attrs.frozen
class Selection:
    """A statement and its arguments.

    Attributes:
        statement: SQL.
        arguments: Of its places.
    """

    statement: str
    arguments: tuple[Any, ...]

    async def fetch(self, executor: Executor) -> list[Row]:
        """Return the rows that it selects."""
        return await executor.fetch(Workload.REST, self.statement, *self.arguments)


def tables_of(query: JobFilter, tables: Tables) -> tuple[JobTable, ...]:
    """Return the tables that a query's jobs may be in."""
    return tuple(table for table in tables.all if query.backend in {None, table.backend})


def select_ended(
    name: str, conditions: JobFilter, table: JobTable, tables: Tables, *, after: Any = None, limit: int
) -> Selection:
    """Select what a clear deletes of one table (``clear_matching``), or reads of it (``clear_page``).

    Args:
        name: the statement's.
        conditions: which jobs.
        table: which table.
        tables: all of them.
        after: ``created_at`` and key of a row: what is older than that.
        limit: how many at most.
    """
    where = _Where(conditions, table)
    if after is not None:
        where.add("(job.created_at, job.id) < ({}, {}::uuid)", *after)
    return where.selection(name, tables, limit=where.place(limit))


class _Where:
    """Conditions on a table's rows, with the arguments of the statement that they are in."""

    def __init__(self, query: JobFilter, table: JobTable, *arguments: object) -> None:
        self._table = table
        self._texts: list[str] = []
        self._arguments = list(arguments)
        given: Sequence[tuple[str, Any]] = (
            ("job.status = {}", None if query.status is None else query.status.value),
            *_paths(query.paths),
            ("job.assigned_to = {}", query.assigned_to),
            ("job.created_at >= {}", query.since),
            ("job.created_at < {}", query.until),
            ("job.ordering_key = {}", query.ordering_key),
            ("job.runner_id = {}", query.runner_id),
            (f"{last_entry('name')} = {{}}", query.error_name),
            (f"{last_entry('code')} = {{}}", None if query.code is None else str(query.code)),
        )
        for text, value in given:
            if value is not None:
                self.add(text, value)

    def place(self, argument: object) -> str:
        """Return the place of one more argument."""
        self._arguments.append(argument)
        return f"${len(self._arguments)}"

    def add(self, text: str, *arguments: object) -> None:
        """Add a condition; each ``{}`` in it is an argument's place."""
        self._texts.append(text.format(*map(self.place, arguments)))

    def selection(self, name: str, tables: Tables, **parts: str) -> Selection:
        """Return ``sql/<name>.sql`` with these conditions."""
        return Selection(self._filled(name, tables, **parts), tuple(self._arguments))

    def _filled(self, name: str, tables: Tables, **parts: str) -> str:
        conditions = " AND ".join(self._texts) or "true"
        return tables.statement(name, self._table, conditions=conditions, **parts)


def _paths(paths: Sequence[str] | None) -> list[tuple[str, Any]]:
    """Return the condition on a job's path: one alone keeps the order of the index of a record's jobs."""
    if paths is None:
        return []
    return (
        [("job.path = {}", paths[0])] if len(paths) == 1 else [("job.path = ANY ({}::text[])", list(paths))]
    )
