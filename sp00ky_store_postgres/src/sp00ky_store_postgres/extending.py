"""What a table that is there already lacks: somebody else's, an older one, one that was changed by hand."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from sp00ky_core.ports import JobTable
from sp00ky_store_postgres.catalog import Found
from sp00ky_store_postgres.errors import MIGRATE
from sp00ky_store_postgres.layout import CHECKS, COLUMNS, INDEXES, KEY, STORAGE, Column, Index, object_name
from sp00ky_store_postgres.statements import literal, quoted, unless_there
from sp00ky_store_postgres.steps import (
    FUNCTION,
    POLLING,
    Planned,
    index_step,
    oid_of,
    rows_first,
    step_of,
    trigger_step,
)
from sp00ky_store_postgres.tables import Tables

__all__ = ["extension"]


def extension(table: JobTable, tables: Tables, found: Found, *, filled: bool) -> Iterator[Planned]:
    """The steps that make it what ``layout.py`` says.

    Args:
        table: the job table.
        tables: all of them.
        found: what it is now.
        filled: it has rows, and writers that mustn't wait.
    """
    name = tables.name(table)
    yield from _columns(table, name, found)
    yield from _checks(table, name, found)
    yield from _storage(table, name, found)
    for index in INDEXES:
        yield from _repaired(table, tables, index, found, filled=filled)
    if found.objects.get(("unique", "id")) is not True:
        yield from _repaired(table, tables, KEY, found, filled=filled)
    trigger = object_name(table.table, FUNCTION)
    if ("trigger", trigger) not in found.objects:
        yield trigger_step(table, tables)
    elif not found.objects["trigger", trigger]:
        yield _enabled(table, name, trigger)


def _columns(table: JobTable, name: str, found: Found) -> Iterator[Planned]:
    for column in COLUMNS:
        if column.name in found.types:
            yield from _default(table, name, column, found)
            continue
        statement = f"ALTER TABLE {name} ADD COLUMN IF NOT EXISTS {column.addition}"
        problem = f"column {column.name} is missing"
        yield step_of(table.table, statement, f"column {column.name}", problem=problem, stops=True)
        if column.fill is not None:
            statement = f"ALTER TABLE {name} ALTER COLUMN {column.name} SET DEFAULT {column.default}"
            yield step_of(table.table, statement, "the default of rows to come", problem=problem, stops=True)


def _default(table: JobTable, name: str, column: Column, found: Found) -> Iterator[Planned]:
    """Of a column that somebody else has made: an INSERT may leave it out."""
    if column.default is not None and column.name not in found.has_default:
        yield step_of(
            table.table,
            f"ALTER TABLE {name} ALTER COLUMN {column.name} SET DEFAULT {column.default}",
            f"column {column.name} can be left out",
            problem=f"column {column.name} has no default",
            stops=True,
        )


def _storage(table: JobTable, name: str, found: Found) -> Iterator[Planned]:
    """What somebody has set otherwise stays as it is."""
    is_set = {option.partition("=")[0] for kind, option in found.objects if kind == "option"}
    unset = ", ".join(f"{key} = {value}" for key, value in STORAGE.items() if key not in is_set)
    if unset:
        yield step_of(
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
    if valid is None:
        yield index_step(table, tables, index, concurrently=filled)
    elif not valid:
        yield from _made_again(table, tables, index)


def _made_again(table: JobTable, tables: Tables, index: Index) -> Iterator[Planned]:
    name = object_name(table.table, index.suffix)
    same = f"rows have the same {', '.join(index.columns)}, or " if index.unique else ""
    cut_off = f"index {name} isn't valid: {same}its making was cut off"
    made = index_step(table, tables, index, concurrently=True, problem=cut_off)
    mend = rows_first(made.rows) if made.rows else MIGRATE
    statement = f"DROP INDEX CONCURRENTLY IF EXISTS {quoted(tables.schema, name)}"
    dropped = step_of(table.table, statement, cut_off, problem=cut_off, alone=True, consequence=index.without)
    yield attrs.evolve(dropped, mend=mend)
    yield attrs.evolve(made, mend=mend)


def _checks(table: JobTable, name: str, found: Found) -> Iterator[Planned]:
    """In two steps: the first holds for rows to come, the second reads the table without locking it.

    A column that may be null, as we wouldn't have made it, gets one more.
    """
    nullable = [
        each for each in COLUMNS if each.required and each.name in found.types.keys() - found.not_null
    ]
    given = {f"{each.name}_given": f"{each.name} IS NOT NULL" for each in nullable}
    for suffix, check in (CHECKS | given).items():
        valid = found.objects.get(("check", object_name(table.table, suffix)))
        stops = suffix in given
        if valid is None:
            yield _declared(table, name, suffix, check, stops=stops)
        if not valid:
            yield _validated(table, name, suffix, check, is_new=valid is None, stops=stops)


def _declared(table: JobTable, name: str, suffix: str, check: str, *, stops: bool) -> Planned:
    constraint = object_name(table.table, suffix)
    statement = unless_there(
        f"pg_constraint WHERE conrelid = {oid_of(name)} AND conname = {literal(constraint)}",
        f"ALTER TABLE {name} ADD CONSTRAINT {quoted(constraint)} CHECK ({check}) NOT VALID",
    )
    return step_of(
        table.table,
        statement,
        f"for rows to come: {suffix}",
        problem=f"constraint {constraint} is missing",
        stops=stops,
        consequence=f"rows may break the rule {check}",
    )


def _validated(table: JobTable, name: str, suffix: str, check: str, *, is_new: bool, stops: bool) -> Planned:
    constraint = object_name(table.table, suffix)
    rows = f"SELECT * FROM {name} WHERE NOT ({check})"  # noqa: S608  # a quoted name, a constant
    step = step_of(
        table.table,
        f"ALTER TABLE {name} VALIDATE CONSTRAINT {quoted(constraint)}",
        f"for the rows that are there: {suffix}",
        problem=f"constraint {constraint} {'is missing' if is_new else 'is not validated'}",
        alone=True,  # in the transaction that declares it, it would keep that one's lock
        stops=stops,
        consequence=f"rows may break the rule {check}",
    )
    return attrs.evolve(step, rows=rows, mend=step.mend if is_new else rows_first(rows))


def _enabled(table: JobTable, name: str, trigger: str) -> Planned:
    return step_of(
        table.table,
        f"ALTER TABLE {name} ENABLE TRIGGER {quoted(trigger)}",
        "tells idle runners of new jobs",
        problem=f"trigger {trigger} is disabled",
        consequence=POLLING,
    )
