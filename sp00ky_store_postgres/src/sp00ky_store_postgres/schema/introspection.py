"""Read the catalog: a table's columns, indexes and triggers, its version, the server's."""

from __future__ import annotations

from typing import Any

import attrs

from sp00ky_store_postgres.sql.loader import quoted, read_sql


@attrs.frozen
class Version:
    """A table's version.

    Attributes:
        version: Of the last migration.
        min_compatible: The oldest version whose releases can work on the table.
    """

    version: int = 0
    min_compatible: int = 0


@attrs.frozen(kw_only=True)
class Found:
    """A relation as the catalog has it.

    Attributes:
        kind: As in ``pg_class``; ``r``: a plain table.
        types: Of the columns, by name.
        must_be_given: Columns that an INSERT can't leave out.
        objects: By kind (index, check, trigger) and name: whether it is in force.
    """

    kind: str
    types: dict[str, str]
    must_be_given: frozenset[str]
    objects: dict[tuple[str, str], bool]


async def find_table(connection: Any, schema: str, name: str) -> Found | None:
    """Return a relation; None: there is none of that name."""
    columns = await connection.fetch(read_sql("catalog_columns"), schema, name)
    if not columns:
        return None
    objects = await connection.fetch(read_sql("catalog_objects"), quoted(schema, name))
    return Found(
        kind=columns[0]["kind"],
        types={row["name"]: _unquoted(row["type"]) for row in columns if row["name"]},
        must_be_given=frozenset(row["name"] for row in columns if row["must_be_given"]),
        objects={(row["kind"], row["name"]): row["valid"] for row in objects},
    )


def _unquoted(text: str) -> str:
    """Undo ``quote_all_identifiers``, which a server may have on; the store's own names need no quotes."""
    return text.replace('"', "")


async def versions(connection: Any, migration: str) -> dict[str, Version]:
    """Return the latest version of each table that was migrated here."""
    if not await exists(connection, migration):
        return {}
    # As json: the first release's table has no min_compatible.
    query = f"""
        SELECT table_name, version, coalesce((to_json(row) ->> 'min_compatible')::integer, version)
        FROM {migration} AS row ORDER BY version
    """  # noqa: S608  # a quoted name
    return {row[0]: Version(row[1], row[2]) for row in await connection.fetch(query)}


async def has_rows(connection: Any, table: str) -> bool:
    """Tell whether a table holds any row."""
    return bool(await connection.fetchval(f"SELECT EXISTS (SELECT FROM {table})"))  # noqa: S608  # a quoted name


async def exists(connection: Any, name: str, kind: str = "class") -> bool:
    """Tell whether there is a relation, a ``procedure`` or a ``namespace`` of this name, as in SQL."""
    query = f"SELECT to_reg{kind}($1::text)"  # one of three words
    return await connection.fetchval(query, name) is not None


async def server_version(connection: Any) -> int:
    """Return the server's major version."""
    return int(await connection.fetchval("SHOW server_version_num")) // 10_000
