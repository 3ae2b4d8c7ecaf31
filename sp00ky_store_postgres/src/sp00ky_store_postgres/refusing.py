"""Tables that are left as they are: somebody else's, and those of a newer release."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from sp00ky_core.errors import SchemaError
from sp00ky_core.ports import JobTable
from sp00ky_store_postgres.catalog import Found
from sp00ky_store_postgres.layout import COLUMNS, VERSION
from sp00ky_store_postgres.options import PostgresOptions

__all__ = ["TableRefused", "refuse_newer", "refuse_foreign"]


@attrs.define(kw_only=True, eq=False)
class TableRefused(SchemaError):
    """A table was left as it is; ``mend`` says what to do."""

    mend: str

    def __str__(self) -> str:
        return f"{super().__str__()}; {self.mend}"


def refuse_newer(table: JobTable, version: int, options: PostgresOptions) -> None:
    """Raise ``TableRefused`` for a table that a newer release has migrated."""
    if version > VERSION:
        raise TableRefused(
            store=options.location,
            problem=f"table {table.table!r} has version {version}, made by a newer sp00ky-store-postgres "
            f"than this one, which knows version {VERSION}",
            mend="upgrade sp00ky-store-postgres",
        )


def refuse_foreign(table: JobTable, found: Found, options: PostgresOptions) -> None:
    """Raise ``TableRefused`` for a relation that is somebody else's."""
    problems = list(_foreign(found))
    if problems:
        raise TableRefused(
            store=options.location,
            problem=f"{table.table!r} is no job table and was left as it is: {'; '.join(problems[:5])}",
            mend=f"give backend {table.backend!r} another method.table",
        )


def _foreign(found: Found) -> Iterator[str]:
    if found.kind != "r":
        # Rows are addressed by their place, which several parts of one table may share.
        yield "it is a view, or has partitions or children"
        return
    for column in COLUMNS:
        type_found = found.types.get(column.name)
        if type_found is None and column.identifies:
            yield f"it has no column {column.name}"
        elif type_found is not None and type_found != column.type:
            yield f"column {column.name} is {type_found}, not {column.type}"
