"""Count the queues, find when the next job is due, and group failures by their last error."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from heapq import nlargest
from itertools import zip_longest
from typing import Any

from sp00ky_core.ports import (
    ALL_JOBS,
    GROUPED,
    BackendStats,
    ErrorGroup,
    GroupBy,
    JobFilter,
    JobGroup,
    JobTable,
)
from sp00ky_store_surreal.connection.conflict_retries import Connection
from sp00ky_store_surreal.embedded_or_server import RANKS, Dialect, lease_names
from sp00ky_store_surreal.ids import id_text
from sp00ky_store_surreal.observe.find import parts_of
from sp00ky_store_surreal.rows import count_of
from sp00ky_store_surreal.surql.durations import seconds_of
from sp00ky_store_surreal.surql.loader import MARK, NUL, quoted, surql

MOST_READ = 100_000
"""So many of the jobs that wait are looked at for their ordering_key and their deferral."""


async def stats(
    connection: Connection,
    tables: Sequence[JobTable],
    limit: int | None,
    gates: Mapping[str, Mapping[str, Any]],
) -> Mapping[str, BackendStats]:
    """See ``Store.stats``; one round trip.

    Args:
        connection: The store's.
        tables: Whose numbers are wanted.
        limit: A number that is larger is given as this one.
        gates: Each backend's breaker and pause, as its numbers have them.
    """
    most = MOST_READ if limit is None else limit
    statement = surql("let_now")
    for number, table in enumerate(tables):
        names = {**_names(number, table, connection.dialect), "most": str(most)}
        counts = _counts(names, connection.dialect) if limit is None else _counts_up_to(names)
        statement += surql("stats_of_backend", **names, **counts)
    _, *reply = await connection.read(statement)
    size = len(reply) // max(len(tables), 1)
    return {
        table.backend: _stats(reply[number * size : (number + 1) * size], gates[table.backend])
        for number, table in enumerate(tables)
    }


async def next_due(connection: Connection, tables: Iterable[JobTable]) -> float | None:
    """See ``Store.next_due``."""
    statement, dialect = surql("let_now"), connection.dialect
    for number, table in enumerate(tables):
        names = _names(number, table, dialect)
        names |= {"group": dialect.group(0), "is_job": surql(dialect.is_pending_job, **names).strip()}
        statement += surql("stats_next_due", due_only="", pending="", held="", **names)
    reply = await connection.read(statement)
    return min((seconds_of(row) for rows in reply if isinstance(rows, list) for row in rows), default=None)


def _stats(reply: Sequence[Any], gate: Mapping[str, Any]) -> BackendStats:
    counted, stalled, oldest, _, deferred, waiting = reply
    every, others, later = ([*map(count_of, rows)] for rows in counted)
    pending, first_later, processing, success, failed = (
        count - other for count, other in zip_longest(every, others, fillvalue=0)
    )
    return BackendStats(
        pending=pending,
        due=pending - first_later - sum(later),  # what is delayed is counted: a backlog is mostly due
        processing=processing,
        stalled=count_of(stalled),
        success=success,
        failed=failed,
        deferred=deferred,
        oldest_deferred_s=seconds_of(waiting) if waiting else None,
        oldest_due_s=seconds_of(oldest[0]) if oldest else None,
        **gate,
    )


def _counts_up_to(names: dict[str, str]) -> dict[str, str]:
    return {"counts": surql("stats_count_up_to", **names), "others": "", "later": ""}


def _counts(names: dict[str, str], dialect: Dialect) -> dict[str, str]:
    """Count all rows, then those that are no jobs: to ask each row costs ten times as much."""
    others = surql("non_job_rows", **names).strip()
    plain, *higher = (
        surql("stats_scheduled_of_priority", group=dialect.group(rank), **names) for rank in reversed(RANKS)
    )
    return {
        "counts": _by_status(names["table"], later=plain),
        "others": _by_status(others, later=surql("stats_scheduled_non_jobs", source=others)),
        "later": _listed(*higher, surql("stats_scheduled_with_key", **names)),
    }


def _by_status(source: str, *, later: str) -> str:
    return surql("stats_count_by_status", source=source, later=_listed(later))


def _listed(*statements: str) -> str:
    return ", ".join(f"({statement.strip().removesuffix(';')})" for statement in statements)


def _names(number: int, table: JobTable, dialect: Dialect) -> dict[str, str]:
    return {**lease_names(table), "n": str(number), "first": dialect.first_pending(table)}


async def error_groups(
    connection: Connection,
    tables: Iterable[JobTable],
    *,
    since: datetime | None = None,
    limit: int = 100,
    conditions: JobFilter = ALL_JOBS,
    by: GroupBy = "route",
) -> list[ErrorGroup]:
    """See ``Store.errors``."""
    groups: list[ErrorGroup] = []
    asked = {"since": since, "limit": min(limit, 2**31)}
    async for table, (rows, latest) in _grouped(connection, tables, "error_groups", by, conditions, **asked):
        examples = {(*map(_plain, error[:3]), error[3]): id_text(error[4]) for error in latest}
        groups += [_group_of(table, row, examples, by) for row in rows]
    return nlargest(limit, groups, key=lambda group: group.count)


async def job_groups(
    connection: Connection,
    tables: Iterable[JobTable],
    by: GroupBy,
    *,
    conditions: JobFilter = ALL_JOBS,
    limit: int = 20,
) -> list[JobGroup]:
    """See ``Store.groups``."""
    groups: list[JobGroup] = []
    asked = {"limit": min(limit, 2**31)}
    async for table, rows in _grouped(connection, tables, "job_groups", by, conditions, **asked):
        groups += [
            JobGroup(backend=table.backend, **_names_of(by, grouped), **counts) for grouped, counts in rows
        ]
    return nlargest(limit, groups, key=lambda group: group.count)


async def _grouped(
    connection: Connection,
    tables: Iterable[JobTable],
    name: str,
    by: GroupBy,
    conditions: JobFilter,
    **asked: Any,
) -> AsyncIterator[tuple[JobTable, Any]]:
    """Run a statement that groups jobs, on each table that can meet the conditions."""
    for table, part in parts_of(tables, conditions):
        wanted = "".join(f"{condition} AND " for condition in part.conditions)
        statement = surql(name, table=quoted(table.table), grouped=GROUPED[by], conditions=wanted)
        yield table, (await connection.read(statement, **part.bindings, **NUL, **asked))[-1]


def _names_of(by: GroupBy, grouped: Any) -> dict[str, Any]:
    text = _plain(grouped)
    return {"path": text} if by == "route" else {"assigned_to": text or None}


def _group_of(
    table: JobTable, row: Sequence[Any], examples: dict[tuple[Any, ...], str], by: GroupBy
) -> ErrorGroup:
    grouped, name, code, count, first, last = row
    text = _plain(grouped)
    return ErrorGroup(
        backend=table.backend,
        **{"path": "", **_names_of(by, grouped)},
        name=name if isinstance(name, str) else "",
        code=code if isinstance(code, int) else 0,
        count=count,
        first=first,
        last=last,
        example=examples[text, _plain(name), _plain(code), last],
    )


def _plain(value: Any) -> str:
    """Write a value so that those which the database takes for equal are: 1, 1.0 and 1dec; NaN and itself."""
    if isinstance(value, str):
        return value.replace(MARK, "\0")
    return str(float(value)) if isinstance(value, int | float | Decimal) else ""
