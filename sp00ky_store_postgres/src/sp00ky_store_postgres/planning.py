"""From what is there to what has to be: the statements in between. Nothing is written here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import attrs

from sp00ky_core.errors import SchemaError
from sp00ky_core.ports import JobTable, MigrationStep
from sp00ky_store_postgres.catalog import Found, exists, find_table, has_rows, versions
from sp00ky_store_postgres.layout import CHECKS, COLUMNS, INDEXES, STORAGE, VERSION, Index, object_name
from sp00ky_store_postgres.options import PostgresOptions
from sp00ky_store_postgres.statements import fill, literal, quoted, read_migration
from sp00ky_store_postgres.tables import Tables

__all__ = ["Planned", "plan"]

STOPS = "no job can be enqueued or delivered"


@attrs.frozen(kw_only=True)
class Planned:
    """A step; whether it must run outside a transaction; and what is wrong as long as it hasn't run."""

    step: MigrationStep
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
        _refuse_newer(table, done.get(table.table, 0), options)
        if found is not None:
            _refuse_foreign(table, found, options)
        steps = list(_new_table(table, tables)) if found is None else []
        if found is not None:
            filled = await has_rows(connection, tables.name(table))
            steps = list(_extension(table, tables, found, filled=filled))
        if steps or done.get(table.table, 0) < VERSION:
            steps.append(_record(table, tables))
        planned += steps
    # What can't be rolled back comes last, and the record of it after that.
    return sorted(planned, key=lambda each: each.alone)


def _refuse_newer(table: JobTable, version: int, options: PostgresOptions) -> None:
    if version > VERSION:
        raise SchemaError(
            store=options.location,
            problem=f"table {table.table!r} has version {version}, made by a newer sp00ky-store-postgres "
            f"than this one, which knows version {VERSION}: upgrade it",
        )


def _refuse_foreign(table: JobTable, found: Found, options: PostgresOptions) -> None:
    problems = list(_foreign(found))
    if problems:
        raise SchemaError(
            store=options.location,
            problem=f"{table.table!r} is no job table and was left as it is: {'; '.join(problems[:5])}; "
            f"give backend {table.backend!r} another method.table",
        )


def _foreign(found: Found) -> Iterator[str]:
    if found.kind != "r":
        # Rows are addressed by their place, which several parts of one table may share.
        yield "it is a view, or has partitions or children"
        return
    for column in COLUMNS:
        type_found = found.types.get(column.name)
        if type_found is None and column.identifies:
            yield f"it has no column {column.name}"
        elif type_found is not None and type_found != column.type:
            yield f"column {column.name} is {type_found}, not {column.type}"


async def _own_tables(connection: Any, tables: Tables) -> AsyncIterator[Planned]:
    schema = quoted(tables.schema)
    if await connection.fetchval("SELECT to_regnamespace($1::text)", schema) is None:
        yield _step("", f"CREATE SCHEMA IF NOT EXISTS {schema}", "the schema of the tables", stops=True)
    own = (tables.migration, tables.runner, tables.breaker)
    if not all([await exists(connection, each) for each in own]):
        text = fill(
            read_migration("0001_own_tables"),
            migration=tables.migration,
            runner=tables.runner,
            breaker=tables.breaker,
        )
        for statement in text.split(";"):
            if statement.strip():
                yield _step(
                    "", statement.strip(), "runners, breakers and migrations are kept in it", stops=True
                )
    if await connection.fetchval("SELECT to_regprocedure($1::text)", f"{_function(tables)}()") is None:
        yield _step(
            "",
            fill(read_migration("0001_notify"), function=_function(tables)),
            "tells idle runners of new jobs",
            consequence="idle runners find new jobs by polling only",
        )


def _new_table(table: JobTable, tables: Tables) -> Iterator[Planned]:
    lines = [column.definition for column in COLUMNS]
    lines += [f"CONSTRAINT {_named(table, name)} CHECK ({check})" for name, check in CHECKS.items()]
    body = ",\n    ".join(lines)
    storage = ", ".join(f"{name} = {value}" for name, value in STORAGE.items())
    created = _step(
        table.table,
        f"CREATE TABLE {tables.name(table)} (\n    {body}\n) WITH ({storage})",
        f"the jobs of backend {table.backend}",
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
        yield _step(table.table, statement, f"column {column.name} is missing", stops=True)
        if column.fill is not None:
            statement = f"ALTER TABLE {name} ALTER COLUMN {column.name} SET DEFAULT {column.default}"
            yield _step(table.table, statement, "the default of rows to come", stops=True)


def _storage(table: JobTable, name: str, found: Found) -> Iterator[Planned]:
    """What somebody has set otherwise stays as it is."""
    is_set = {option.partition("=")[0] for kind, option in found.objects if kind == "option"}
    unset = ", ".join(f"{key} = {value}" for key, value in STORAGE.items() if key not in is_set)
    if unset:
        yield _step(
            table.table,
            f"ALTER TABLE {name} SET ({unset})",
            "room for new versions of rows, and early vacuums",
            consequence="the table grows under load, and claims get slower",
        )


def _repaired(
    table: JobTable, tables: Tables, index: Index, found: Found, *, filled: bool
) -> Iterator[Planned]:
    name = object_name(table.table, index.suffix)
    valid = found.objects.get(("index", name))
    if valid is False:
        statement = f"DROP INDEX CONCURRENTLY IF EXISTS {quoted(tables.schema, name)}"
        yield _step(table.table, statement, "its making was cut off", alone=True, consequence=index.without)
    if not valid:
        yield _index(table, tables, index, concurrently=filled or valid is False)


def _checks(table: JobTable, name: str, found: Found) -> Iterator[Planned]:
    """In two steps: the first holds for rows to come, the second reads the table without locking it."""
    for suffix, check in CHECKS.items():
        constraint = object_name(table.table, suffix)
        valid = found.objects.get(("check", constraint))
        consequence = f"rows may break the rule {check}"
        if valid is None:
            statement = f"ALTER TABLE {name} ADD CONSTRAINT {quoted(constraint)} CHECK ({check}) NOT VALID"
            yield _step(table.table, statement, f"keeps out: {suffix}", consequence=consequence)
        if not valid:
            statement = f"ALTER TABLE {name} VALIDATE CONSTRAINT {quoted(constraint)}"
            yield _step(table.table, statement, f"the rows that are there: {suffix}", consequence=consequence)


def _index(table: JobTable, tables: Tables, index: Index, *, concurrently: bool) -> Planned:
    words = f"CREATE {'UNIQUE ' if index.unique else ''}INDEX {'CONCURRENTLY ' if concurrently else ''}"
    return _step(
        table.table,
        f"{words}IF NOT EXISTS {_named(table, index.suffix)} ON {tables.name(table)} {index.on}",
        f"without it, {index.without}",
        alone=concurrently,
        stops=index.unique,
        consequence=index.without,
    )


def _trigger(table: JobTable, tables: Tables) -> Planned:
    text = fill(
        read_migration("0001_trigger"),
        name=_named(table, "sp00ky_notify"),
        table=tables.name(table),
        function=_function(tables),
    )
    consequence = "idle runners find new jobs by polling only"
    return _step(table.table, text, "tells idle runners of new jobs", consequence=consequence)


def _record(table: JobTable, tables: Tables) -> Planned:
    statement = (
        f"INSERT INTO {tables.migration} (table_name, version) "  # noqa: S608  # a quoted name, a constant
        f"VALUES ({literal(table.table)}, {VERSION}) ON CONFLICT DO NOTHING"
    )
    why = f"the table has version {VERSION}"
    return _step(table.table, statement, why, alone=True, consequence="its version is old")


def _step(
    table: str, statement: str, why: str, *, alone: bool = False, stops: bool = False, consequence: str = ""
) -> Planned:
    return Planned(
        step=MigrationStep(table=table, statement=statement, why=why),
        alone=alone,
        stops_jobs=stops,
        consequence=consequence or (STOPS if stops else ""),
    )


def _named(table: JobTable, suffix: str) -> str:
    return quoted(object_name(table.table, suffix))


def _function(tables: Tables) -> str:
    return quoted(tables.schema, "sp00ky_notify")
