"""The tables that the store keeps beside the job tables: what they have to have, and what they lack."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import attrs

from sp00ky_store_postgres.catalog import Found, find_table
from sp00ky_store_postgres.layout import Column
from sp00ky_store_postgres.options import PostgresOptions
from sp00ky_store_postgres.refusing import refuse_foreign_own
from sp00ky_store_postgres.statements import quoted
from sp00ky_store_postgres.steps import Planned, step_of
from sp00ky_store_postgres.tables import Tables

__all__ = ["OWN_TABLES", "OwnTable", "own_tables"]

INSTANT = "timestamp with time zone"
OFTEN_WRITTEN = " WITH (fillfactor = 50)"


@attrs.frozen(kw_only=True)
class OwnTable:
    """A table beside the job tables."""

    name: str
    kept: str  # what is kept in it
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    storage: str = ""

    def created_as(self, name: str) -> str:
        """The statement that makes it; ``name`` is its name in SQL."""
        lines = [*(each.definition for each in self.columns), f"PRIMARY KEY ({', '.join(self.key)})"]
        body = ",\n    ".join(lines)
        return f"CREATE TABLE IF NOT EXISTS {name} (\n    {body}\n){self.storage}"


OWN_TABLES = (
    OwnTable(
        name="sp00ky_migration",
        kept="which version each table has",
        columns=(
            Column("table_name", "text", identifies=True),
            Column("version", "integer", identifies=True),
            Column("applied_at", INSTANT, "now()"),
        ),
        key=("table_name", "version"),
    ),
    OwnTable(
        name="sp00ky_runner",
        kept="the runners' signs of life",
        columns=(
            Column("id", "text", identifies=True),
            Column("host", "text", identifies=True),
            Column("pid", "integer", identifies=True),
            Column("started_at", INSTANT, "clock_timestamp()"),
            Column("beat_at", INSTANT, "clock_timestamp()"),
        ),
        key=("id",),
        storage=OFTEN_WRITTEN,
    ),
    OwnTable(
        name="sp00ky_breaker",
        kept="which backends are paused",
        columns=(
            Column("backend", "text", identifies=True),
            Column("state", "text", "'closed'", identifies=True),
            Column("failures", "integer", "0"),
            Column("paused_until", INSTANT, required=False),
            Column("probe_runner", "text", required=False),
            Column("probe_until", INSTANT, required=False),
        ),
        key=("backend",),
        storage=OFTEN_WRITTEN,
    ),
)


async def own_tables(connection: Any, tables: Tables, options: PostgresOptions) -> AsyncIterator[Planned]:
    """What is to be done to them. Raises ``TableRefused`` for one that is somebody else's."""
    for own in OWN_TABLES:
        name = quoted(tables.schema, own.name)
        found = await find_table(connection, tables.schema, own.name)
        if found is None:
            problem = f"table {own.name} isn't there"
            yield step_of(own.name, own.created_as(name), own.kept, problem=problem, stops=True)
            continue
        refuse_foreign_own(own.name, own.columns, own.key, found, options)
        for each in _extension(own, name, found):
            yield each


def _extension(own: OwnTable, name: str, found: Found) -> Iterator[Planned]:
    """They are small: what is added may be written to each row."""
    for column in own.columns:
        for change, problem in _changes(column, found):
            yield step_of(
                own.name, f"ALTER TABLE {name} {change}", f"column {column.name}", problem=problem, stops=True
            )


def _changes(column: Column, found: Found) -> Iterator[tuple[str, str]]:
    if column.name not in found.types:
        yield f"ADD COLUMN IF NOT EXISTS {column.addition}", f"column {column.name} is missing"
        return
    if column.default is not None and column.name not in found.has_default:
        change = f"ALTER COLUMN {column.name} SET DEFAULT {column.default}"
        yield change, f"column {column.name} has no default"
    if column.required and column.name not in found.not_null:
        yield f"ALTER COLUMN {column.name} SET NOT NULL", f"column {column.name} may be null"
