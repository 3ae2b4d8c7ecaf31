"""Define the tables of the store's own as the kit declares them, in the types of this database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sp00ky_store_kit import Column, Default, Index, Is, Kind, Table
from sp00ky_store_kit.schema import all_tables

BOOLEANS = frozenset({"paused", "removed", "draining"})
"""Columns that are 0 or 1 in other databases."""

ARRAYS = frozenset({"buckets", "fine"})

OBJECTS = frozenset({"documents", "in_flight", "slots"}) | ARRAYS
"""Columns that are JSON text in other databases."""

_TABLES = {table.name: table for table in all_tables(())}

OWN_TABLES = {name: frozenset(table.kinds) - {"id"} for name, table in _TABLES.items()}
"""By table, the fields that statements rely on."""

_INDEXES = {
    "sp00ky_audit": {"sp00ky_at": "at"},
    "sp00ky_rollup": {"sp00ky_minute": "minute"},
    # an extension's table, which the store has made up to 0.3
    "sp00ky_schedule_run": {
        "sp00ky_status": "status, schedule, fired_at",
        "sp00ky_fired": "schedule, fired_at",
    },
}

_TYPES = {
    Kind.TEXT: "option<string>",
    Kind.INTEGER: "option<int>",
    Kind.REAL: "option<number>",
    Kind.JSON: "option<string>",
    # an instant that is none in Python would keep a reply from being read
    Kind.INSTANT: "option<datetime> "
    "ASSERT $value = NONE OR ($value > d'0001-01-02T00:00:00Z' AND $value < d'9999-12-30T00:00:00Z')",
}


def own_tables(extensions: Sequence[Table]) -> Mapping[str, Table]:
    """Return the store's own tables, and those of extensions, by name."""
    return {**_TABLES, **{table.name: table for table in extensions}}


def own_steps(table: Table, beside_writers: str, *, is_schemaless: bool = False) -> Iterator[tuple[str, str]]:
    """Yield the statements that define a table, each with its reason."""
    name = table.name
    unless = "OVERWRITE" if is_schemaless else "IF NOT EXISTS"
    yield f"DEFINE TABLE {unless} {name} SCHEMAFULL PERMISSIONS NONE;", "A table of the outbox's own."
    for column in table.columns:
        if column.name != "id":
            yield (
                f"DEFINE FIELD IF NOT EXISTS {column.name} ON TABLE {name} TYPE {_type(column)};",
                "A field of the outbox's own table.",
            )
    if table.remembers:
        yield (
            f"DEFINE FIELD IF NOT EXISTS changes ON TABLE {name} TYPE array<string> DEFAULT [];",
            "The latest changes, by which whoever lost the reply to one knows it again.",
        )
    for index, fields in _INDEXES.get(name, _declared(table)).items():
        yield (
            f"DEFINE INDEX IF NOT EXISTS {index} ON TABLE {name} FIELDS {fields}{beside_writers};",
            "Finds rows without reading the whole table.",
        )


def _declared(table: Table) -> Mapping[str, str]:
    """Return the fields of a table's indexes, by the names that they have here."""
    if table.name in _TABLES:
        return {}
    return {f"sp00ky_{index.name}": _fields(index) for index in table.indexes if not index.unique}


def _fields(index: Index) -> str:
    """Write the fields of an index, which holds all rows here: first what has one value in those meant."""
    constants = (asked.column for asked in index.where if isinstance(asked, Is) and asked.operator == "=")
    front = (name for name in constants if name not in index.columns)
    return ", ".join(name for name in (*front, *index.columns) if name != "id")  # which each entry has


def _type(column: Column) -> str:
    if column.name in BOOLEANS:
        return "option<bool> DEFAULT false"
    if column.name in OBJECTS:
        return "option<array<int>>" if column.name in ARRAYS else "option<object> FLEXIBLE"
    default = f" DEFAULT {column.default!r}" if isinstance(column.default, str | int) else ""
    if column.default is Default.NOW:
        default = " DEFAULT time::now()"
    return f"{_TYPES[column.kind]}{default}"
