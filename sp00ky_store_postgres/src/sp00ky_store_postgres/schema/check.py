"""Find what is wrong with the server, the role's privileges, the tables and the jobs in them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from sp00ky_core.errors import StoreUnavailable
from sp00ky_core.ports import Finding
from sp00ky_store_postgres.connection.executor import Executor
from sp00ky_store_postgres.errors import READ_ONLY
from sp00ky_store_postgres.observe.notifications import hears
from sp00ky_store_postgres.schema.check_tables import check_migrations, check_table
from sp00ky_store_postgres.schema.compatibility import OLDEST_SERVER
from sp00ky_store_postgres.schema.introspection import find_table, server_version
from sp00ky_store_postgres.schema.migrate import session
from sp00ky_store_postgres.schema.privileges import check_privileges
from sp00ky_store_postgres.schema.tables import Tables
from sp00ky_store_postgres.schema.waiting_jobs import left_behind, unattended
from sp00ky_store_postgres.url import PostgresOptions


async def check(options: PostgresOptions, tables: Tables, executor: Executor) -> list[Finding]:
    """See ``Checks.check``. Raises ``StoreUnavailable`` also for a server that takes no writes now."""
    async with session(options) as connection:
        if await connection.fetchval("SHOW transaction_read_only") == "on":
            raise StoreUnavailable(store=options.direct_location, problem=READ_ONLY)
        findings, may_read = await check_privileges(connection, tables)
        findings += [each async for each in _settings(connection)]
        if may_read:
            findings += await check_migrations(connection, tables, options)
            for table in tables.all:
                found = await find_table(connection, tables.schema, table.table)
                if found is not None:
                    name = tables.name(table)
                    findings += [each async for each in check_table(connection, table, name, found)]
                    findings += [each async for each in unattended(connection, table, tables, found)]
            findings += [each async for each in left_behind(connection, tables)]
    if options.notify and executor.is_open:
        findings += await _signal(executor, options)
    return findings


async def _signal(executor: Executor, options: PostgresOptions) -> list[Finding]:
    if await hears(executor, options):
        return []
    return [
        Finding.warning(
            "LISTEN",
            "it is accepted, but a notification doesn't arrive: a pooler in transaction mode",
            "idle runners find new jobs by polling only, up to a second late",
            "add listen_url=<the server itself> to the store's URL",
        )
    ]


async def _settings(connection: Any) -> AsyncIterator[Finding]:
    version = await server_version(connection)
    if version < OLDEST_SERVER:
        yield Finding.stopping(
            "server",
            f"it is PostgreSQL {version}",
            "statements fail",
            f"upgrade it to PostgreSQL {OLDEST_SERVER} or newer",
        )
    for name, consequence in (
        ("fsync", "a crash of the server may lose or repeat jobs"),
        ("synchronous_commit", "a crash of the server may forget a claim: its request is sent twice"),
        ("autovacuum", "the tables grow without end, and claims get slower and slower"),
        ("track_counts", "autovacuum can't run, and the tables grow without end"),
    ):
        if await connection.fetchval(f"SHOW {name}") == "off":
            yield Finding.warning(name, "it is off", consequence, "turn it on")
