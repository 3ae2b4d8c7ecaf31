"""Steps of a migration: each a statement, and what is wrong as long as it hasn't run."""

from __future__ import annotations

import attrs

from sp00ky_core.ports import JobTable, MigrationStep
from sp00ky_store_postgres.errors import MIGRATE
from sp00ky_store_postgres.layout import Index, object_name
from sp00ky_store_postgres.statements import fill, literal, quoted, read_migration, unless_there
from sp00ky_store_postgres.tables import Tables

__all__ = [
    "STOPS",
    "POLLING",
    "MAY_RAISE",
    "FUNCTION",
    "Planned",
    "step_of",
    "index_step",
    "trigger_step",
    "rows_first",
    "named",
    "oid_of",
    "function_of",
]

STOPS = "no job can be enqueued or delivered"
POLLING = "idle runners find new jobs by polling only"
MAY_RAISE = "each INSERT calls it, and fails if it does; idle runners find new jobs by polling only"
FUNCTION = "sp00ky_notify"


@attrs.frozen(kw_only=True)
class Planned:
    """A step; whether it must run outside a transaction; and what is wrong as long as it hasn't run."""

    step: MigrationStep
    problem: str
    alone: bool = False
    stops_jobs: bool = False
    consequence: str = ""
    mend: str = MIGRATE
    makes: str | None = None  # the name of the index that it makes
    rows: str = ""  # a statement that finds the rows that it fails for
    is_record: bool = False  # of the version that the table then has
    refused: bool = False  # it can't be done, and nothing is, until somebody has done what ``mend`` says


def step_of(
    table: str,
    statement: str,
    why: str,
    *,
    problem: str,
    alone: bool = False,
    stops: bool = False,
    consequence: str = "",
) -> Planned:
    """A step; what stops jobs has that for a consequence, if nothing else is said."""
    return Planned(
        step=MigrationStep(table=table, statement=statement, why=why),
        problem=problem,
        alone=alone,
        stops_jobs=stops,
        consequence=consequence or (STOPS if stops else ""),
    )


def index_step(
    table: JobTable, tables: Tables, index: Index, *, concurrently: bool, problem: str = ""
) -> Planned:
    """Make an index."""
    words = f"CREATE {'UNIQUE ' if index.unique else ''}INDEX {'CONCURRENTLY ' if concurrently else ''}"
    name = object_name(table.table, index.suffix)
    planned = step_of(
        table.table,
        f"{words}IF NOT EXISTS {named(table, index.suffix)} ON {tables.name(table)} {index.definition}",
        f"without it, {index.without}",
        problem=problem or f"index {name} is missing",
        alone=concurrently,
        stops=index.unique,
        consequence=index.without,
    )
    return attrs.evolve(
        planned, makes=name, rows=rows_twice(tables.name(table), index) if index.unique else ""
    )


def rows_twice(name: str, index: Index) -> str:
    """A statement that finds what is in a table more than once; ``name`` is the table's in SQL."""
    columns = ", ".join(index.columns)
    conditions = [f"{each} IS NOT NULL" for each in index.columns]
    conditions += [index.where] if index.where else []
    return (
        f"SELECT {columns}, count(*) FROM {name} "  # noqa: S608  # a quoted name, constants
        f"WHERE {' AND '.join(conditions)} GROUP BY {columns} HAVING count(*) > 1"
    )


def rows_first(rows: str) -> str:
    """The mend of what rows may stand in the way of."""
    return f"mend the rows that this finds: {rows}; then {MIGRATE}"


def trigger_step(table: JobTable, tables: Tables) -> Planned:
    """Make the trigger that notifies."""
    name = object_name(table.table, FUNCTION)
    statement = unless_there(
        f"pg_trigger WHERE tgrelid = {oid_of(tables.name(table))} AND tgname = {literal(name)}",
        fill(
            read_migration("0001_trigger"),
            name=quoted(name),
            table=tables.name(table),
            function=function_of(tables),
        ),
    )
    return step_of(
        table.table,
        statement,
        "tells idle runners of new jobs",
        problem=f"trigger {name} is missing",
        consequence=POLLING,
    )


def named(table: JobTable, suffix: str) -> str:
    """The name of one of a table's objects in SQL."""
    return quoted(object_name(table.table, suffix))


def oid_of(name: str) -> str:
    """An expression for a table's oid; ``name`` is the table's in SQL."""
    return f"{literal(name)}::regclass"


def function_of(tables: Tables) -> str:
    """The name of the trigger's function in SQL."""
    return quoted(tables.schema, FUNCTION)
