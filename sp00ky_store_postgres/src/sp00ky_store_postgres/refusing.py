"""What is left as it is: somebody else's tables, those of a newer release, and servers that are too old."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from sp00ky_core.errors import SchemaError
from sp00ky_core.ports import JobTable
from sp00ky_store_postgres.catalog import Found
from sp00ky_store_postgres.layout import COLUMNS, VERSION, Column
from sp00ky_store_postgres.options import PostgresOptions

__all__ = [
    "OLDEST_SERVER",
    "TableRefused",
    "refuse_old_server",
    "refuse_newer",
    "refuse_foreign",
    "refuse_foreign_own",
]

OLDEST_SERVER = 13


@attrs.define(kw_only=True, eq=False)
class TableRefused(SchemaError):
    """A table was left as it is; ``mend`` says what to do."""

    mend: str

    def __str__(self) -> str:
        return f"{super().__str__()}; {self.mend}"


def refuse_old_server(version: int, options: PostgresOptions) -> None:
    """Raise ``SchemaError`` for a server that can't have the tables."""
    if version < OLDEST_SERVER:
        problem = f"the server is PostgreSQL {version}; upgrade it to PostgreSQL {OLDEST_SERVER} or newer"
        raise SchemaError(store=options.direct_location, problem=problem)


def refuse_newer(table: JobTable, version: int, options: PostgresOptions) -> None:
    """Raise ``TableRefused`` for a table that a newer release has migrated."""
    if version > VERSION:
        raise TableRefused(
            store=options.location,
            problem=f"table {table.table!r} has version {version}, made by a newer sp00ky-store-postgres "
            f"than this one, which knows version {VERSION}",
            mend="upgrade sp00ky-store-postgres",
        )


def refuse_foreign(table: JobTable, name: str, found: Found, options: PostgresOptions) -> None:
    """Raise ``TableRefused`` for a relation that is somebody else's; ``name`` is the table's in SQL."""
    if found.kind != "r":
        # Rows are addressed by their place, which several parts of one table may share.
        kind = "it is an index" if found.kind == "i" else "it is a view, or has partitions or children"
        raise _refused(table, options, kind)
    absent = [each.name for each in COLUMNS if each.identifies and each.name not in found.types]
    if absent:
        raise _refused(table, options, f"it has no column {', '.join(absent)}")
    wrong = [each for each in COLUMNS if found.types.get(each.name, each.type) != each.type]
    if wrong:
        types = "; ".join(
            f"column {each.name} is {found.types[each.name]}, not {each.type}" for each in wrong
        )
        raise _refused(table, options, types, f"ALTER TABLE {name} {', '.join(map(_retyped, wrong))}, or ")


def refuse_foreign_own(
    name: str, columns: Sequence[Column], key: Sequence[str], found: Found, options: PostgresOptions
) -> None:
    """Raise ``TableRefused`` for a relation that has the name of one of the store's own tables."""
    for why in _foreign(columns, key, found):
        raise TableRefused(
            store=options.location,
            problem=f"{name!r} is somebody else's table and was left as it is: {why}",
            mend="rename it, or give the jobs a schema of their own: add schema=<name> to the store's URL",
        )


def _foreign(columns: Sequence[Column], key: Sequence[str], found: Found) -> Iterator[str]:
    if found.kind != "r":
        yield "it is a view, or has partitions or children"
    for each in columns:
        if each.identifies and each.name not in found.types:
            yield f"it has no column {each.name}"
        elif (type_ := found.types.get(each.name, each.type)) != each.type:
            yield f"column {each.name} is {type_}, not {each.type}"
    for name in sorted(found.must_be_given - {each.name for each in columns}):
        yield f"column {name} is NOT NULL and has no default"
    if len(key) == 1 and found.objects.get(("unique", key[0])) is not True:
        yield f"its {key[0]} isn't unique"


def _retyped(column: Column) -> str:
    """Within ALTER TABLE: an older default may be one that can't be cast."""
    name, default = f"ALTER COLUMN {column.name}", column.default
    retyped = f"{name} DROP DEFAULT, {name} TYPE {column.type} USING {column.name}::{column.type}"
    return retyped if default is None else f"{retyped}, {name} SET DEFAULT {default}"


def _refused(table: JobTable, options: PostgresOptions, why: str, mend: str = "") -> TableRefused:
    return TableRefused(
        store=options.location,
        problem=f"{table.table!r} is no job table and was left as it is: {why}",
        mend=f"{mend}give backend {table.backend!r} another method.table",
    )
