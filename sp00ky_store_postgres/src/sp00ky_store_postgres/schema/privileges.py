"""Find the privileges on the tables that a role lacks; print those that roles need."""

from __future__ import annotations

from typing import Any

from sp00ky_core.ports import Finding
from sp00ky_store_postgres.schema.tables import Tables
from sp00ky_store_postgres.sql.loader import quoted, read_sql

READ: tuple[str, ...] = ("SELECT",)
WRITE: tuple[str, ...] = ("SELECT", "INSERT", "UPDATE", "DELETE")

SHARED = (
    "sp00ky_runner",
    "sp00ky_breaker",
    "sp00ky_control",
    "sp00ky_audit",
    "sp00ky_schedule",
    "sp00ky_schedule_run",
    "sp00ky_rollup",
)


def grants(tables: Tables) -> list[str]:
    """Return the GRANTs of three roles: one that enqueues, one that runs, one that operates.

    An operator finds, counts, kills, redrives, reschedules, copies and clears jobs, pauses backends, asks
    runners to drain, and defines, fires and pauses schedules; each act is written down.
    """
    jobs = ", ".join(map(tables.name, tables.all))
    shared = ", ".join(quoted(tables.schema, name) for name in SHARED)
    operated = ", ".join((tables.control, tables.audit, tables.schedule, tables.schedule_run))
    return [
        f"GRANT USAGE ON SCHEMA {quoted(tables.schema)} TO app_role, runner_role, operator_role",
        f"GRANT SELECT, INSERT ON {jobs} TO app_role",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {jobs}, {shared} TO runner_role",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON {jobs} TO operator_role",
        f"GRANT SELECT ON {shared} TO operator_role",
        f"GRANT INSERT, UPDATE ON {operated} TO operator_role",
        f"GRANT UPDATE ON {tables.runner} TO operator_role",
        f"GRANT SELECT ON {tables.migration} TO runner_role, operator_role",
    ]


async def check_privileges(connection: Any, tables: Tables) -> tuple[list[Finding], bool]:
    """Find what the role of this connection lacks of a runner's privileges; also whether it may read all."""
    wanted = dict.fromkeys((*tables.by_name, *SHARED), WRITE)
    wanted["sp00ky_migration"] = READ
    pairs = [(name, right) for name, rights in wanted.items() for right in rights]
    names, rights = zip(*pairs, strict=True)
    rows = await connection.fetch(read_sql("rights"), tables.schema, list(names), list(rights))
    may_read = not any({"USAGE", "SELECT"}.intersection(row["privileges"]) for row in rows)
    return [_finding(row, tables) for row in rows], may_read


def _finding(row: Any, tables: Tables) -> Finding:
    """Report what a role lacks on a relation, or on the schema; jobs run without the versions, too."""
    name, rights = row["name"], ", ".join(row["privileges"])
    subject = quoted(tables.schema) if name is None else quoted(tables.schema, name)
    only_versions = name == "sp00ky_migration"
    return Finding(
        stops_jobs=not only_versions,
        subject=subject,
        problem=f"role {row['role']} may not {'use the schema (USAGE)' if name is None else rights}",
        consequence="whether the tables are complete can't be seen"
        if only_versions
        else "enqueueing or running fails",
        fix=f"GRANT {rights} ON {'SCHEMA ' if name is None else ''}{subject} TO {quoted(row['role'])}",
    )
