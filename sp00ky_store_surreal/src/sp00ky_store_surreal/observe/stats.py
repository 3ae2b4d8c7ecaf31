"""Count the queues, find when the next job is due, and group failures by their last error."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from heapq import nlargest
from itertools import zip_longest
from typing import Any

from sp00ky_core.ports import (
    BackendStats,
    ErrorGroup,
    GroupBy,
    JobFilter,
    JobGroup,
    JobTable,
)
from sp00ky_store_surreal.connection.executor import Connection
from sp00ky_store_surreal.ids import id_text
from sp00ky_store_surreal.jobs.claim_statement import (
    RANKS,
    first_pending,
    group_of,
    longest_lease,
)
from sp00ky_store_surreal.observe.find import parts_of
from sp00ky_store_surreal.rows import count_of, seconds_of
from sp00ky_store_surreal.surql.loader import MARK, NUL, quoted, surql

MOST_READ = 100_000
"""Of jobs that wait, those that are looked at for their ordering_key and their deferral."""


async def stats(
    connection: Connection,
    tables: Sequence[JobTable],
    limit: int | None,
    gates: Mapping[str, Mapping[str, Any]],
) -> Mapping[str, BackendStats]:
    """See ``Store.stats``; one round trip.

    Args:
        connection: The store's.
        tables: Its tables.
        limit: What is larger is said to be so large.
        gates: Each backend's breaker and pause, as its numbers have them.
    """
    counts = _counts if limit is None else _counts_up_to
    most = {"most": str(MOST_READ if limit is None else limit)}
    statement = surql("let_now") + "".join(
        surql(
            "stats_of_backend",
            n=str(number),
            **counts(connection, table, **most),
            **_names(connection, table),
            **most,
        )
        for number, table in enumerate(tables)
    )
    _, *reply = await connection.read(statement)
    size = len(reply) // max(len(tables), 1)
    return {
        table.backend: _stats(reply[number * size : (number + 1) * size], gates[table.backend])
        for number, table in enumerate(tables)
    }


async def next_due(connection: Connection, tables: Iterable[JobTable]) -> float | None:
    """See ``Store.next_due``."""
    embedded = connection.target.embedded
    statement = "".join(
        surql(
            "stats_next_due",
            n=str(number),
            group=group_of(0, embedded=embedded),
            is_job=_is_job(table, embedded=embedded),
            due_only="",
            pending="",
            held="",
            **_names(connection, table),
        )
        for number, table in enumerate(tables)
    )
    reply = await connection.read(surql("let_now") + statement)
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


def _counts_up_to(_connection: Connection, table: JobTable, *, most: str) -> dict[str, str]:
    counts = surql("stats_count_up_to", table=quoted(table.table), most=most)
    return {"counts": counts, "others": "", "later": ""}


def _counts(connection: Connection, table: JobTable, *, most: str) -> dict[str, str]:
    """Count all rows, then those that are no jobs: to ask each row costs ten times as much."""
    table_name = {"table": quoted(table.table)}
    others = surql("non_job_rows", **table_name).strip()
    plain, *higher = (
        surql(
            "stats_scheduled_of_priority",
            group=group_of(rank, embedded=connection.target.embedded),
            **table_name,
        )
        for rank in reversed(RANKS)
    )
    return {
        "counts": _by_status(table_name["table"], later=plain),
        "others": _by_status(others, later=surql("stats_scheduled_non_jobs", source=others)),
        "later": _listed(*higher, surql("stats_scheduled_with_key", most=most, **table_name)),
    }


def _by_status(source: str, *, later: str) -> str:
    return surql("stats_count_by_status", source=source, later=_listed(later))


def _listed(*statements: str) -> str:
    return ", ".join(f"({statement.strip().removesuffix(';')})" for statement in statements)


def _is_job(table: JobTable, *, embedded: bool) -> str:
    name = "is_job" if embedded else "is_pending_job"  # a cast takes the embedded planner off its index
    return surql(name, table=quoted(table.table)).strip()


def _names(connection: Connection, table: JobTable) -> dict[str, str]:
    return {
        "table": quoted(table.table),
        "first": first_pending(table, embedded=connection.target.embedded),
        "longest_lease": longest_lease(table),
    }


_GROUPED: Mapping[GroupBy, str] = {"route": "path", "assigned": "assigned_to"}


async def error_groups(
    connection: Connection,
    tables: Iterable[JobTable],
    by: GroupBy,
    conditions: JobFilter,
    limit: int,
    *,
    since: datetime | None,
) -> list[ErrorGroup]:
    """See ``ErrorGroups.errors``."""
    groups: list[ErrorGroup] = []
    asked = {"since": since, "limit": min(limit, 2**31)}
    async for table, (rows, latest) in _grouped(connection, tables, "error_groups", by, conditions, **asked):
        examples = {(*map(_plain, error[:3]), error[3]): id_text(error[4]) for error in latest}
        groups += [_group_of(table, row, examples, by) for row in rows]
    return nlargest(limit, groups, key=lambda group: group.count)


async def job_groups(
    connection: Connection, tables: Iterable[JobTable], by: GroupBy, conditions: JobFilter, limit: int
) -> list[JobGroup]:
    """See ``Counts.groups``."""
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
        statement = surql(name, table=quoted(table.table), grouped=_GROUPED[by], conditions=wanted)
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
