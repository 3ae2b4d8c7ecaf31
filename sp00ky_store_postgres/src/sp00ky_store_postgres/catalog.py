"""What is in the database now: a table's columns, indexes, constraints, triggers."""

from __future__ import annotations

from typing import Any

import attrs

from sp00ky_store_postgres.statements import quoted, read_sql

__all__ = [
    "Defined",
    "Found",
    "find_table",
    "function_source",
    "versions",
    "has_rows",
    "exists",
    "server_version",
]


@attrs.frozen(kw_only=True)
class Defined:
    """What an index, a CHECK or a trigger says, in PostgreSQL's own words."""

    columns: tuple[str, ...]  # an index's, or the schema and the name of a trigger's function
    unique: bool
    text: str  # the condition, or the function's source


@attrs.frozen(kw_only=True)
class Found:
    """A relation as the catalog has it."""

    kind: str  # r: a plain table
    types: dict[str, str]  # by column
    not_null: frozenset[str]  # columns
    has_default: frozenset[str]  # columns
    objects: dict[tuple[str, str], bool]  # (index, unique, check, trigger, option; name): if it is in force
    defined: dict[tuple[str, str], Defined]  # by the same keys

    @property
    def must_be_given(self) -> frozenset[str]:
        """Columns that an INSERT can't leave out."""
        return self.not_null - self.has_default


async def find_table(connection: Any, schema: str, name: str) -> Found | None:
    """A relation; None: there is none of that name."""
    columns = await connection.fetch(read_sql("catalog_columns"), schema, name)
    if not columns:
        return None
    objects = await connection.fetch(read_sql("catalog_objects"), quoted(schema, name))
    return Found(
        kind=columns[0]["kind"],
        types={row["name"]: row["type"] for row in columns if row["name"]},
        not_null=frozenset(row["name"] for row in columns if row["not_null"]),
        has_default=frozenset(row["name"] for row in columns if row["has_default"]),
        objects={(row["kind"], row["name"]): row["valid"] for row in objects},
        defined={(row["kind"], row["name"]): _defined(row) for row in objects},
    )


def _defined(row: Any) -> Defined:
    return Defined(columns=tuple(row["columns"]), unique=row["is_unique"], text=row["text"] or "")


async def function_source(connection: Any, function: str) -> str | None:
    """The source of a function, named as in SQL; None: there is none of that name."""
    query = "SELECT prosrc FROM pg_proc WHERE oid = to_regprocedure($1::text)"
    found: str | None = await connection.fetchval(query, function)
    return found


async def versions(connection: Any, migration: str) -> dict[str, int]:
    """The latest version of each table that was migrated here."""
    if not await exists(connection, migration):
        return {}
    rows = await connection.fetch(f"SELECT table_name, max(version) FROM {migration} GROUP BY table_name")  # noqa: S608  # a quoted name
    return dict(map(tuple, rows))


async def has_rows(connection: Any, table: str) -> bool:
    """Whether a table holds any row."""
    return bool(await connection.fetchval(f"SELECT EXISTS (SELECT FROM {table})"))  # noqa: S608  # a quoted name


async def exists(connection: Any, relation: str) -> bool:
    """Whether there is such a relation, named as in SQL."""
    return await connection.fetchval("SELECT to_regclass($1::text)", relation) is not None


async def server_version(connection: Any) -> int:
    """The server's major version."""
    return int(await connection.fetchval("SHOW server_version_num")) // 10_000
