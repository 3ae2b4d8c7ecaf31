"""Migrations: planned from the catalog, run under an advisory lock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import attrs

from sp00ky_core.errors import RowRefused
from sp00ky_core.ports import MigrationStep
from sp00ky_store_postgres.catalog import server_version
from sp00ky_store_postgres.connections import LONGEST_PAUSE, connect, pause
from sp00ky_store_postgres.errors import MIGRATE, is_right, translated
from sp00ky_store_postgres.naming import refuse_taken
from sp00ky_store_postgres.options import PostgresOptions
from sp00ky_store_postgres.planning import plan
from sp00ky_store_postgres.refusing import refuse_old_server
from sp00ky_store_postgres.steps import Planned
from sp00ky_store_postgres.tables import Tables

__all__ = ["migrate", "migration", "session"]

T = TypeVar("T")
Left = tuple[Planned, asyncpg.PostgresError]

MIGRATION_SECONDS = 86_400.0
"""For one statement: an index on a large table takes its time."""

# Tried again and again, never waited for: a statement that waits holds a snapshot, and CREATE INDEX
# CONCURRENTLY in the process that has the lock would wait for that.
TRY_SESSION_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('sp00ky:' || $1::text, 0))"
TRY_TRANSACTION_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended('sp00ky:' || $1::text, 0))"

NOT_AT_ONCE = "-- Not in one transaction (psql -1): CREATE INDEX CONCURRENTLY can't run in any."

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
            planned = await _begin(connection, tables, options)
            left = await _finish(connection, planned)
            if left:
                raise _rows_left(left, options) from left[0][1]
    return [each.step for each in planned]


async def migration(options: PostgresOptions, tables: Tables) -> list[MigrationStep]:
    """See ``Store.migration``."""
    async with session(options) as connection:
        refuse_old_server(await server_version(connection), options)
        return _as_script([each.step for each in await _planned(connection, tables, options)])


def _as_script(steps: list[MigrationStep]) -> list[MigrationStep]:
    """The same, saying at the start where a client may not run them all at once."""
    if not any(" CONCURRENTLY " in each.statement for each in steps):
        return steps
    first, *others = steps
    return [attrs.evolve(first, statement=f"{NOT_AT_ONCE}\n{first.statement}"), *others]


async def _planned(connection: Any, tables: Tables, options: PostgresOptions) -> list[Planned]:
    """What is to be done, where all of it can be. Raises ``TableRefused`` before anything is."""
    planned = await plan(connection, tables, options)
    refuse_taken(planned, options)
    return planned


async def _begin(connection: Any, tables: Tables, options: PostgresOptions) -> list[Planned]:
    """Do what needn't be done alone, in one transaction; all that is planned."""
    for left in reversed(range(LOCK_TRIES)):
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
                planned = await _planned(connection, tables, options)
                for each in planned:
                    if not each.alone:
                        await connection.execute(each.step.statement)
                return planned
        except asyncpg.LockNotAvailableError:
            if not left:
                raise
        await pause(LONGEST_PAUSE)
    raise AssertionError("there is a last try")


async def _finish(connection: Any, planned: Iterable[Planned]) -> list[Left]:
    """Do what has to be done alone, each whatever became of the others; what rows stood in the way of."""
    left: list[Left] = []
    for each in planned:
        is_unfinished = any(step.step.table == each.step.table for step, _ in left)
        if not each.alone or (each.is_record and is_unfinished):
            continue
        try:
            await connection.execute(each.step.statement)
        except asyncpg.IntegrityConstraintViolationError as error:
            left.append((each, error))
    return left


def _rows_left(left: Iterable[Left], options: PostgresOptions) -> RowRefused:
    """The first lines only: in the others, databases quote what is in a row."""
    said = [
        f"{str(error).splitlines()[0]}: mend the rows that this finds: {step.rows}" for step, error in left
    ]
    problem = f"{'; '.join(said)}; then {MIGRATE} (all else is done)"
    return RowRefused(store=options.direct_location, problem=problem)


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


@asynccontextmanager
async def _locked(connection: Any, options: PostgresOptions, schema: str) -> AsyncIterator[None]:
    """Keep every other process from migrating the schema."""
    if options.listen_url or options.has_sessions:
        await connection.execute("SET statement_timeout = 0")  # a role's may be for its requests
        await _until(lambda: connection.fetchval(TRY_SESSION_LOCK, schema))
        yield  # the end of the session unlocks it
        return
    async with session(options) as guard:
        transaction = await _until(lambda: _locking(guard, schema))
        yield
        await transaction.rollback()


async def _locking(guard: Any, schema: str) -> Any:
    """A transaction that has the lock, or None.

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


async def _until(attempt: Callable[[], Awaitable[T]]) -> T:
    """Try until it gives something; what that is."""
    seconds = 0.02
    while not (result := await attempt()):
        seconds = min(await pause(seconds), 0.2)
    return result
