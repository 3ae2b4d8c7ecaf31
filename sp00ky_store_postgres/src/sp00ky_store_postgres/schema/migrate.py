"""Bring the tables up: find what they lack of the numbered migrations, and run it under an advisory lock."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC
from functools import cache, partial
from importlib.resources import files
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import attrs

from sp00ky_core.error_texts import shown
from sp00ky_core.errors import SchemaError, StoreError
from sp00ky_core.ports import Finding, JobTable, MigrationStep, Table
from sp00ky_core.stores.subscription import Backoff
from sp00ky_store_kit.schema import migrate as migrate_tables
from sp00ky_store_kit.schema import plan
from sp00ky_store_postgres.connection.connect import connect
from sp00ky_store_postgres.errors import MIGRATE, NO_RIGHT, state_of, translated
from sp00ky_store_postgres.kit_session import PostgresSession
from sp00ky_store_postgres.schema.definition import (
    JOB_KEY,
    KEY_COLUMNS,
    MIN_COMPATIBLE,
    VERSION,
    Tables,
    object_name,
)
from sp00ky_store_postgres.sql.loader import fill, literal, quoted, read_sql
from sp00ky_store_postgres.url import PostgresOptions

logger: logging.Logger = logging.getLogger(__name__)

OLDEST_SERVER = 13

SAID_AFTER, GIVEN_UP_AFTER = 2.0, 60.0
"""Seconds of waiting for another migration, or whoever else has its lock."""

MIGRATION_SECONDS = 86_400.0
"""Seconds for one statement: an index on a large table takes its time."""

# Tried again and again, never waited for: a statement that waits holds a snapshot, and CREATE INDEX
# CONCURRENTLY in the process that has the lock would wait for that. In a transaction: behind a pooler in
# transaction mode nothing else keeps one session.
TRY_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended('sp00ky:' || $1::text, 0))"

LOCK_SECONDS = 1
"""Seconds for a lock on a table: whoever wants to write to it waits behind the one that waits for it."""
LOCK_TRIES, TRIES_BEFORE_SAID = 600, 2

RIGHTS = (
    ": migrating takes the right to CREATE in the schema (in the database, where there is no such schema), "
    "and the ownership of tables that are there already: connect as their owner"
)

HEADER = re.compile(r"^-- (\w+) ([\w.]*(?:, \w+)*): (.*)\n", re.MULTILINE)
"""Matches what stands before each statement of a migration: its kind, names, what is the matter without
it."""


OWN = re.compile(r"\{\{(sp00ky_\w+)\}\}")
"""The place of a table or a function of the store's own."""

Versions = Mapping[str, tuple[int, int]]
"""The version of each table that was migrated, and the oldest version that can work on it."""

LACKING = {"unique": "index", "validated": "the validation of check"}
"""Kinds of statements whose objects have another name."""


@attrs.frozen(kw_only=True)
class Statement:
    """A statement of a migration.

    Attributes:
        version: The migration's number.
        kind: Of the object that it makes: schema, table, column, index, unique, check, trigger, function; or
            ``validated``: a CHECK that a statement before has added ``NOT VALID``; or ``dropped``: an index,
            a CHECK or a trigger in whose place something else is.
        name: Of the object; for indexes and triggers without the table's name; empty: the table itself.
        without: What is the matter without the object, or until it is dropped.
        text: SQL with places for names.
    """

    version: int
    kind: str
    name: str
    without: str
    text: str

    @property
    def is_shared(self) -> bool:
        """Tell whether it is run once for all, not for each job table."""
        if self.kind in {"schema", "function"}:
            return True
        return not self.is_of_trigger and self.name.startswith("sp00ky_")

    @property
    def is_of_trigger(self) -> bool:
        """Tell whether it makes or drops a trigger."""
        return self.kind == "trigger" or self.text.startswith("DROP TRIGGER")

    @property
    def stops_jobs(self) -> bool:
        """Tell whether enqueueing or running fails without the object."""
        return self.kind in {"schema", "table", "column", "unique"}


@attrs.frozen(kw_only=True)
class Pending(MigrationStep):
    """A statement that has to be run.

    Attributes:
        problem: What is missing until then.
        is_record: It records the version that a table then has.
    """

    problem: str
    is_record: bool = False

    @property
    def alone(self) -> bool:
        """Tell whether it is run outside the transaction, after everything that is run in it."""
        # In the transaction that adds a CHECK, its validation would keep that one's lock.
        return self.is_record or bool(re.search(" (CONCURRENTLY|VALIDATE) ", self.statement))

    @property
    def finding(self) -> Finding:
        """Return what ``check`` says of it."""
        of = Finding.stopping if self.stops_jobs else Finding.warning
        return of(self.table, self.problem, self.without, MIGRATE)


@attrs.frozen(kw_only=True)
class Relation:
    """A relation as the catalog has it, or the schema itself.

    Attributes:
        kind: As in ``pg_class``; ``r``: a plain table.
        types: Of the columns, by name.
        must_be_given: Columns that an INSERT can't leave out.
        objects: By kind (column, index, check, trigger; schema, function) and name: whether it is in force.
    """

    kind: str = ""
    types: Mapping[str, str] = {}
    must_be_given: frozenset[str] = frozenset()
    objects: Mapping[tuple[str, str], bool]


@attrs.define(kw_only=True, eq=False)
class TableRefused(SchemaError):
    """A table was left as it is.

    Attributes:
        fix: What to do.
    """

    fix: str

    def __str__(self) -> str:
        return f"{super().__str__()}; {self.fix}"


async def migrate(
    options: PostgresOptions, tables: Tables, extensions: Sequence[Table] = ()
) -> list[MigrationStep]:
    """See ``Store.migrate``; a second session keeps every other process from migrating the schema."""
    async with session(options, seconds=MIGRATION_SECONDS, rights=RIGHTS) as connection:
        refuse_old_server(await server_version(connection), options)
        if options.listen_url or not options.pooled:
            # a role's are for its requests
            await connection.execute("SET statement_timeout = 0; SET lock_timeout = 0")
        async with session(options) as guard:
            await _lock(guard, options, tables.schema)
            steps = await _run_transaction(connection, tables)
            for step in steps:
                if step.alone:
                    await connection.execute(step.statement)
            async with connection.transaction():
                added = await migrate_tables(_session(connection, tables), extensions, options.location)
    return [*steps, *added]


async def migration(
    options: PostgresOptions, tables: Tables, extensions: Sequence[Table] = ()
) -> list[MigrationStep]:
    """See ``Store.migration``."""
    async with session(options) as connection:
        refuse_old_server(await server_version(connection), options)
        steps = [*await pending(connection, tables)]
        return [*steps, *await plan(_session(connection, tables), extensions, options.location)]


def _session(connection: Any, tables: Tables) -> PostgresSession:
    return PostgresSession(tables, connection.fetch, connection.executemany)


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


async def server_version(connection: Any) -> int:
    """Return the server's major version."""
    return int(await connection.fetchval("SHOW server_version_num")) // 10_000


def refuse_old_server(version: int, options: PostgresOptions) -> None:
    """Raise ``SchemaError`` for a server that can't have the tables."""
    if version < OLDEST_SERVER:
        problem = f"the server is PostgreSQL {version}; upgrade it to PostgreSQL {OLDEST_SERVER} or newer"
        raise SchemaError(store=options.direct_location, problem=problem)


async def _run_transaction(connection: Any, tables: Tables) -> list[Pending]:
    """Run in one transaction what can be; return all that is pending."""
    tries = 0
    while True:
        tries += 1
        try:
            if tries == TRIES_BEFORE_SAID:
                await _say(connection, "table_lock_holders", tables.schema)
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
                steps = await pending(connection, tables)
                for step in steps:
                    if not step.alone:
                        await connection.execute(step.statement)
                return steps
        except asyncpg.LockNotAvailableError:
            if tries == LOCK_TRIES:
                raise
        await asyncio.sleep(LOCK_SECONDS)


async def _lock(guard: Any, options: PostgresOptions, schema: str) -> None:
    """Begin a transaction that has the lock of the migrations. Raises ``StoreError``."""
    backoff, since, said = Backoff(first=0.02, limit=0.2), time.monotonic(), False
    while not await _is_locked(guard, schema):
        waited = time.monotonic() - since
        if waited > GIVEN_UP_AFTER:
            holders = await _holders(guard, "migration_lock_holders", schema)
            problem = (
                f"another session has the lock of the migrations for {waited:.0f} s: {holders}; "
                "run sp00ky migrate again when that has ended, or end it: SELECT pg_terminate_backend(<pid>)"
            )
            raise StoreError(store=options.direct_location, problem=problem)
        if waited > SAID_AFTER and not said:
            said = True
            await _say(guard, "migration_lock_holders", schema)
        await backoff.wait()


async def _is_locked(guard: Any, schema: str) -> bool:
    transaction = guard.transaction(isolation="read_committed")
    await transaction.start()
    if await guard.fetchval(TRY_LOCK, schema):
        # Also ends the statement before it, whose snapshot CREATE INDEX CONCURRENTLY would wait for.
        await guard.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        return True  # until the end of the session
    await transaction.rollback()
    return False


async def _say(connection: Any, name: str, schema: str) -> None:
    """Log who has the lock that is waited for."""
    holders = await _holders(connection, name, schema)
    logger.warning("waiting for a lock on schema %s, which others have: %s", schema, holders)


async def _holders(connection: Any, name: str, schema: str) -> str:
    rows = await connection.fetch(fill(read_sql(name)), schema)
    return "; ".join(map(_shown, rows)) or "a session that has just ended"


def _shown(row: Any) -> str:
    since = "unknown" if row["since"] is None else f"{row['since'].astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
    application = shown(row["application_name"] or "")
    return f"pid {row['pid']} (application {application}, user {row['role']}, since {since})"


# What is pending.


@cache
def statements() -> tuple[Statement, ...]:
    """Return the statements of every version, in order."""
    folder = files("sp00ky_store_postgres").joinpath("schema", "migrations")
    texts = sorted((file.name, file.read_text()) for file in folder.iterdir() if file.name.endswith(".sql"))
    return tuple(
        Statement(version=int(name[:4]), kind=kind, name=own, without=without, text=text.strip())
        for name, whole in texts
        for kind, names, without, text in zip(*[iter(HEADER.split(whole)[1:])] * 4, strict=True)
        for own in names.split(", ")
    )


async def pending(connection: Any, tables: Tables) -> list[Pending]:
    """Return what has to be run, in order.

    Raises:
        SchemaError: A table is another application's, or of a newer version.
    """
    own = KEY_COLUMNS.items()
    relations = {name: await _find_own(connection, tables, name, columns) for name, columns in own}
    objects = await connection.fetch(read_sql("catalog_schema"), tables.schema)
    in_schema = Relation(objects={(row["kind"], row["name"]): True for row in objects})
    lacking: list[Pending] = []
    for statement in statements():
        if statement.is_shared:
            subject, _, part = statement.name.partition(".")
            name = object_name(subject, part) if statement.kind == "index" else part or subject
            of = in_schema if statement.kind in {"schema", "function"} else relations[subject]
            filled = relations.get(subject) is not None
            lacking += _lacking(statement, subject or tables.schema, name, tables, of, filled=filled)
    done = await versions(connection, tables) if relations["sp00ky_migration"] else {}
    for table in tables.all:
        lacking += await _lacking_of(connection, table, tables, done)
    return sorted(lacking, key=lambda statement: statement.alone)


async def _lacking_of(connection: Any, table: JobTable, tables: Tables, done: Versions) -> list[Pending]:
    """Return what a job table lacks."""
    version, min_compatible = done.get(table.table, (0, 0))
    if min_compatible > VERSION:
        raise TableRefused(
            store=tables.location,
            problem=f"table {table.table!r} has version {version}, made by a newer "
            f"sp00ky-store-postgres, and takes releases that know version {min_compatible}; this one "
            f"knows version {VERSION}",
            fix="upgrade sp00ky-store-postgres",
        )
    relation = await _find_own(connection, tables, table.table, JOB_KEY)
    if version > VERSION:
        return []  # that release knows what the table has to have
    has_rows = f"SELECT EXISTS (SELECT FROM {tables.name(table)})"  # noqa: S608  # a quoted name
    filled = relation is not None and await connection.fetchval(has_rows)
    lacking: list[Pending] = []
    for statement in statements():
        if not statement.is_shared:
            name = statement.name if statement.kind == "column" else object_name(table.table, statement.name)
            lacking += _lacking(statement, table.table, name, tables, relation, filled=filled)
    return lacking if version == VERSION else [*lacking, _record(table, tables, version)]


def _lacking(
    statement: Statement, table: str, name: str, tables: Tables, relation: Relation | None, *, filled: bool
) -> Iterator[Pending]:
    """Yield what makes an object of a table; ``name`` is that of the object."""
    if _is_there(statement, name, relation):
        return
    kind, is_dropped = LACKING.get(statement.kind, statement.kind), statement.kind == "dropped"
    named = {"schema": tables.schema, "table": table, "column": statement.name}.get(statement.kind, name)
    problem = f"{named} isn't needed any more" if is_dropped else f"{kind} {named} is missing"
    why = {"dropped": "with it, ", "validated": ""}.get(statement.kind, "without it, ")
    step = partial(
        Pending,
        table=table,
        why=f"migration {statement.version:04}: {why}{statement.without}",
        creates_table=statement.kind == "table" and not statement.name,
        without=statement.without,
        stops_jobs=statement.stops_jobs,
    )
    qualified = quoted(tables.schema, name)
    if kind == "index" and relation is not None and ("index", name) in relation.objects:
        filled = True
        problem = f"index {name} isn't valid: its making was cut off, or rows share a key"
        yield step(statement=f"DROP INDEX CONCURRENTLY IF EXISTS {qualified}", problem=problem)
    text = fill(
        OWN.sub(lambda place: quoted(tables.schema, place[1]), statement.text),
        schema=quoted(tables.schema),
        table=quoted(tables.schema, table),
        name=quoted(name),
        qualified=qualified,
        concurrently="CONCURRENTLY " if filled else "",
    )
    yield step(statement=text, problem=problem)


def _is_there(statement: Statement, name: str, relation: Relation | None) -> bool:
    """Tell whether a table, or the schema, is as a statement makes it."""
    if relation is None:
        return statement.kind == "dropped"
    if statement.kind == "dropped":
        kinds = ("trigger",) if statement.is_of_trigger else ("index", "check")
        return not any((kind, name) in relation.objects for kind in kinds)
    if statement.kind in {"index", "unique", "validated"}:
        return relation.objects.get(("check" if statement.kind == "validated" else "index", name), False)
    return statement.kind == "table" or (statement.kind, name) in relation.objects


def _record(table: JobTable, tables: Tables, version: int) -> Pending:
    statement = (
        f"INSERT INTO {tables.own['migration']} (table_name, version, min_compatible) "  # noqa: S608  # as above
        f"VALUES ({literal(table.table)}, {VERSION}, {MIN_COMPATIBLE}) ON CONFLICT DO NOTHING"
    )
    return Pending(
        table=table.table,
        statement=statement,
        why=f"the table has version {VERSION}",
        without="something that this release needs may be missing",
        stops_jobs=False,
        problem=f"it has version {version}, and this release needs version {VERSION}",
        is_record=True,
    )


async def _find_own(connection: Any, tables: Tables, name: str, key: Mapping[str, str]) -> Relation | None:
    """Return a table of the store's; None: there is none of that name.

    Raises:
        TableRefused: A relation of that name lacks key columns, or is no plain table.
    """
    relation = await find_table(connection, tables.schema, name)
    if relation is None:
        return None
    lacking = key.items() - relation.types.items()
    # Rows are addressed by their place, which several partitions may share. (Of a table that has children
    # statements see its own rows alone.)
    if relation.kind != "r" or lacking:
        why = "it has no " + ", ".join(f"{column} {type_}" for column, type_ in sorted(lacking))
        raise TableRefused(
            store=tables.location,
            problem=f"{name!r} is another application's table and was left as it is: "
            + ("it is no plain table" if relation.kind != "r" else why),
            fix="rename it, give the backend another method.table, or give the jobs a schema of their own: "
            "add schema=<name> to the store's URL",
        )
    return relation


# The catalog.


async def find_table(connection: Any, schema: str, name: str) -> Relation | None:
    """Return a relation; None: there is none of that name."""
    columns = await connection.fetch(read_sql("catalog_columns"), schema, name)
    if not columns:
        return None
    objects = await connection.fetch(read_sql("catalog_objects"), quoted(schema, name))
    return Relation(
        kind=columns[0]["kind"],
        # Without the quotes of ``quote_all_identifiers``; the store's own names need none.
        types={row["name"]: row["type"].replace('"', "") for row in columns if row["name"]},
        must_be_given=frozenset(row["name"] for row in columns if row["must_be_given"]),
        objects={
            **{("column", row["name"]): True for row in columns},
            **{(row["kind"], row["name"]): row["valid"] for row in objects},
        },
    )


async def versions(connection: Any, tables: Tables) -> Versions:
    """Return of each table that was migrated its version, and the oldest that can work on it."""
    # As json: the first release's table has no min_compatible.
    query = f"""
        SELECT table_name, version, coalesce((to_json(row) ->> 'min_compatible')::integer, version)
        FROM {tables.own["migration"]} AS row ORDER BY version
    """  # noqa: S608  # a quoted name
    return {row[0]: (row[1], row[2]) for row in await connection.fetch(query)}
