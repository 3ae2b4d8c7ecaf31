"""Find jobs that wait for a runner, for a backend, or for one that throttles them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from sp00ky_core.ports import Finding, JobTable
from sp00ky_store_postgres.schema.definition import JOB_KEY, KEY_COLUMNS
from sp00ky_store_postgres.schema.introspection import Found, exists, find_table, versions
from sp00ky_store_postgres.schema.tables import Tables
from sp00ky_store_postgres.sql.loader import fill, quoted, read_sql

MANY = 10_000
"""Jobs are counted up to so many."""


async def unattended(
    connection: Any, table: JobTable, tables: Tables, found: Found
) -> AsyncIterator[Finding]:
    """Find what is due while no runner is alive, and what has been deferred for over an hour."""
    if not {"run_at", "deferred_since", "priority", "ordering_key"} <= found.types.keys():
        return
    if await exists(connection, tables.runner):
        for row in await connection.fetch(tables.statement("due_without_runner", table)):
            yield Finding.warning(
                table.table,
                f"a job has been due for {row['seconds']} s, and no runner is alive",
                "its jobs wait until one is started",
                "start one: sp00ky run",
            )
    for row in await connection.fetch(tables.statement("deferred_long", table)):
        hours, minutes = divmod((row["longest"] or 0) // 60, 60)
        if row["jobs"]:
            yield Finding.warning(
                table.table,
                f"deferred for over an hour: {row['jobs']}, the longest for {hours} h {minutes} min",
                "their backend throttles them, or no runner knows their route yet",
                f"see their last error: sp00ky jobs list --backend {table.backend} --status pending",
            )


async def left_behind(connection: Any, tables: Tables) -> AsyncIterator[Finding]:
    """Find job tables that were migrated here, that no backend names any more, and in which jobs wait."""
    kept = await find_table(connection, tables.schema, "sp00ky_migration")
    if kept is None or not KEY_COLUMNS["sp00ky_migration"].items() <= kept.types.items():
        return  # it is another application's
    for name in sorted((await versions(connection, tables.migration)).keys() - tables.by_name.keys()):
        found = await find_table(connection, tables.schema, name)
        if found is None or not JOB_KEY.keys() <= found.types.keys():
            continue
        table = quoted(tables.schema, name)
        if not await connection.fetchval("SELECT has_table_privilege($1::text::regclass, 'SELECT')", table):
            continue
        count = await connection.fetchval(fill(read_sql("left_behind"), table=table))
        shown = f"{MANY} or more" if count >= MANY else count
        if count:
            yield Finding.warning(
                name,
                f"no backend names it in method.table; jobs waiting in it: {shown}",
                "they are never delivered",
                f"give a backend method.table: {name}, or kill and clear them",
            )
