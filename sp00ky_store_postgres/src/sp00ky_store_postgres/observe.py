"""Count, group and sum up what is large: each in one statement."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from operator import methodcaller
from typing import Any

from sp00ky_core.job.job import JobStatus
from sp00ky_core.ports import (
    ALL_JOBS,
    BUCKETS,
    COARSE_BOUNDS,
    GROUPED,
    BackendStats,
    ErrorGroup,
    GroupBy,
    JobFilter,
    JobTable,
    Rollup,
    RollupQuery,
    fine_buckets,
)
from sp00ky_core.stores.decisions import BEGINNING
from sp00ky_core.stores.ids import job_id as id_of
from sp00ky_store_kit.observe import gate_states
from sp00ky_store_kit.rows import matching
from sp00ky_store_postgres.connection.statements import Executor
from sp00ky_store_postgres.selects import last_entry, readable

CONDITIONS: Mapping[str, str] = {
    **{status.value: f"job.status = '{status.value}'" for status in JobStatus},
    "due": "job.status = 'pending' AND job.run_at <= now()",
}
"""The conditions of the numbers of jobs that are estimated where they are large."""


async def stats(executor: Executor, limit: int | None) -> Mapping[str, BackendStats]:
    """Return each backend's numbers; those over a limit are estimates."""
    tables = executor.tables.all
    states = await executor.read(partial(gate_states, tables=tables))
    return {
        table.backend: BackendStats(**await _numbers(executor, table, limit), **states[table.backend])
        for table in tables
    }


async def _numbers(executor: Executor, table: JobTable, limit: int | None) -> Mapping[str, Any]:
    """Count all rows, or each kind up to a limit; of what is more, take the planner's estimate."""
    tables, kind = executor.tables, "all" if limit is None else "first"
    arguments = () if limit is None else (limit + 1,)
    parts = {name: tables.statement(f"{kind}_ended", table, status=name) for name in ("success", "failed")}
    parts["rows"] = tables.statement(f"{kind}_rows", table)
    (row,) = await executor.ask("stats", *arguments, table=table, **parts)
    estimates = {}
    for name, condition in CONDITIONS.items():
        if limit is not None and row[name] > limit:
            (plan,) = await executor.ask("stats_estimate", table=table, condition=condition)
            estimates[name] = max(int(json.loads(plan[0])[0]["Plan"]["Plan Rows"]), limit)
    return {**row, **estimates}


async def error_groups(
    executor: Executor,
    *,
    since: datetime | None = None,
    limit: int = 100,
    conditions: JobFilter = ALL_JOBS,
    by: GroupBy = "route",
) -> list[ErrorGroup]:
    """Return the largest groups, by the last error, of jobs that were changed since an instant."""
    groups: list[ErrorGroup] = []
    parts = {"entry": last_entry(), "grouped": readable(GROUPED[by])}
    for table, where in matching(executor.tables.all, conditions):
        asked = methodcaller("asked", "error_groups", table, where, since or BEGINNING, limit, **parts)
        rows = await executor.look(asked)
        groups += [_group_of(table, dict(row), by) for row in rows]
    return sorted(groups, key=lambda group: (group.count, group.last), reverse=True)[:limit]


def _group_of(table: JobTable, row: dict[str, Any], by: GroupBy) -> ErrorGroup:
    grouped, example = row.pop("grouped"), id_of(table.table, row.pop("example"))
    names = {"path": grouped} if by == "route" else {"path": "", "assigned_to": grouped}
    return ErrorGroup(backend=table.backend, example=example, **names, **row)


async def rollups(executor: Executor, query: RollupQuery) -> list[Rollup]:
    """Sum up rollups of attempts as a query says, bucket by bucket: an array has no sum."""
    exact = ", ".join(f"coalesce(sum(rollup.fine[{n}]), 0)::bigint" for n in range(1, BUCKETS + 1))
    rough = ", ".join(
        f"coalesce(sum(rollup.buckets[{n}]) FILTER (WHERE rollup.fine IS NULL), 0)::bigint"
        for n in range(1, len(COARSE_BOUNDS) + 2)
    )
    wanted = query.since, query.until, query.backend, query.step, query.routes
    rows = await executor.ask("rollups", *wanted, exact=f"ARRAY[{exact}]", rough=f"ARRAY[{rough}]")
    return [_rollup(dict(row)) for row in rows]


def _rollup(row: dict[str, Any]) -> Rollup:
    """Add the buckets of rows of 0.2, which are coarse."""
    both = zip(row.pop("exact"), fine_buckets(row.pop("rough")), strict=True)
    return Rollup(**row, buckets=tuple(map(int, map(sum, both))))
