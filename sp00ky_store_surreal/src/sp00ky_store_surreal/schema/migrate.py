"""Create or extend the tables; list the steps first, so that they can be shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from surrealdb import RecordID

from sp00ky_core.errors import SchemaError
from sp00ky_core.ports import LONGEST_TEXT, JobTable, MigrationStep
from sp00ky_store_surreal.connection.executor import Connection
from sp00ky_store_surreal.errors import PlaceMissing
from sp00ky_store_surreal.schema.indexes import define, differences, make_true, rebuild
from sp00ky_store_surreal.schema.introspection import (
    FORMER_INDEXES,
    NO_JOB_TABLE,
    VERSION,
    TableLayout,
    read_layout,
)
from sp00ky_store_surreal.schema.own_tables import OWN_TABLES, own_steps
from sp00ky_store_surreal.schema.repair import repairs
from sp00ky_store_surreal.surql.loader import identifier, quoted, steps_of, surql
from sp00ky_store_surreal.url import Target

ANY_JSON = "option<string | object | array | number | bool | null> FLEXIBLE"
"""``any`` before 3.0, where an object in it would be stored empty. (3.2 refuses one with parts.)"""

FITS = f"$value = NONE OR string::len($value) <= {LONGEST_TEXT} OR $before = $value"
"""A text that isn't refused: what is there already, too, or the row couldn't be written any more."""

_NAME = r"(`[^`]+`|[^\s;]+)"
_DEFINED = re.compile(
    rf"DEFINE (TABLE|FIELD|INDEX) (?:IF NOT EXISTS |OVERWRITE )?{_NAME}(?: ON TABLE {_NAME})?"
)


async def missing_steps(
    connection: Connection, tables: Iterable[JobTable], *, repair: bool
) -> list[MigrationStep]:
    """List what a migration would do now. Raises ``SchemaError`` for a table that is no job table."""
    wanted = list(tables)
    names = [*OWN_TABLES, *(table.table for table in wanted)]
    steps: list[MigrationStep] = []
    try:
        layouts = await read_layout(connection, names)
    except PlaceMissing:
        steps.append(_place(connection.target))
        layouts = {name: TableLayout(name=name, exists=False) for name in names}
    steps += _undefined(own_steps(**_beside_writers(connection)), layouts)
    for table in wanted:
        steps += _job_steps(connection, table, layouts[table.table], repair=repair)
    return steps + await _rebuilds(
        connection, [table for table in wanted if layouts[table.table].is_migrated]
    )


async def _rebuilds(connection: Connection, migrated: list[JobTable]) -> list[MigrationStep]:
    """List indexes that differ from their tables."""
    return [
        MigrationStep(
            table=difference.table,
            statement=f"REBUILD INDEX {difference.index} ON TABLE {quoted(difference.table)};",
            why=f"It isn't what the table holds: {difference.problem}.",
        )
        for difference in await differences(connection, migrated)
    ]


async def apply_steps(connection: Connection, steps: list[MigrationStep], tables: Sequence[JobTable]) -> None:
    """Carry them out, compare the indexes with their tables, and note the version.

    Tables come with their fields in one transaction: another store may look, or migrate, at the same time.
    """

    def these(*beginnings: str) -> list[MigrationStep]:
        return [step for step in steps if step.statement.startswith(beginnings)]

    for step in these("DEFINE NAMESPACE", "USE NS"):
        await connection.write(step.statement)
    if definitions := these("DEFINE TABLE", "DEFINE FIELD"):
        await connection.write(f"BEGIN; {' '.join(step.statement for step in definitions)} COMMIT;")
    indexes, rebuilt = these("DEFINE INDEX"), these("REBUILD INDEX")
    for step in indexes:
        await define(connection, step, _defined(step.statement)[1])
    for step in rebuilt:
        await rebuild(connection, step.table, step.statement.split()[2])
    made = {step.table for step in steps if step.creates_table}  # no client writes to them yet
    theirs = {table.table for table in tables} - made
    await make_true(connection, tables, built=any(step.table in theirs for step in [*indexes, *rebuilt]))
    for step in these("REMOVE INDEX"):  # once there is what takes its place
        await connection.write(step.statement)
    if steps:
        await connection.write(
            surql("migrate_note_version"),
            tables=[
                {"id": RecordID("sp00ky_migration", table.table), "name": table.table} for table in tables
            ],
            version=VERSION,
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


def _beside_writers(connection: Connection) -> dict[str, str]:
    """Write how an index is built: embedded there are no other writers."""
    return {"beside_writers": "" if connection.target.embedded else " CONCURRENTLY"}


def _job_steps(
    connection: Connection, table: JobTable, layout: TableLayout, *, repair: bool
) -> list[MigrationStep]:
    names = {
        **_beside_writers(connection),
        "table": quoted(table.table),
        "strategies": _listed(table.strategies),
        "payload": ANY_JSON if layout.is_older else "any",
        "result": "option<string>" if layout.is_older else "any",
        "length": FITS,
    }
    layouts = {table.table: layout}
    new, additions = steps_of("job", **names), steps_of("job_additions", **names)
    if not layout.exists:
        created = [
            MigrationStep(table=table.table, statement=statement, why=why, creates_table=True)
            for statement, why in new
        ]
        return created + _undefined(additions, layouts)
    if not layout.is_job_table:
        problem = f"table {table.table!r} {NO_JOB_TABLE}"
        raise SchemaError(store=connection.target.location, problem=problem)
    fixes = repairs(table, layout, [*new, *additions], repair=repair)
    return fixes + _undefined(additions, layouts) + _former(layout)


def _listed(strategies: frozenset[str]) -> str:
    """Write strategies as a list in a definition."""
    ordered = ["linear", "exponential", *sorted(strategies - {"linear", "exponential"})]
    return f"[{', '.join(map(_text, ordered))}]"


def _text(strategy: str) -> str:
    return '"' + strategy.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _former(layout: TableLayout) -> list[MigrationStep]:
    """Take away indexes of the store's own that others have taken the place of."""
    return [
        MigrationStep(
            table=layout.name,
            statement=f"REMOVE INDEX IF EXISTS {index} ON TABLE {quoted(layout.name)};",
            why="Nothing uses this index of the outbox any more, and each write would go on to pay for it.",
        )
        for index in FORMER_INDEXES
        if index in layout.indexes
    ]


def _undefined(steps: Iterable[tuple[str, str]], layouts: dict[str, TableLayout]) -> list[MigrationStep]:
    return [
        MigrationStep(table=_defined(statement)[2], statement=statement, why=why)
        for statement, why in steps
        if not _is_there(statement, layouts)
    ]


def _defined(statement: str) -> tuple[str, str, str]:
    """Return what a definition defines (``INDEX``, say), its name, and its table; empty: it is none."""
    match = _DEFINED.match(statement)
    if match is None:
        return "", "", ""
    return match[1], match[2].strip("`;"), (match[3] or match[2]).strip("`;")


def _is_there(statement: str, layouts: dict[str, TableLayout]) -> bool:
    kind, name, table = _defined(statement)
    layout = layouts.get(table, TableLayout(name=table, exists=False))
    known = {"TABLE": layout.exists, "FIELD": name in layout.fields, "INDEX": name in layout.indexes}
    return known.get(kind, False)
