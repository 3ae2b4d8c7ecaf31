"""Translate filters and queries to SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from sp00ky_core.job import Job
from sp00ky_core.ports import JobFilter, JobQuery, JobTable
from sp00ky_store_postgres.ids import keys_by_table
from sp00ky_store_postgres.rows import LONGEST_ERRORS, WHOLE
from sp00ky_store_postgres.schema.tables import Tables
from sp00ky_store_postgres.sql.loader import fill, literal, read_sql, unreadable

__all__ = [
    "Selection",
    "last_entry",
    "select",
    "select_changed",
    "select_count",
    "select_ended",
    "tables_of",
]


@attrs.frozen
class Selection:
    """A statement and its arguments.

    Attributes:
        statement: SQL.
        arguments: Of its places.
    """

    statement: str
    arguments: tuple[Any, ...]


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
    conditions, arguments = _conditions(query, table, 1)
    if after is not None:
        past = ">" if oldest_first else "<"
        conditions.append(_beyond(after, table, past, len(arguments) + 1))
        arguments += _beyond_arguments(after, table)
    statement = fill(
        read_sql("find"),
        columns=WHOLE,
        table=tables.name(table),
        conditions=" AND ".join(conditions) or "true",
        order="ASC" if oldest_first else "DESC",
        limit=f"${len(arguments) + 1}",
    )
    return Selection(statement, (*arguments, query.limit))


def select_count(conditions: JobFilter, table: JobTable, tables: Tables) -> Selection:
    """Count one table's jobs that meet conditions."""
    texts, arguments = _conditions(conditions, table, 1)
    statement = fill(read_sql("count"), table=tables.name(table), conditions=" AND ".join(texts) or "true")
    return Selection(statement, tuple(arguments))


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
    texts, arguments = _conditions(conditions, table, 1)
    if after is not None:
        texts.append(f"(job.created_at, job.id) < (${len(arguments) + 1}, ${len(arguments) + 2}::uuid)")
        arguments += after
    statement = fill(
        read_sql(name),
        table=tables.name(table),
        conditions=" AND ".join(texts) or "true",
        limit=f"${len(arguments) + 1}",
    )
    return Selection(statement, (*arguments, limit))


def select_changed(
    query: JobQuery, table: JobTable, tables: Tables, since: Any, *, columns: str = WHOLE
) -> Selection:
    """Select one table's jobs that have changed since an instant."""
    conditions, arguments = _conditions(query, table, 2)
    statement = fill(
        read_sql("changed"),
        columns=columns,
        table=tables.name(table),
        conditions=" AND ".join(conditions) or "true",
    )
    return Selection(statement, (since, *arguments))


def _conditions(query: JobFilter, table: JobTable, first: int) -> tuple[list[str], list[Any]]:
    given: Sequence[tuple[str, Any]] = (
        ("job.id = ANY ({}::uuid[])", _keys(query, table)),
        ("job.status = {}", None if query.status is None else query.status.value),
        ("job.path = {}", query.path),
        ("job.assigned_to = {}", query.assigned_to),
        ("job.created_at >= {}", query.since),
        ("job.created_at < {}", query.until),
        ("job.ordering_key = {}", query.ordering_key),
        ("job.runner_id = {}", query.runner_id),
        (f"{last_entry('name')} = {{}}", query.error_name),
        (f"{last_entry('code')} = {{}}", None if query.code is None else str(query.code)),
    )
    present = [(text, value) for text, value in given if value is not None]
    texts = [text.format(f"${first + index}") for index, (text, _) in enumerate(present)]
    return texts, [value for _, value in present]


def last_entry(field: str | None = None) -> str:
    """Write an expression for the last entry in ``errors``, as json, or for a field of it, as text."""
    return fill(
        read_sql("last_entry"),
        field="" if field is None else f" ->> {literal(field)}",
        longest_errors=str(LONGEST_ERRORS),
        unreadable=unreadable("last.entry"),
    )


def _keys(query: JobFilter, table: JobTable) -> list[str] | None:
    ids = query.ids if isinstance(query, JobQuery) else None
    return None if ids is None else keys_by_table(ids).get(table.table, [])


def _beyond(after: Job, table: JobTable, past: str, first: int) -> str:
    """Return a condition: rows beyond a job in the order of ``created_at``, table and key."""
    other = after.id.partition(":")[0]
    if other == table.table:
        return f"(job.created_at, job.id) {past} (${first}, ${first + 1}::uuid)"
    beyond = table.table > other if past == ">" else table.table < other
    return f"job.created_at {past}{'=' if beyond else ''} ${first}"


def _beyond_arguments(after: Job, table: JobTable) -> list[Any]:
    name, _, key = after.id.partition(":")
    return [after.created_at, key] if name == table.table else [after.created_at]
