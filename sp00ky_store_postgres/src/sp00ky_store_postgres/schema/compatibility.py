"""Refuse old servers, locks that last, tables of newer releases, and tables of something else than jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from sp00ky_core.errors import SchemaError, StoreError
from sp00ky_core.ports import JobTable
from sp00ky_store_postgres.schema.definition import VERSION
from sp00ky_store_postgres.schema.introspection import Found, Version
from sp00ky_store_postgres.url import PostgresOptions

OLDEST_SERVER = 13


@attrs.define(kw_only=True, eq=False)
class TableRefused(SchemaError):
    """A table was left as it is.

    Attributes:
        fix: What to do.
    """

    fix: str

    def __str__(self) -> str:
        return f"{super().__str__()}; {self.fix}"


@attrs.define(kw_only=True, eq=False)
class MigrationLocked(StoreError):
    """Another session has had the lock under which tables are migrated for too long.

    Attributes:
        problem: That it is locked.
        holders: Which sessions have it, each in words.
        seconds: For how long it was waited for.
    """

    problem: str = "another session has the lock of the migrations"
    holders: Sequence[str]
    seconds: float

    def __str__(self) -> str:
        holders = "; ".join(self.holders) or "it has just ended"
        return (
            f"{super().__str__()} for {self.seconds:.0f} s: {holders}; "
            "run sp00ky migrate again when that has ended, or end it: SELECT pg_terminate_backend(<pid>)"
        )


def refuse_old_server(version: int, options: PostgresOptions) -> None:
    """Raise ``SchemaError`` for a server that can't have the tables."""
    if version < OLDEST_SERVER:
        problem = f"the server is PostgreSQL {version}; upgrade it to PostgreSQL {OLDEST_SERVER} or newer"
        raise SchemaError(store=options.direct_location, problem=problem)


def refuse_newer(table: JobTable, found: Version, options: PostgresOptions) -> None:
    """Raise ``TableRefused`` for a table that a newer release has made unfit for this one."""
    if found.min_compatible > VERSION:
        raise TableRefused(
            store=options.location,
            problem=f"table {table.table!r} has version {found.version}, made by a newer "
            f"sp00ky-store-postgres, and takes releases that know version {found.min_compatible}; this one "
            f"knows version {VERSION}",
            fix="upgrade sp00ky-store-postgres",
        )


def refuse_other(name: str, columns: Mapping[str, str], found: Found, options: PostgresOptions) -> None:
    """Raise ``TableRefused`` for a relation without the key columns of the table whose name it has."""
    lacking = columns.items() - found.types.items()
    # Rows are addressed by their place, which several partitions may share. (Of a table that has children
    # statements see its own rows alone.)
    if found.kind != "r" or lacking:
        why = "it has no " + ", ".join(f"{column} {type_}" for column, type_ in sorted(lacking))
        raise TableRefused(
            store=options.location,
            problem=f"{name!r} is another application's table and was left as it is: "
            + ("it is no plain table" if found.kind != "r" else why),
            fix="rename it, give the backend another method.table, or give the jobs a schema of their own: "
            "add schema=<name> to the store's URL",
        )
