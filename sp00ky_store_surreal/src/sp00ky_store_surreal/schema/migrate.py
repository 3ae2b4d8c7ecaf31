"""Create or extend the tables; list the steps first, so that they can be shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from surrealdb import RecordID

from sp00ky_core.errors import SchemaError
from sp00ky_core.ports import LONGEST_TEXT, JobTable, MigrationStep, Table
from sp00ky_store_surreal.connection.conflict_retries import Connection
from sp00ky_store_surreal.errors import PlaceMissing
from sp00ky_store_surreal.schema.field_repairs import repairs
from sp00ky_store_surreal.schema.index_rebuilds import build, differences, make_true
from sp00ky_store_surreal.schema.own_tables import own_steps, own_tables
from sp00ky_store_surreal.schema.schema_files import steps_of
from sp00ky_store_surreal.schema.table_definitions import NO_JOB_TABLE, VERSION, TableLayout, read_layout
from sp00ky_store_surreal.surql.loader import identifier, quoted, surql
from sp00ky_store_surreal.url import Target

ANY_JSON = "option<string | object | array | number | bool | null> FLEXIBLE"
"""``any`` before 3.0, where an object in it would be stored empty. (3.2 refuses one with parts.)"""

FITS = f"$value = NONE OR string::len($value) <= {LONGEST_TEXT} OR $before = $value"
"""The condition of a text. One that is there already is taken, or its row couldn't be written any more."""

_DEFINED = re.compile(r"DEFINE (TABLE|FIELD|INDEX) (?:IF NOT EXISTS|OVERWRITE) (\S+)")


async def missing_steps(
    connection: Connection, tables: Iterable[JobTable], extensions: Sequence[Table] = (), *, repair: bool
) -> list[MigrationStep]:
    """List what a migration would do now. Raises ``SchemaError`` for a table that is no job table."""
    wanted, own = list(tables), own_tables(extensions)
    names = [*own, *(table.table for table in wanted)]
    steps: list[MigrationStep] = []
    try:
        layouts = await read_layout(connection, names)
    except PlaceMissing:
        steps.append(_place(connection.target))
        layouts = {name: TableLayout(name=name) for name in names}
    for name, table in own.items():
        beside, layout = connection.dialect.beside_writers, layouts[name]
        steps += _undefined(own_steps(table, beside, is_schemaless=layout.is_schemaless), layout)
    for job_table in wanted:
        steps += _job_steps(connection, job_table, layouts[job_table.table], repair=repair)
    migrated = [table for table in wanted if layouts[table.table].is_migrated]
    return steps + [difference.step for difference in await differences(connection, migrated)]


async def apply_steps(
    connection: Connection,
    steps: list[MigrationStep],
    tables: Sequence[JobTable],
    extensions: Sequence[Table] = (),
) -> None:
    """Carry them out, compare the indexes with their tables, and note the version.

    Tables come with their fields in one transaction: another store may look, or migrate, at the same time.
    """

    def these(*beginnings: str) -> list[MigrationStep]:
        return [step for step in steps if step.statement.startswith(beginnings)]

    for step in these("DEFINE NAMESPACE", "USE NS"):
        await connection.write(step.statement)
    if definitions := these("DEFINE TABLE", "DEFINE FIELD"):
        await connection.write(f"BEGIN; {' '.join(step.statement for step in definitions)} COMMIT;")
    indexes = [*these("DEFINE INDEX"), *these("REBUILD INDEX")]
    for step in indexes:
        await build(connection, step)
    made = {step.table for step in steps if step.creates_table}  # no client writes to them yet
    theirs = {table.table for table in tables} - made
    await make_true(connection, tables, built=any(step.table in theirs for step in indexes))
    if steps:
        await connection.write(
            surql("migrate_note_version"),
            tables=[
                {"id": RecordID("sp00ky_migration", name), "name": name, "version": version}
                for name, version in (
                    *((table.table, VERSION) for table in tables),
                    *((table.name, table.version) for table in extensions),
                )
            ],
        )


def _place(target: Target) -> MigrationStep:
    namespace, database = identifier(target.namespace), identifier(target.database)
    # Another user than root signs in to a namespace that is there, and may not define it.
    made = f"DEFINE NAMESPACE IF NOT EXISTS {namespace}; " if target.auth == "root" else ""
    return MigrationStep(
        table=f"{target.namespace}/{target.database}",
        statement=f"{made}USE NS {namespace}; DEFINE DATABASE IF NOT EXISTS {database};",
        why="The database that the tables will be in.",
    )


def _job_steps(
    connection: Connection, table: JobTable, layout: TableLayout, *, repair: bool
) -> list[MigrationStep]:
    names = {
        "beside_writers": connection.dialect.beside_writers,
        "table": quoted(table.table),
        "strategies": _listed(table.strategies),
        "payload": ANY_JSON if layout.is_older else "any",
        "result": "option<string>" if layout.is_older else "any",
        "length": FITS,
    }
    new, additions = steps_of("job", **names), steps_of("job_additions", **names)
    if not layout.exists:
        created = [
            MigrationStep(table=table.table, statement=statement, why=why, creates_table=True)
            for statement, why in new
        ]
        return created + _undefined(additions, layout)
    if not layout.is_job_table:
        problem = f"table {table.table!r} {NO_JOB_TABLE}"
        raise SchemaError(store=connection.target.location, problem=problem)
    fixes = repairs(table, layout, [*new, *additions], repair=repair)
    return fixes + _undefined(additions, layout)


def _listed(strategies: frozenset[str]) -> str:
    """Write strategies as a list in a definition."""
    ours = ["linear", "exponential"]
    return json.dumps([*ours, *sorted(strategies.difference(ours))], ensure_ascii=False)


def _undefined(steps: Iterable[tuple[str, str]], layout: TableLayout) -> list[MigrationStep]:
    """List those of a table's definitions that it lacks."""
    return [
        MigrationStep(table=layout.name, statement=statement, why=why)
        for statement, why in steps
        if not layout.has(*_DEFINED.findall(statement)[0]) or statement.startswith("DEFINE TABLE OVERWRITE")
    ]
