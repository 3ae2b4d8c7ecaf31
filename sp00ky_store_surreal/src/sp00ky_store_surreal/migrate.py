"""Create or extend the tables; the steps first, so that they can be shown."""

from __future__ import annotations

import re
from collections.abc import Iterable

from surrealdb import RecordID

from sp00ky_core.errors import RowRefused, SchemaError
from sp00ky_core.ports import JobTable, MigrationStep
from sp00ky_store_surreal.connection import Connection
from sp00ky_store_surreal.layout import TableLayout, read_layout
from sp00ky_store_surreal.queries import quoted, steps_of, surql

__all__ = ["OWN_TABLES", "VERSION", "missing_steps", "apply_steps"]

OWN_TABLES = ("sp00ky_runner", "sp00ky_breaker", "sp00ky_migration")
VERSION = 1
ANY_PAYLOAD = (
    "option<string | object | array | number | bool | null | bytes | datetime | duration | uuid | record"
    " | geometry | range | function>"
)
"""``any`` that can be FLEXIBLE, which 3.x refuses for ``any``; a row that is there stays writable."""

_NAME = r"(`[^`]+`|[^\s;]+)"
_DEFINED = re.compile(
    rf"DEFINE (TABLE|FIELD|INDEX) (?:IF NOT EXISTS |OVERWRITE )?{_NAME}(?: ON TABLE {_NAME})?"
)


async def missing_steps(
    connection: Connection, tables: Iterable[JobTable], *, repair: bool
) -> list[MigrationStep]:
    """What a migration would do now. Raises ``SchemaError`` for a table that is no job table."""
    wanted = list(tables)
    layouts = await read_layout(connection, [*OWN_TABLES, *(each.table for each in wanted)])
    steps = _undefined(steps_of("own_tables"), layouts, "")
    for table in wanted:
        steps += _job_steps(connection.target.location, table, layouts[table.table], repair=repair)
    return steps


async def apply_steps(connection: Connection, steps: list[MigrationStep], tables: Iterable[JobTable]) -> None:
    """Carry them out, each statement by itself, and note the version."""
    for step in steps:
        try:
            await connection.write(step.statement)
        except RowRefused as error:
            raise SchemaError(
                store=error.store,
                problem=f"table {step.table!r} has rows that an index can't hold ({error.problem}): "
                "delete those whose path holds NUL, or that share a dedup_live, and run it again",
            ) from error
    if steps:
        await connection.write(
            surql("note_migration"),
            tables=[{"id": RecordID("sp00ky_migration", each.table), "name": each.table} for each in tables],
            version=VERSION,
        )


def _job_steps(location: str, table: JobTable, layout: TableLayout, *, repair: bool) -> list[MigrationStep]:
    names = {"table": quoted(table.table), "strategies": _listed(table.strategies)}
    layouts = {table.table: layout}
    if not layout.exists:
        created = [
            MigrationStep(table=table.table, statement=statement, why=why, creates_table=True)
            for statement, why in steps_of("job", **names)
        ]
        return created + _undefined(steps_of("job_additions", **names), layouts, table.table)
    if not layout.is_job_table:
        raise SchemaError(
            store=location,
            problem=f"table {table.table!r} is there and is no job table (it lacks path, payload, status or "
            "retries): give the backend another one in method.table",
        )
    repairs = _repairs(table, layout, names) if repair else []
    return repairs + _undefined(steps_of("job_additions", **names), layouts, table.table)


def _undefined(
    steps: list[tuple[str, str]], layouts: dict[str, TableLayout], table: str
) -> list[MigrationStep]:
    return [
        MigrationStep(table=table or _owner(statement), statement=statement, why=why)
        for statement, why in steps
        if not _is_there(statement, layouts)
    ]


def _owner(statement: str) -> str:
    found = _DEFINED.match(statement)
    return (found[3] or found[2]).strip("`;") if found else ""


def _is_there(statement: str, layouts: dict[str, TableLayout]) -> bool:
    found = _DEFINED.match(statement)
    if found is None:
        return False
    layout = layouts[_owner(statement)]
    name = found[2].strip("`;")
    return {"TABLE": layout.exists, "FIELD": name in layout.fields, "INDEX": name in layout.indexes}[found[1]]


def _repairs(table: JobTable, layout: TableLayout, names: dict[str, str]) -> list[MigrationStep]:
    def step(field: str, definition: str, why: str) -> MigrationStep:
        kept = layout.permissions_of(field)
        statement = (
            f"DEFINE FIELD OVERWRITE {field} ON TABLE {names['table']} {definition} {kept}".strip() + ";"
        )
        return MigrationStep(table=table.table, statement=statement, why=why)

    steps = []
    if not layout.holds_entries:
        why = "Entries of errors have fields: as it is they are stored empty, or refused."
        steps.append(step("errors.*", "TYPE object FLEXIBLE", why))
    if not layout.keeps_payload_objects:
        why = "A payload that is an object has fields: as it is, it is stored empty."
        kind = layout.type_of("payload")
        kind = ANY_PAYLOAD if "any" in kind else kind
        steps.append(step("payload", f"TYPE {kind} FLEXIBLE", why))
    if layout.created_at_moves:
        why = "created_at moves at each update: the newest job of a parent isn't found after a retry."
        steps.append(step("created_at", "TYPE datetime DEFAULT time::now() READONLY", why))
    if not layout.links_any_record:
        why = "A job without assigned_to, or with a parent in another table, is refused."
        steps.append(step("assigned_to", "TYPE option<record>", why))
    refused = layout.refused_strategies(table.strategies)
    if refused:
        definition = f'TYPE string DEFAULT ALWAYS "linear" ASSERT $value IN {names["strategies"]}'
        steps.append(step("retry_strategy", definition, f"A job with {', '.join(refused)} is refused."))
    return steps


def _listed(strategies: frozenset[str]) -> str:
    ordered = ["linear", "exponential", *sorted(strategies - {"linear", "exponential"})]
    return (
        "[" + ", ".join('"' + each.replace("\\", "\\\\").replace('"', '\\"') + '"' for each in ordered) + "]"
    )
