"""Translate filters and queries to SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from sp00ky_core.job import Job, JobStatus
from sp00ky_core.ports import JobFilter, JobQuery, JobTable
from sp00ky_store_postgres.connection.executor import Executor, Row
from sp00ky_store_postgres.connection.workload import Workload
from sp00ky_store_postgres.ids import keys_by_table
from sp00ky_store_postgres.rows import LISTED, last_entry
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
    ids = query.ids if isinstance(query, JobQuery) else None
    named = None if ids is None else keys_by_table(ids)
    return tuple(
        table
        for table in tables.all
        if query.backend in {None, table.backend} and (named is None or table.table in named)
    )


def select(
    query: JobQuery, table: JobTable, tables: Tables, *, after: Job | None = None, oldest_first: bool = False
) -> Selection:
    """Return a page of one table's jobs.

    Args:
        query: its conditions and its limit; not its ``after``.
        table: which table.
        tables: all of them.
        after: the last job of the page before, of any table.
        oldest_first: the other way round.
    """
    where = _Where(query, table)
    if after is not None:
        where.go_beyond(after, ">" if oldest_first else "<")
    parts = {"order": "ASC" if oldest_first else "DESC", "limit": where.place(query.limit)}
    halves = where.halves("find_half", tables, **parts)
    return where.selection("find", tables, columns=LISTED, halves=halves, **parts)


def select_count(conditions: JobFilter, table: JobTable, tables: Tables) -> Selection:
    """Count one table's jobs that meet conditions."""
    where = _Where(conditions, table)
    return where.selection("count", tables, halves=where.halves("count_half", tables))


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


def select_changed(
    query: JobQuery, table: JobTable, tables: Tables, since: Any, *, columns: str = LISTED
) -> Selection:
    """Select one table's jobs that have changed since an instant."""
    return _Where(query, table, since).selection("changed", tables, columns=columns)


class _Where:
    """Conditions on a table's rows, with the arguments of the statement that they are in."""

    def __init__(self, query: JobFilter, table: JobTable, *arguments: object) -> None:
        self._table = table
        self._status = query.status
        self._texts: list[str] = []
        self._arguments = list(arguments)
        given: Sequence[tuple[str, Any]] = (
            ("job.id = ANY ({}::uuid[])", _keys(query, table)),
            ("job.status = {}", None if query.status is None else query.status.value),
            ("job.path = ANY ({}::text[])", None if query.paths is None else list(query.paths)),
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

    def go_beyond(self, after: Job, past: str) -> None:
        """Add the condition: beyond a job, of any table, in the order of ``created_at``, table and key."""
        own, (other, _, key) = self._table.table, after.id.partition(":")
        if other == own:
            self.add(f"(job.created_at, job.id) {past} ({{}}, {{}}::uuid)", after.created_at, key)
        else:
            beyond = own > other if past == ">" else own < other
            self.add(f"job.created_at {past}{'=' if beyond else ''} {{}}", after.created_at)

    def halves(self, name: str, tables: Tables, **parts: str) -> str:
        """Return ``sql/<name>.sql`` for rows that aren't processing, for those that are, or for both."""
        signs = {None: ("<>", "="), JobStatus.PROCESSING: ("=",)}.get(self._status, ("<>",))
        return " UNION ALL ".join(self._filled(name, tables, sign=sign, **parts) for sign in signs)

    def selection(self, name: str, tables: Tables, **parts: str) -> Selection:
        """Return ``sql/<name>.sql`` with these conditions."""
        return Selection(self._filled(name, tables, **parts), tuple(self._arguments))

    def _filled(self, name: str, tables: Tables, **parts: str) -> str:
        conditions = " AND ".join(self._texts) or "true"
        return tables.statement(name, self._table, conditions=conditions, **parts)


def _keys(query: JobFilter, table: JobTable) -> list[str] | None:
    ids = query.ids if isinstance(query, JobQuery) else None
    return None if ids is None else keys_by_table(ids).get(table.table, [])
