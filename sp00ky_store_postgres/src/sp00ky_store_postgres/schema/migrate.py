"""Run the migrations that a database lacks, under an advisory lock; what can be, in one transaction."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC
from typing import Any, TypeVar

import asyncpg  # type: ignore[import-untyped]  # it carries no types

from sp00ky_core.hints import shown
from sp00ky_core.ports import MigrationStep
from sp00ky_core.stores.subscription import Backoff
from sp00ky_store_postgres.connection.connect import connect
from sp00ky_store_postgres.errors import NO_RIGHT, state_of, translated
from sp00ky_store_postgres.schema.compatibility import MigrationLocked, refuse_old_server
from sp00ky_store_postgres.schema.introspection import server_version
from sp00ky_store_postgres.schema.pending import Pending, pending
from sp00ky_store_postgres.schema.tables import Tables
from sp00ky_store_postgres.sql.loader import read_sql
from sp00ky_store_postgres.url import PostgresOptions

logger: logging.Logger = logging.getLogger(__name__)

T = TypeVar("T")

SAID_AFTER, GIVEN_UP_AFTER = 2.0, 60.0
"""Seconds of waiting for another migration, or whoever else has its lock."""

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
        async with _locked(connection, options, tables.schema):
            steps = await _run_transaction(connection, tables, options)
            for each in steps:
                if each.alone:
                    await connection.execute(each.step.statement)
    return [each.step for each in steps]


async def migration(options: PostgresOptions, tables: Tables) -> list[MigrationStep]:
    """See ``Store.migration``."""
    async with session(options) as connection:
        refuse_old_server(await server_version(connection), options)
        return [each.step for each in await pending(connection, tables, options)]


async def _run_transaction(connection: Any, tables: Tables, options: PostgresOptions) -> list[Pending]:
    """Run in one transaction what can be; return all that is pending."""
    for left in reversed(range(LOCK_TRIES)):
        try:
            if left == LOCK_TRIES - 2:
                await _say(connection, "table_lock_holders", tables.schema)
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
                steps = await pending(connection, tables, options)
                for each in steps:
                    if not each.alone:
                        await connection.execute(each.step.statement)
                return steps
        except asyncpg.LockNotAvailableError:
            if not left:
                raise
        await asyncio.sleep(LOCK_SECONDS)
    raise AssertionError("there is a last try")


@asynccontextmanager
async def session(options: PostgresOptions, *, seconds: float = 60.0, rights: str = "") -> AsyncIterator[Any]:
    """Return a connection of its own, past any pooler; what the driver raises is translated.

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
        hint = rights if state_of(error) == NO_RIGHT else ""
        raise translated(error, options.direct_location, hint=hint) from error


@asynccontextmanager
async def _locked(connection: Any, options: PostgresOptions, schema: str) -> AsyncIterator[None]:
    """Keep every other process from migrating the schema."""
    if options.listen_url or not options.pooled:
        await connection.execute("SET statement_timeout = 0")  # a role's may be for its requests
        await _until(lambda: connection.fetchval(TRY_SESSION_LOCK, schema), connection, options, schema)
        yield  # the end of the session unlocks it
        return
    async with session(options) as guard:
        transaction = await _until(lambda: _locking(guard, schema), guard, options, schema)
        yield
        await transaction.rollback()


async def _locking(guard: Any, schema: str) -> Any:
    """Return a transaction that has the lock, or None.

    Behind a pooler in transaction mode nothing else keeps one session.
    """
    transaction = guard.transaction(isolation="read_committed")
    await transaction.start()
    if await guard.fetchval(TRY_TRANSACTION_LOCK, schema):
        # Also ends the statement before it, whose snapshot CREATE INDEX CONCURRENTLY would wait for.
        await guard.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        return transaction
    await transaction.rollback()
    return None


async def _until(
    attempt: Callable[[], Awaitable[T]], connection: Any, options: PostgresOptions, schema: str
) -> T:
    """Try to get the lock until there is something; what that is. Raises ``MigrationLocked``."""
    backoff, since, said = Backoff(first=0.02, limit=0.2), time.monotonic(), False
    while not (result := await attempt()):
        waited = time.monotonic() - since
        if waited > GIVEN_UP_AFTER:
            holders = await _holders(connection, "migration_lock_holders", schema)
            raise MigrationLocked(store=options.direct_location, holders=holders, seconds=waited)
        if waited > SAID_AFTER and not said:
            said = True
            await _say(connection, "migration_lock_holders", schema)
        await backoff.wait()
    return result


async def _say(connection: Any, name: str, schema: str) -> None:
    """Log who has the lock that is waited for."""
    holders = "; ".join(await _holders(connection, name, schema)) or "a session that has just ended"
    logger.warning("waiting for a lock on schema %s, which others have: %s", schema, holders)


async def _holders(connection: Any, name: str, schema: str) -> Sequence[str]:
    return tuple(_shown(row) for row in await connection.fetch(read_sql(name), schema))


def _shown(row: Any) -> str:
    since = "unknown" if row["since"] is None else f"{row['since'].astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
    application = shown(row["application_name"] or "")
    return f"pid {row['pid']} (application {application}, user {row['role']}, since {since})"
