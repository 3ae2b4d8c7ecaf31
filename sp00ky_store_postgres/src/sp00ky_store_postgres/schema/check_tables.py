"""Find what is wrong with the tables: what they lack, whether they can lose jobs, how much is dead."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types

from sp00ky_core.ports import Finding, JobTable
from sp00ky_store_postgres.errors import MIGRATE, is_refusal
from sp00ky_store_postgres.schema.compatibility import TableRefused
from sp00ky_store_postgres.schema.definition import COLUMNS, object_name
from sp00ky_store_postgres.schema.introspection import Found
from sp00ky_store_postgres.schema.migration_files import statements
from sp00ky_store_postgres.schema.pending import pending
from sp00ky_store_postgres.schema.tables import Tables
from sp00ky_store_postgres.sql.loader import fill, quoted, read_sql
from sp00ky_store_postgres.url import PostgresOptions

STOPS = "no job can be enqueued or delivered"

MANY_DEAD = 100_000
DEAD_PER_LIVE = 4
"""A table with more dead rows than both: autovacuum doesn't get through."""
LARGE = 64 * 2**20
LARGEST_ROW = 3 * 2**10
"""Bytes that a row takes at most, with the room beside it: what is longer is kept elsewhere (TOAST)."""
EMPTY_PER_FULL = 4
"""A table that is both large and so much larger than its rows can be."""


async def check_migrations(connection: Any, tables: Tables, options: PostgresOptions) -> list[Finding]:
    """Find what the migrations have still to make; one finding where there are no tables yet."""
    try:
        steps = await pending(connection, tables, options)
    except TableRefused as error:
        return [Finding.stopping(tables.schema, error.problem, STOPS, error.fix)]
    created = {each.step.table for each in steps if each.step.creates_table}
    if created == tables.by_name.keys():
        problem = f"the tables are missing: {', '.join(sorted(created))}"
        return [Finding.stopping(tables.schema, problem, STOPS, MIGRATE)]
    incomplete = {each.step.table for each in steps if not each.is_record}
    found = {
        (each.step.table, each.problem): Finding(
            stops_jobs=each.stops_jobs,
            subject=each.step.table,
            problem=each.problem,
            consequence=each.consequence,
            fix=MIGRATE,
        )
        for each in steps
        if each.step.creates_table
        or (each.step.table not in created and not (each.is_record and each.step.table in incomplete))
    }
    return list(found.values())


async def check_table(connection: Any, table: JobTable, name: str, found: Found) -> AsyncIterator[Finding]:
    """Find what is wrong with a job table that is there, whose name in SQL is ``name``."""
    for column in sorted(found.must_be_given - COLUMNS.keys()):
        yield Finding.stopping(
            f"{table.table}.{column}",
            "it is NOT NULL and has no default",
            "no job can be enqueued",
            f"ALTER TABLE {name} ALTER COLUMN {quoted(column)} SET DEFAULT ...",
        )
    async for each in _assigned(connection, table, name, found):
        yield each
    for finding in _columns(table, name, found):
        yield finding
    for find in (_standing, _references, _bloat):
        async for finding in find(connection, name):
            yield finding


async def _assigned(connection: Any, table: JobTable, name: str, found: Found) -> AsyncIterator[Finding]:
    """Find what refuses jobs without ``assigned_to``."""
    refuses = {}
    if "assigned_to" in found.must_be_given:
        refuses["it is NOT NULL"] = f"ALTER TABLE {name} ALTER COLUMN assigned_to DROP NOT NULL"
    for row in await connection.fetch(read_sql("assigned_checks"), name):
        check = fill(read_sql("check_of_nothing"), expression=row["expression"], table=name)
        if await _refuses(connection, check):
            refuses[f"the CHECK {row['name']} requires it"] = (
                f"ALTER TABLE {name} DROP CONSTRAINT {row['name']}"
            )
    consequence = "jobs without it are refused, and those that schedules make have none"
    for problem, fix in refuses.items():
        yield Finding.warning(f"{table.table}.assigned_to", problem, consequence, fix)


async def _refuses(connection: Any, check: str) -> bool:
    try:
        return bool(await connection.fetchval(check))
    except asyncpg.PostgresError as error:  # of a function that it calls
        if is_refusal(error):
            return True
        raise


def _columns(table: JobTable, name: str, found: Found) -> Iterator[Finding]:
    """Find columns that are missing, or of another type; those that a migration adds aside."""
    by_migration = {each.name for each in statements("table") if each.kind == "column"}
    for column, type_ in COLUMNS.items():
        subject, is_ = f"{table.table}.{column}", found.types.get(column)
        if is_ is None and column not in by_migration:
            fix = "add it again, as docs/row-contract.md has it"
            yield Finding.stopping(subject, f"column {column} is missing", STOPS, fix)
        elif is_ not in {None, type_}:
            fix = f"ALTER TABLE {name} ALTER COLUMN {column} TYPE {type_} USING {column}::{type_}"
            if triggers := _triggers_on(column, table):  # PostgreSQL changes no column that a trigger reads
                drops = (f"DROP TRIGGER IF EXISTS {trigger} ON {name}; " for trigger in triggers)
                fix = f"{''.join(drops)}{fix}, and then sp00ky migrate"
            yield Finding.stopping(subject, f"column {column} is {is_}, not {type_}", STOPS, fix)


def _triggers_on(column: str, table: JobTable) -> list[str]:
    reads = re.compile(rf"\bNEW\.{column}\b")
    triggers = (each for each in statements("table") if each.kind == "trigger" and reads.search(each.text))
    return [quoted(object_name(table.table, each.name)) for each in triggers]


async def _standing(connection: Any, name: str) -> AsyncIterator[Finding]:
    for row in await connection.fetch(read_sql("standing"), name):
        if row["unlogged"]:
            yield Finding.warning(
                name,
                "it is UNLOGGED",
                "a crash of the server deletes every job",
                f"ALTER TABLE {name} SET LOGGED",
            )
        if row["has_row_security"]:
            role = quoted(row["role"])
            yield Finding.warning(
                name,
                f"row-level security is active for role {row['role']}, which doesn't bypass it",
                "what its policies hide is never delivered, and what they refuse isn't written",
                f"ALTER ROLE {role} BYPASSRLS, or a policy TO {role} USING (true) WITH CHECK (true)",
            )


async def _references(connection: Any, name: str) -> AsyncIterator[Finding]:
    for row in await connection.fetch(read_sql("references"), name):
        yield Finding.warning(
            name,
            f"constraint {row['name']} of {row['referrer']} references it "
            "without ON DELETE SET NULL or CASCADE",
            "jobs that it references can't be deleted, neither by retention nor by jobs clear",
            f"ALTER TABLE {row['referrer']} DROP CONSTRAINT {row['name']}, and add it again "
            "with ON DELETE SET NULL or ON DELETE CASCADE",
        )


async def _bloat(connection: Any, name: str) -> AsyncIterator[Finding]:
    for row in await connection.fetch(read_sql("bloat"), name):
        if row["never_vacuumed"]:
            yield Finding.warning(
                name,
                "its autovacuum is off",
                "it grows without end, and claims get slower and slower",
                f"ALTER TABLE {name} RESET (autovacuum_enabled)",
            )
        elif row["dead"] > max(MANY_DEAD, DEAD_PER_LIVE * row["live"]):
            yield Finding.warning(
                name,
                f"it holds {row['dead']} dead rows beside {row['live']} live ones",
                "claims step over them, and the table grows",
                f"VACUUM {name}; see that autovacuum is on, and that no transaction stays open for long",
            )
        elif 0 < row["live"] < row["bytes"] / (EMPTY_PER_FULL * LARGEST_ROW) and row["bytes"] > LARGE:
            yield Finding.warning(
                name,
                f"it takes {row['bytes'] // 2**20} MiB for {row['live']} rows: most of it is empty",
                "what reads the whole table, as stats, is slow, and the disk fuller than need be",
                f"VACUUM FULL {name}, which locks it meanwhile, or pg_repack",
            )
