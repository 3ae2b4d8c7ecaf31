"""Migrations: planned from the catalog, run under an advisory lock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sp00ky_core.ports import MigrationStep
from sp00ky_store_postgres.connections import connect, pause
from sp00ky_store_postgres.errors import translated
from sp00ky_store_postgres.options import PostgresOptions
from sp00ky_store_postgres.planning import plan
from sp00ky_store_postgres.tables import Tables

__all__ = ["migrate", "migration", "session"]

MIGRATION_SECONDS = 86_400.0
"""For one statement: an index on a large table takes its time."""

# Tried again and again, never waited for: a statement that waits holds a snapshot, and CREATE INDEX
# CONCURRENTLY in the process that has the lock would wait for that.
TRY_SESSION_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('sp00ky:' || $1::text, 0))"
TRY_TRANSACTION_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended('sp00ky:' || $1::text, 0))"


async def migrate(options: PostgresOptions, tables: Tables) -> list[MigrationStep]:
    """See ``Store.migrate``."""
    async with session(options, seconds=MIGRATION_SECONDS) as connection:
        if options.listen_url or options.has_sessions:
            await _lock(connection, TRY_SESSION_LOCK, tables.schema)
        async with connection.transaction():
            await _lock(connection, TRY_TRANSACTION_LOCK, tables.schema)
            planned = await plan(connection, tables, options)
            for each in planned:
                if not each.alone:
                    await connection.execute(each.step.statement)
        for each in planned:
            if each.alone:
                await connection.execute(each.step.statement)
    return [each.step for each in planned]


async def migration(options: PostgresOptions, tables: Tables) -> list[MigrationStep]:
    """See ``Store.migration``."""
    async with session(options) as connection:
        return [each.step for each in await plan(connection, tables, options)]


@asynccontextmanager
async def session(options: PostgresOptions, *, seconds: float = 60.0) -> AsyncIterator[Any]:
    """A connection of its own, past any pooler; what the driver raises is translated."""
    try:
        connection = await connect(options.direct_dsn, seconds=seconds)
        try:
            yield connection
        finally:
            await connection.close(timeout=5)
    except Exception as error:
        raise translated(error, options.direct_location) from error


async def _lock(connection: Any, statement: str, schema: str) -> None:
    seconds = 0.02
    while not await connection.fetchval(statement, schema):
        seconds = min(await pause(seconds), 0.2)
