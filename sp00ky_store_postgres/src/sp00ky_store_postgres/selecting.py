"""Queries in SQL: which rows are meant, and in which order they come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from sp00ky_core.job import Job
from sp00ky_core.ports import JobQuery, JobTable
from sp00ky_store_postgres.mapping import WHOLE, keys_by_table
from sp00ky_store_postgres.statements import fill, read_sql
from sp00ky_store_postgres.tables import Tables

__all__ = ["Selection", "select", "select_changed", "tables_of"]


@attrs.frozen
class Selection:
    """A statement and its arguments."""

    statement: str
    arguments: tuple[Any, ...]


def tables_of(query: JobQuery, tables: Tables) -> tuple[JobTable, ...]:
    """The tables that a query's jobs may be in."""
    named = None if query.ids is None else keys_by_table(query.ids)
    return tuple(
        table
        for table in tables.all
        if query.backend in {None, table.backend} and (named is None or table.table in named)
    )


def select(
    query: JobQuery, table: JobTable, tables: Tables, *, after: Job | None = None, oldest_first: bool = False
) -> Selection:
    """A page of one table's jobs.

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


def select_changed(query: JobQuery, table: JobTable, tables: Tables, since: Any) -> Selection:
    """One table's jobs that have changed since an instant."""
    conditions, arguments = _conditions(query, table, 2)
    statement = fill(
        read_sql("changed"),
        columns=WHOLE,
        table=tables.name(table),
        conditions=" AND ".join(conditions) or "true",
    )
    return Selection(statement, (since, *arguments))


def _conditions(query: JobQuery, table: JobTable, first: int) -> tuple[list[str], list[Any]]:
    given: Sequence[tuple[str, Any]] = (
        ("job.id = ANY ({}::uuid[])", _keys(query, table)),
        ("job.status = {}", None if query.status is None else query.status.value),
        ("job.path = {}", query.path),
        ("job.assigned_to = {}", query.assigned_to),
    )
    present = [(text, value) for text, value in given if value is not None]
    texts = [text.format(f"${first + index}") for index, (text, _) in enumerate(present)]
    return texts, [value for _, value in present]


def _keys(query: JobQuery, table: JobTable) -> list[str] | None:
    return None if query.ids is None else keys_by_table(query.ids).get(table.table, [])


def _beyond(after: Job, table: JobTable, past: str, first: int) -> str:
    """The rows beyond a job in the order of ``created_at``, then id: the table's name first, then its key."""
    other = after.id.partition(":")[0]
    if other == table.table:
        return f"(job.created_at, job.id) {past} (${first}, ${first + 1}::uuid)"
    beyond = table.table > other if past == ">" else table.table < other
    return f"job.created_at {past}{'=' if beyond else ''} ${first}"


def _beyond_arguments(after: Job, table: JobTable) -> list[Any]:
    name, _, key = after.id.partition(":")
    return [after.created_at, key] if name == table.table else [after.created_at]
