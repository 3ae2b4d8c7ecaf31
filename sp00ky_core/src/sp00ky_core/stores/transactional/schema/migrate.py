"""Bring a database to the tables that are declared: plan what is missing, and add it.

Nothing is taken away but an index that an earlier version has declared, once its successor is there.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from sp00ky_core.errors import SchemaError
from sp00ky_core.ports import Finding, JobTable, MigrationStep
from sp00ky_core.stores.transactional.connection.session import Is, Session
from sp00ky_core.stores.transactional.observe.rollups import ROLLUPS
from sp00ky_core.stores.transactional.schedules.definition import SCHEDULE_RUNS, SCHEDULES
from sp00ky_core.stores.transactional.schema.definition import (
    AUDITS,
    BREAKERS,
    CONTROLS,
    MIGRATIONS,
    RUNNERS,
    VERSION,
    Table,
    job_table,
)

MARKS = frozenset({"id", "path", "payload", "status"})
"""Columns without which a table is no job table."""


async def plan(session: Session, tables: Sequence[JobTable], location: str) -> list[MigrationStep]:
    """List what is missing, in the order in which it can be added.

    Raises:
        SchemaError: A table of this name is no table of jobs, or a newer version has changed it.
    """
    steps: list[MigrationStep] = []
    for table in _tables(tables):
        steps += await _plan_table(session, table, location)
    return steps


async def migrate(session: Session, tables: Sequence[JobTable], location: str) -> list[MigrationStep]:
    """Add what is missing, planned in the same transaction, so that any number may do it at once."""
    async with session.migrating():
        steps = await plan(session, tables, location)
        for step in steps:
            await session.define(step.statement)
        for table in _tables(tables):
            await _record(session, table)
    return steps


async def check(session: Session, tables: Sequence[JobTable], location: str) -> list[Finding]:
    """Say what is wrong with the tables: what is missing, and what no migration mends."""
    found = findings(await plan(session, tables, location))
    for table in _tables(tables):
        found += await session.findings(session.fitted(table))
    return found


def findings(steps: Sequence[MigrationStep]) -> list[Finding]:
    """Say what a plan's steps mean as long as they aren't made."""
    return [
        Finding(
            stops_jobs=not step.statement.startswith(("CREATE INDEX", "DROP INDEX")),
            subject=step.table,
            problem=step.why,
            consequence=_consequence(step.statement),
            fix="run: sp00ky migrate",
        )
        for step in steps
    ]


CONSEQUENCES = {
    "CREATE INDEX": "claims and reads get slower as the table grows",
    "CREATE UNIQUE": "two jobs may hold a dedup_key, or be processed at once for an ordering_key",
    "CREATE TABLE": "no job can be enqueued or claimed",
    "DROP INDEX": "each claim maintains an index that nothing uses",
}


def _consequence(statement: str) -> str:
    return CONSEQUENCES.get(" ".join(statement.split(maxsplit=2)[:2]), "calls fail")


def _tables(tables: Sequence[JobTable]) -> list[Table]:
    fleet = (RUNNERS, BREAKERS, CONTROLS, AUDITS, SCHEDULES, SCHEDULE_RUNS, ROLLUPS, MIGRATIONS)
    return [*(job_table(each.table) for each in tables), *fleet]


async def _plan_table(session: Session, declared: Table, location: str) -> list[MigrationStep]:
    table = session.fitted(declared)
    present = await session.columns_of(table)
    if present is None:
        creation = _step(table, session.definition(table), "the table is missing")
        return [attrs.evolve(creation, creates_table=True), *_indexes(session, table, frozenset())]
    await _refuse_strangers(session, declared, present, location)
    columns = [
        _step(table, session.definition(table, column), f"the column {column.name} is missing")
        for column in table.columns
        if column.name not in present
    ]
    indexes = await session.indexes_of(table)
    return [*columns, *_indexes(session, table, indexes), *_removals(session, table, indexes)]


def _indexes(session: Session, table: Table, present: frozenset[str]) -> list[MigrationStep]:
    return [
        _step(table, session.definition(table, index), f"the index {table.index_name(index)} is missing")
        for index in table.indexes
        if table.index_name(index) not in present
    ]


def _removals(session: Session, table: Table, present: frozenset[str]) -> list[MigrationStep]:
    why = "is of an earlier version, and nothing uses it"
    former = sorted(table.former_indexes() & present)
    return [_step(table, session.removal(table, name), f"the index {name} {why}") for name in former]


def _step(table: Table, statement: str, why: str) -> MigrationStep:
    return MigrationStep(table=table.name, statement=statement, why=why)


async def _refuse_strangers(session: Session, table: Table, present: frozenset[str], location: str) -> None:
    needed = MARKS if table.kinds.keys() >= MARKS else frozenset(table.key)
    if missing := sorted(needed - present):
        problem = f"the table {table.name} is no table of Sp00ky's: it has no column {missing[0]}"
        raise SchemaError(store=location, problem=f"{problem}; rename it, or set `table` to another name")
    if table is MIGRATIONS:
        for row in await session.select(MIGRATIONS):
            if (row["min_compatible"] or 0) > VERSION:
                problem = f"the table {row['table_name']} was changed by a newer version"
                raise SchemaError(store=location, problem=f"{problem}: upgrade sp00ky-core")


async def _record(session: Session, table: Table) -> None:
    where = [Is("table_name", "=", table.name)]
    rows = await session.select(MIGRATIONS, where)
    if rows and (rows[0]["version"] or 0) >= VERSION:
        return
    values = {"version": VERSION, "min_compatible": 1, "applied_at": await session.now()}
    if not await session.update(MIGRATIONS, where, values):
        await session.insert(MIGRATIONS, [{"table_name": table.name, **values}])
