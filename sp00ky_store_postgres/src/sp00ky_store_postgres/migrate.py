"""Migrations: planned from the catalog, run under an advisory lock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types

from sp00ky_core.ports import MigrationStep
from sp00ky_store_postgres.catalog import server_version
from sp00ky_store_postgres.connections import LONGEST_PAUSE, connect, pause
from sp00ky_store_postgres.errors import is_right, translated
from sp00ky_store_postgres.options import PostgresOptions
from sp00ky_store_postgres.planning import plan
from sp00ky_store_postgres.refusing import refuse_old_server
from sp00ky_store_postgres.steps import Planned
from sp00ky_store_postgres.tables import Tables

__all__ = ["migrate", "migration", "session"]

MIGRATION_SECONDS = 86_400.0
"""For one statement: an index on a large table takes its time."""

# Tried again and again, never waited for: a statement that waits holds a snapshot, and CREATE INDEX
# CONCURRENTLY in the process that has the lock would wait for that.
TRY_SESSION_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('sp00ky:' || $1::text, 0))"
TRY_TRANSACTION_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended('sp00ky:' || $1::text, 0))"


LOCK_SECONDS = 1
"""For a lock on a table: whoever wants to write to it waits behind the one that waits for it."""
LOCK_TRIES = 600

RIGHTS = (
    ": migrating takes the right to CREATE in the schema (in the database, where there is no such schema), "
    "and the ownership of tables that are there already: connect as their owner"
)


async def migrate(options: PostgresOptions, tables: Tables) -> list[MigrationStep]:
    """See ``Store.migrate``."""
    async with session(options, seconds=MIGRATION_SECONDS, rights=RIGHTS) as connection:
        refuse_old_server(await server_version(connection), options)
        if options.listen_url or options.has_sessions:
            await connection.execute("SET statement_timeout = 0")  # a role's may be for its requests
            await _lock(connection, TRY_SESSION_LOCK, tables.schema)
        planned = await _begin(connection, tables, options)
        for each in planned:
            if each.alone:
                await connection.execute(each.step.statement)
    return [each.step for each in planned]


async def migration(options: PostgresOptions, tables: Tables) -> list[MigrationStep]:
    """See ``Store.migration``."""
    async with session(options) as connection:
        refuse_old_server(await server_version(connection), options)
        return [each.step for each in await plan(connection, tables, options)]


async def _begin(connection: Any, tables: Tables, options: PostgresOptions) -> list[Planned]:
    """Do what needn't be done alone, in one transaction; all that is planned."""
    for left in reversed(range(LOCK_TRIES)):
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
                await _lock(connection, TRY_TRANSACTION_LOCK, tables.schema)
                planned = await plan(connection, tables, options)
                for each in planned:
                    if not each.alone:
                        await connection.execute(each.step.statement)
                return planned
        except asyncpg.LockNotAvailableError:
            if not left:
                raise
        await pause(LONGEST_PAUSE)
    raise AssertionError("there is a last try")


@asynccontextmanager
async def session(options: PostgresOptions, *, seconds: float = 60.0, rights: str = "") -> AsyncIterator[Any]:
    """A connection of its own, past any pooler; what the driver raises is translated.

    Args:
        options: whose.
        seconds: for each statement.
        rights: what to say where a right is missing.
    """
    try:
        connection = await connect(options.direct_dsn, seconds=seconds)
        try:
            yield connection
        finally:
            await connection.close(timeout=5)
    except Exception as error:
        hint = rights if is_right(error) else ""
        raise translated(error, options.direct_location, hint=hint) from error


async def _lock(connection: Any, statement: str, schema: str) -> None:
    seconds = 0.02
    while not await connection.fetchval(statement, schema):
        seconds = min(await pause(seconds), 0.2)
