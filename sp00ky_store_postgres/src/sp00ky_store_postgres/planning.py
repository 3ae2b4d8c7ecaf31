"""From what is there to what has to be: the statements in between. Nothing is written here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import attrs

from sp00ky_core.ports import JobTable, MigrationStep
from sp00ky_store_postgres.catalog import Found, exists, find_table, has_rows, versions
from sp00ky_store_postgres.layout import CHECKS, COLUMNS, INDEXES, STORAGE, VERSION, Index, object_name
from sp00ky_store_postgres.options import PostgresOptions
from sp00ky_store_postgres.refusing import refuse_foreign, refuse_newer
from sp00ky_store_postgres.statements import fill, literal, quoted, read_migration, unless_there
from sp00ky_store_postgres.tables import Tables

__all__ = ["STOPS", "Planned", "plan"]

STOPS = "no job can be enqueued or delivered"

OWN_TABLES = {
    "sp00ky_migration": "which version each table has",
    "sp00ky_runner": "the runners' signs of life",
    "sp00ky_breaker": "which backends are paused",
}
"""The store's own tables, in each schema that holds job tables, and what is kept in them."""


@attrs.frozen(kw_only=True)
class Planned:
    """A step; whether it must run outside a transaction; and what is wrong as long as it hasn't run."""

    step: MigrationStep
    problem: str
    alone: bool = False
    stops_jobs: bool = False
    consequence: str = ""


async def plan(connection: Any, tables: Tables, options: PostgresOptions) -> list[Planned]:
    """What is to be done, in order.

    Raises:
        SchemaError: a table is none of ours, or of a newer version.
    """
    done = await versions(connection, tables.migration)
    planned = [each async for each in _own_tables(connection, tables)]
    for table in tables.all:
        found = await find_table(connection, tables.schema, table.table)
        version = done.get(table.table, 0)
        refuse_newer(table, version, options)
        if found is not None:
            refuse_foreign(table, tables.name(table), found, options)
        steps = list(_new_table(table, tables)) if found is None else []
        if found is not None:
            filled = await has_rows(connection, tables.name(table))
            steps = list(_extension(table, tables, found, filled=filled))
        if version < VERSION:
            steps.append(_record(table, tables, version))
        planned += steps
    # What can't be rolled back comes last, and the record of it after that.
    return sorted(planned, key=lambda each: each.alone)


async def _own_tables(connection: Any, tables: Tables) -> AsyncIterator[Planned]:
    schema = quoted(tables.schema)
    if await connection.fetchval("SELECT to_regnamespace($1::text)", schema) is None:
        yield _step(
            tables.schema,
            f"CREATE SCHEMA IF NOT EXISTS {schema}",
            "the schema of the tables",
            problem=f"schema {tables.schema} isn't there",
            stops=True,
        )
    for name, kept in OWN_TABLES.items():
        if not await exists(connection, quoted(tables.schema, name)):
            statement = fill(read_migration(f"0001_{name}"), table=quoted(tables.schema, name))
            yield _step(name, statement, kept, problem=f"table {name} isn't there", stops=True)
    if await connection.fetchval("SELECT to_regprocedure($1::text)", f"{_function(tables)}()") is None:
        yield _step(
            tables.schema,
            fill(read_migration("0001_notify"), function=_function(tables)),
            "tells idle runners of new jobs",
            problem="function sp00ky_notify isn't there",
            consequence="idle runners find new jobs by polling only",
        )


def _new_table(table: JobTable, tables: Tables) -> Iterator[Planned]:
    lines = [column.definition for column in COLUMNS]
    lines += [f"CONSTRAINT {_named(table, name)} CHECK ({check})" for name, check in CHECKS.items()]
    body = ",\n    ".join(lines)
    storage = ", ".join(f"{name} = {value}" for name, value in STORAGE.items())
    created = _step(
        table.table,
        f"CREATE TABLE IF NOT EXISTS {tables.name(table)} (\n    {body}\n) WITH ({storage})",
        f"the jobs of backend {table.backend}",
        problem=f"table {table.table} isn't there",
        stops=True,
    )
    yield attrs.evolve(created, step=attrs.evolve(created.step, creates_table=True))
    for index in INDEXES:
        yield _index(table, tables, index, concurrently=False)
    yield _trigger(table, tables)


def _extension(table: JobTable, tables: Tables, found: Found, *, filled: bool) -> Iterator[Planned]:
    name = tables.name(table)
    yield from _columns(table, name, found)
    yield from _checks(table, name, found)
    yield from _storage(table, name, found)
    for index in INDEXES:
        yield from _repaired(table, tables, index, found, filled=filled)
    if ("trigger", object_name(table.table, "sp00ky_notify")) not in found.objects:
        yield _trigger(table, tables)


def _columns(table: JobTable, name: str, found: Found) -> Iterator[Planned]:
    for column in COLUMNS:
        if column.name in found.types:
            continue
        statement = f"ALTER TABLE {name} ADD COLUMN IF NOT EXISTS {column.addition}"
        problem = f"column {column.name} is missing"
        yield _step(table.table, statement, f"column {column.name}", problem=problem, stops=True)
        if column.fill is not None:
            statement = f"ALTER TABLE {name} ALTER COLUMN {column.name} SET DEFAULT {column.default}"
            yield _step(table.table, statement, "the default of rows to come", problem=problem, stops=True)


def _storage(table: JobTable, name: str, found: Found) -> Iterator[Planned]:
    """What somebody has set otherwise stays as it is."""
    is_set = {option.partition("=")[0] for kind, option in found.objects if kind == "option"}
    unset = ", ".join(f"{key} = {value}" for key, value in STORAGE.items() if key not in is_set)
    if unset:
        yield _step(
            table.table,
            f"ALTER TABLE {name} SET ({unset})",
            "room for new versions of rows, and early vacuums",
            problem=f"it isn't set: {unset}",
            consequence="the table grows under load, and claims get slower",
        )


def _repaired(
    table: JobTable, tables: Tables, index: Index, found: Found, *, filled: bool
) -> Iterator[Planned]:
    name = object_name(table.table, index.suffix)
    valid = found.objects.get(("index", name))
    cut_off = ""
    if valid is False:
        cut_off = f"index {name} isn't valid: its making was cut off"
        statement = f"DROP INDEX CONCURRENTLY IF EXISTS {quoted(tables.schema, name)}"
        yield _step(table.table, statement, cut_off, problem=cut_off, alone=True, consequence=index.without)
    if not valid:
        yield _index(table, tables, index, concurrently=filled or valid is False, problem=cut_off)


def _checks(table: JobTable, name: str, found: Found) -> Iterator[Planned]:
    """In two steps: the first holds for rows to come, the second reads the table without locking it."""
    for suffix, check in CHECKS.items():
        constraint = object_name(table.table, suffix)
        valid = found.objects.get(("check", constraint))
        consequence = f"rows may break the rule {check}"
        if valid is None:
            statement = unless_there(
                f"pg_constraint WHERE conrelid = {_oid(name)} AND conname = {literal(constraint)}",
                f"ALTER TABLE {name} ADD CONSTRAINT {quoted(constraint)} CHECK ({check}) NOT VALID",
            )
            problem = f"constraint {constraint} is missing"
            yield _step(
                table.table,
                statement,
                f"for rows to come: {suffix}",
                problem=problem,
                consequence=consequence,
            )
        if not valid:
            statement = f"ALTER TABLE {name} VALIDATE CONSTRAINT {quoted(constraint)}"
            problem = f"constraint {constraint} {'is missing' if valid is None else 'is not validated'}"
            yield _step(
                table.table,
                statement,
                f"for the rows that are there: {suffix}",
                problem=problem,
                consequence=consequence,
            )


def _index(
    table: JobTable, tables: Tables, index: Index, *, concurrently: bool, problem: str = ""
) -> Planned:
    words = f"CREATE {'UNIQUE ' if index.unique else ''}INDEX {'CONCURRENTLY ' if concurrently else ''}"
    return _step(
        table.table,
        f"{words}IF NOT EXISTS {_named(table, index.suffix)} ON {tables.name(table)} {index.on}",
        f"without it, {index.without}",
        problem=problem or f"index {object_name(table.table, index.suffix)} is missing",
        alone=concurrently,
        stops=index.unique,
        consequence=index.without,
    )


def _trigger(table: JobTable, tables: Tables) -> Planned:
    name = object_name(table.table, "sp00ky_notify")
    statement = unless_there(
        f"pg_trigger WHERE tgrelid = {_oid(tables.name(table))} AND tgname = {literal(name)}",
        fill(
            read_migration("0001_trigger"),
            name=quoted(name),
            table=tables.name(table),
            function=_function(tables),
        ),
    )
    return _step(
        table.table,
        statement,
        "tells idle runners of new jobs",
        problem=f"trigger {name} is missing",
        consequence="idle runners find new jobs by polling only",
    )


def _record(table: JobTable, tables: Tables, version: int) -> Planned:
    statement = (
        f"INSERT INTO {tables.migration} (table_name, version) "  # noqa: S608  # a quoted name, a constant
        f"VALUES ({literal(table.table)}, {VERSION}) ON CONFLICT DO NOTHING"
    )
    return _step(
        table.table,
        statement,
        f"the table has version {VERSION}",
        problem=f"it has version {version}, and this release needs version {VERSION}",
        alone=True,
        consequence="something that this release needs may be missing",
    )


def _step(
    table: str,
    statement: str,
    why: str,
    *,
    problem: str,
    alone: bool = False,
    stops: bool = False,
    consequence: str = "",
) -> Planned:
    return Planned(
        step=MigrationStep(table=table, statement=statement, why=why),
        problem=problem,
        alone=alone,
        stops_jobs=stops,
        consequence=consequence or (STOPS if stops else ""),
    )


def _named(table: JobTable, suffix: str) -> str:
    return quoted(object_name(table.table, suffix))


def _oid(name: str) -> str:
    return f"{literal(name)}::regclass"


def _function(tables: Tables) -> str:
    return quoted(tables.schema, "sp00ky_notify")
