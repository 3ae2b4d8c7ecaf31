"""List the statements of the migrations whose objects the database lacks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import attrs

from sp00ky_core.ports import JobTable, MigrationStep
from sp00ky_store_postgres.schema.compatibility import refuse_newer, refuse_other
from sp00ky_store_postgres.schema.definition import JOB_KEY, KEY_COLUMNS, MIN_COMPATIBLE, VERSION, object_name
from sp00ky_store_postgres.schema.introspection import (
    Found,
    Version,
    exists,
    find_table,
    has_rows,
    versions,
)
from sp00ky_store_postgres.schema.migration_files import Statement, statements
from sp00ky_store_postgres.schema.tables import Tables
from sp00ky_store_postgres.sql.loader import fill, literal, quoted
from sp00ky_store_postgres.url import PostgresOptions

FUNCTIONS = ("sp00ky_notify", "sp00ky_refuse_payload", "sp00ky_refuse_row", "sp00ky_refuse_new_row")
CHECKS = ("status", "lease_epoch")

_WHY = {"dropped": "with it, ", "validated": ""}
"""How what is the matter begins; of what is added: without it."""


@attrs.frozen(kw_only=True)
class Pending:
    """A statement that has to be run.

    Attributes:
        step: The statement.
        problem: What is missing until then.
        consequence: What that leads to.
        stops_jobs: Whether enqueueing or running fails until then.
        is_record: It records the version that a table then has.
    """

    step: MigrationStep
    problem: str
    consequence: str
    stops_jobs: bool = False
    is_record: bool = False

    @property
    def alone(self) -> bool:
        """Tell whether it is run outside the transaction, after everything that is run in it."""
        # In the transaction that adds a CHECK, its validation would keep that one's lock.
        return self.is_record or bool(re.search(" (CONCURRENTLY|VALIDATE) ", self.step.statement))


async def pending(connection: Any, tables: Tables, options: PostgresOptions) -> list[Pending]:
    """Return what has to be run, in order.

    Raises:
        SchemaError: A table is another application's, or of a newer version.
    """
    found = await _shared(connection, tables, options)
    done = await versions(connection, tables.migration)
    for table in tables.all:
        found += await _table(connection, table, tables, options, done.get(table.table, Version()))
    return sorted(found, key=lambda each: each.alone)


async def _shared(connection: Any, tables: Tables, options: PostgresOptions) -> list[Pending]:
    found = {name: await find_table(connection, tables.schema, name) for name in KEY_COLUMNS}
    for name, table in found.items():
        if table is not None:
            refuse_other(name, KEY_COLUMNS[name], table, options)
    parts = {
        "schema": quoted(tables.schema),
        **{name: quoted(tables.schema, name) for name in (*KEY_COLUMNS, *FUNCTIONS)},
    }
    lacking: list[Pending] = []
    for each in statements("shared"):
        table_name, _, column = each.name.partition(".")
        table = found.get(table_name)
        if each.kind == "index":
            name = object_name(table_name, column)
            lacking += _lacking(each, name, table_name, tables, table, concurrently=table is not None)
            continue
        if each.kind == "schema":
            is_there = await exists(connection, parts["schema"], "namespace")
        elif each.kind == "function":
            is_there = await exists(connection, f"{parts[each.name]}()", "procedure")
        else:
            is_there = table is not None and (not column or column in table.types)
        if not is_there:
            subject = table_name or tables.schema
            lacking.append(_pending(each, subject, each.name or tables.schema, fill(each.text, **parts)))
    return lacking


async def _table(
    connection: Any, table: JobTable, tables: Tables, options: PostgresOptions, version: Version
) -> list[Pending]:
    refuse_newer(table, version, options)
    found = await find_table(connection, tables.schema, table.table)
    if found is not None:
        refuse_other(table.table, JOB_KEY, found, options)
    if version.version > VERSION:
        return []  # that release knows what the table has to have
    filled = found is not None and await has_rows(connection, tables.name(table))
    lacking = [
        statement
        for each in statements("table")
        for statement in _lacking(
            each, object_name(table.table, each.name), table.table, tables, found, concurrently=filled
        )
    ]
    return lacking if version.version == VERSION else [*lacking, _record(table, tables, version.version)]


def _lacking(
    each: Statement, name: str, table: str, tables: Tables, found: Found | None, *, concurrently: bool
) -> Iterator[Pending]:
    """Yield what makes an object of a table; ``name`` is that of the object."""
    problem = ""
    if _is_there(each, name, found):
        return
    qualified = quoted(tables.schema, name)
    if each.kind in {"index", "unique"} and found is not None and ("index", name) in found.objects:
        concurrently = True
        problem = f"index {name} isn't valid: its making was cut off, or rows share a key"
        drop = f"DROP INDEX CONCURRENTLY IF EXISTS {qualified}"
        yield _pending(each, table, name, drop, problem=problem)
    text = fill(
        each.text,
        table=quoted(tables.schema, table),
        name=quoted(name),
        qualified=qualified,
        **{function: quoted(tables.schema, function) for function in FUNCTIONS},
        concurrently="CONCURRENTLY " if concurrently else "",
        **{f"{check}_check": quoted(object_name(table, check)) for check in CHECKS},
    )
    shown = each.name if each.kind == "column" else name if each.name else table
    yield _pending(each, table, shown, text, problem=problem)


def _is_there(each: Statement, name: str, found: Found | None) -> bool:
    """Tell whether a table is as a statement makes it."""
    if found is None:
        return each.kind == "dropped"
    if each.kind == "table":
        return True
    if each.kind == "column":
        return each.name in found.types
    if each.kind == "dropped":
        kinds = ("trigger",) if each.text.startswith("DROP TRIGGER") else ("index", "check")
        return not any((kind, name) in found.objects for kind in kinds)
    if each.kind in {"trigger", "check"}:
        return (each.kind, name) in found.objects
    return found.objects.get(("check" if each.kind == "validated" else "index", name), False)


def _pending(each: Statement, subject: str, name: str, text: str, *, problem: str = "") -> Pending:
    kind = {"unique": "index", "validated": "the validation of check"}.get(each.kind, each.kind)
    lack = f"{name} isn't needed any more" if each.kind == "dropped" else f"{kind} {name} is missing"
    is_job_table = each.kind == "table" and not each.name
    return Pending(
        step=MigrationStep(
            table=subject,
            statement=text,
            why=f"migration {each.version:04}: {_WHY.get(each.kind, 'without it, ')}{each.without}",
            creates_table=is_job_table,
        ),
        problem=problem or lack,
        consequence=each.without,
        stops_jobs=each.stops_jobs,
    )


def _record(table: JobTable, tables: Tables, version: int) -> Pending:
    statement = (
        f"INSERT INTO {tables.migration} (table_name, version, min_compatible) "  # noqa: S608  # a quoted name
        f"VALUES ({literal(table.table)}, {VERSION}, {MIN_COMPATIBLE}) ON CONFLICT DO NOTHING"
    )
    return Pending(
        step=MigrationStep(table=table.table, statement=statement, why=f"the table has version {VERSION}"),
        problem=f"it has version {version}, and this release needs version {VERSION}",
        consequence="something that this release needs may be missing",
        is_record=True,
    )
