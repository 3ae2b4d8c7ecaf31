"""From what is there to what has to be: the statements in between. Nothing is written here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import attrs

from sp00ky_core.ports import JobTable
from sp00ky_store_postgres.catalog import find_table, function_source, has_rows, versions
from sp00ky_store_postgres.differing import is_idle, notifies
from sp00ky_store_postgres.errors import MIGRATE
from sp00ky_store_postgres.extending import extension
from sp00ky_store_postgres.layout import CHECKS, COLUMNS, INDEXES, STORAGE, VERSION
from sp00ky_store_postgres.naming import with_names_seen
from sp00ky_store_postgres.options import PostgresOptions
from sp00ky_store_postgres.own import own_tables
from sp00ky_store_postgres.refusing import refuse_foreign, refuse_newer
from sp00ky_store_postgres.statements import fill, literal, quoted, read_migration
from sp00ky_store_postgres.steps import (
    FUNCTION,
    MAY_RAISE,
    POLLING,
    Planned,
    function_of,
    index_step,
    named,
    step_of,
    trigger_step,
)
from sp00ky_store_postgres.tables import Tables

__all__ = ["plan"]


async def plan(connection: Any, tables: Tables, options: PostgresOptions) -> list[Planned]:
    """What is to be done, in order; where a step is refused, none may be done.

    Raises:
        SchemaError: a table is none of ours, or of a newer version.
    """
    planned = [each async for each in _shared(connection, tables, options)]
    done = await versions(connection, tables.migration)
    for table in tables.all:
        found = await find_table(connection, tables.schema, table.table)
        version = done.get(table.table, 0)
        refuse_newer(table, version, options)
        if found is not None:
            refuse_foreign(table, tables.name(table), found, options)
        steps = list(_new_table(table, tables)) if found is None else []
        if found is not None:
            filled = await has_rows(connection, tables.name(table))
            steps = list(extension(table, tables, found, filled=filled))
        if version < VERSION:
            steps.append(_record(table, tables, version))
        planned += steps
    # What can't be rolled back comes last, and the record of it after that.
    ordered = sorted(planned, key=lambda each: each.alone)
    return await with_names_seen(connection, ordered, tables)


async def _shared(connection: Any, tables: Tables, options: PostgresOptions) -> AsyncIterator[Planned]:
    """What all job tables of a schema have in common."""
    schema = quoted(tables.schema)
    if await connection.fetchval("SELECT to_regnamespace($1::text)", schema) is None:
        yield step_of(
            tables.schema,
            f"CREATE SCHEMA IF NOT EXISTS {schema}",
            "the schema of the tables",
            problem=f"schema {tables.schema} isn't there",
            stops=True,
        )
    async for each in own_tables(connection, tables, options):
        yield each
    source = await function_source(connection, f"{function_of(tables)}()")
    if source is None:
        yield _function(tables, "isn't there", POLLING)
    elif not notifies(source):
        other = _function(tables, "is another one", POLLING if is_idle(source) else MAY_RAISE)
        mend = _function_renamed(tables)
        yield attrs.evolve(other, stops_jobs=not is_idle(source), mend=mend, refused=True)


def _function(tables: Tables, problem: str, consequence: str) -> Planned:
    return step_of(
        tables.schema,
        fill(read_migration("0001_notify"), function=function_of(tables)),
        "tells idle runners of new jobs",
        problem=f"function {FUNCTION} {problem}",
        consequence=consequence,
    )


def _function_renamed(tables: Tables) -> str:
    """Dropped, it might be missed by others; renamed, it would still be called by what is named after it."""
    drops = [
        f"DROP TRIGGER IF EXISTS {named(table, FUNCTION)} ON {tables.name(table)}" for table in tables.all
    ]
    return "; ".join([f"ALTER FUNCTION {function_of(tables)}() RENAME TO ...", *drops, f"then {MIGRATE}"])


def _new_table(table: JobTable, tables: Tables) -> Iterator[Planned]:
    lines = [column.definition for column in COLUMNS]
    lines += [f"CONSTRAINT {named(table, name)} CHECK ({check})" for name, check in CHECKS.items()]
    body = ",\n    ".join(lines)
    storage = ", ".join(f"{name} = {value}" for name, value in STORAGE.items())
    created = step_of(
        table.table,
        f"CREATE TABLE IF NOT EXISTS {tables.name(table)} (\n    {body}\n) WITH ({storage})",
        f"the jobs of backend {table.backend}",
        problem=f"table {table.table} isn't there",
        stops=True,
    )
    yield attrs.evolve(created, step=attrs.evolve(created.step, creates_table=True))
    for index in INDEXES:
        yield index_step(table, tables, index, concurrently=False)
    yield trigger_step(table, tables)


def _record(table: JobTable, tables: Tables, version: int) -> Planned:
    statement = (
        f"INSERT INTO {tables.migration} (table_name, version) "  # noqa: S608  # a quoted name, a constant
        f"VALUES ({literal(table.table)}, {VERSION}) ON CONFLICT DO NOTHING"
    )
    recorded = step_of(
        table.table,
        statement,
        f"the table has version {VERSION}",
        problem=f"it has version {version}, and this release needs version {VERSION}",
        alone=True,
        consequence="something that this release needs may be missing",
    )
    return attrs.evolve(recorded, is_record=True)
