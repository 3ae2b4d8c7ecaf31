"""What row-level security keeps from a runner: such rows aren't refused but passed over, in silence."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types

from sp00ky_core.job import JobStatus
from sp00ky_core.ports import Finding, JobTable
from sp00ky_store_postgres.statements import fill, quoted, read_sql
from sp00ky_store_postgres.tables import Tables

__all__ = ["kept_by_policies"]


async def kept_by_policies(connection: Any, table: JobTable, tables: Tables) -> AsyncIterator[Finding]:
    """Findings for the connection's role; none where it owns the table, or policies don't bind it."""
    name = tables.name(table)
    sides = {row["name"]: row for row in await connection.fetch(read_sql("policies"), name)}
    if not sides:
        return
    role, extents = sides["read"]["role"], {side: row["extent"] for side, row in sides.items()}
    hidden = _hidden(name, role, extents)
    if hidden is not None:
        yield hidden
    if hidden is None or not hidden.stops_jobs:
        written = await _written(connection, table, tables, sides)
        if written is not None and (hidden is None or written.stops_jobs):
            yield written
        if extents["delete"] == "none":
            yield _kept(name, role)


def _hidden(name: str, role: str, extents: Mapping[str, str]) -> Finding | None:
    """Of what is there."""
    some = "some" if "some" in (extents["read"], extents["update"]) else None
    shown = "none" if extents["read"] == "none" else some
    if extents["read"] != "none" and extents["update"] == "none":
        return _finding(
            name,
            role,
            f"lets role {role} update none of its rows",
            "no job is claimed",
            "a policy for it, FOR UPDATE USING (true) WITH CHECK (true)",
            stops=True,
        )
    if shown is None:
        return None
    problem = f"shows {shown} of its rows to role {role}"
    consequence = "jobs that it hides are never delivered"
    return _finding(name, role, problem, consequence, "a policy for it, USING (true)", stops=shown == "none")


async def _written(
    connection: Any, table: JobTable, tables: Tables, sides: Mapping[str, Any]
) -> Finding | None:
    """Of what a runner writes; what it writes must be shown to it, too."""
    if sides["write"]["extent"] == sides["read"]["extent"] == "all":
        return None
    name, role = tables.name(table), sides["write"]["role"]
    condition = f"{sides['write']['condition']} AND {sides['read']['condition']}"
    statuses = await _refused_statuses(connection, table, condition)
    if statuses == []:
        return None
    which = f"rows with status {', '.join(statuses)}" if statuses else "some rows"
    return _finding(
        name,
        role,
        f"refuses {which} that role {role} writes: {condition}",
        "claims or outcomes that it refuses aren't written",
        "a policy for it, FOR UPDATE USING (true) WITH CHECK (true)",
        stops=bool(statuses),
    )


async def _refused_statuses(connection: Any, table: JobTable, condition: str) -> list[str] | None:
    """None: it depends on more than the status."""
    query = fill(read_sql("policy_refuses"), table=quoted(table.table), condition=condition)
    try:
        return [row["status"] for row in await connection.fetch(query, [each.value for each in JobStatus])]
    except asyncpg.PostgresError:
        return None


def _kept(name: str, role: str) -> Finding:
    return _finding(
        name,
        role,
        f"lets role {role} delete none of its rows",
        "ended jobs are kept for ever, whatever retention says",
        "a policy for it, FOR DELETE USING (true)",
        stops=False,
    )


def _finding(name: str, role: str, problem: str, consequence: str, mend: str, *, stops: bool) -> Finding:
    return Finding(
        stops_jobs=stops,
        subject=name,
        problem=f"row-level security {problem}",
        consequence=consequence,
        mend=f"{mend}, or ALTER ROLE {quoted(role)} BYPASSRLS",
    )
