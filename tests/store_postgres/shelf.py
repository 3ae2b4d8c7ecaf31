"""Keep schemas that are migrated from test to test: to migrate takes longer than most tests."""

from collections import defaultdict
from typing import Any

from sp00ky_core.ports import JobTable
from sp00ky_core.stores.ids import new_key

__all__ = ["Shelf"]

MANY = 500
"""Rows that were deleted are in the way of the next tests; so many cost more than new tables."""

DEFINITIONS = """
    WITH space AS (SELECT oid, xmin FROM pg_namespace WHERE nspname = $1),
    relation AS (SELECT oid, xmin, relpages FROM pg_class WHERE relnamespace = (SELECT oid FROM space)),
    definition AS (
        SELECT oid, xmin, 0 AS part FROM space
        UNION ALL SELECT oid, xmin, relpages FROM relation
        UNION ALL SELECT oid, xmin, 0 FROM pg_proc WHERE pronamespace = (SELECT oid FROM space)
        UNION ALL SELECT oid, xmin, 0 FROM pg_type WHERE typnamespace = (SELECT oid FROM space)
        UNION ALL SELECT oid, xmin, 0 FROM pg_constraint WHERE connamespace = (SELECT oid FROM space)
        UNION ALL SELECT oid, xmin, 0 FROM pg_trigger WHERE tgrelid IN (SELECT oid FROM relation)
        UNION ALL SELECT oid, xmin, 0 FROM pg_policy WHERE polrelid IN (SELECT oid FROM relation)
        UNION ALL SELECT oid, xmin, 0 FROM pg_rewrite WHERE ev_class IN (SELECT oid FROM relation)
        UNION ALL SELECT oid, xmin, 0 FROM pg_attrdef WHERE adrelid IN (SELECT oid FROM relation)
        UNION ALL SELECT attrelid, xmin, attnum FROM pg_attribute WHERE attrelid IN (SELECT oid FROM relation)
        UNION ALL SELECT indexrelid, xmin, 0 FROM pg_index WHERE indrelid IN (SELECT oid FROM relation)
    )
    SELECT md5(string_agg(concat_ws('.', oid, xmin, part), ' ' ORDER BY oid, part, xmin::text))
    FROM definition
"""
"""Each row of the catalog that says what a schema has, and by which transaction it was written."""


class Shelf:
    """Schemas that wait for a test; each knows what its definitions were once it was migrated."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, list[str]] = defaultdict(list)
        self._definitions: dict[str, str] = {}

    def take(self, *tables: JobTable) -> str:
        """The name of a schema with those tables, or of one that isn't there yet."""
        waiting = self._waiting[repr(tables)]
        return waiting.pop() if waiting else f'Test "{new_key()[-12:]}"'

    def is_migrated(self, schema: str) -> bool:
        return schema in self._definitions

    async def migrated(self, sql: Any, schema: str) -> None:
        """Note what it has now."""
        self._definitions[schema] = await self._fingerprint(sql, schema)

    async def put_back(self, sql: Any, schema: str, *tables: JobTable) -> bool:
        """Delete its rows and keep it; False: there were many, or what it has was changed."""
        noted = self._definitions.get(schema)
        if noted is None or noted != await self._fingerprint(sql, schema):
            return False
        names = await sql.fetch("SELECT tablename FROM pg_tables WHERE schemaname = $1", schema)
        replies = [
            await sql.execute(f"DELETE FROM {_quoted(schema)}.{_quoted(name['tablename'])}")
            for name in names
            if name["tablename"] != "sp00ky_migration"
        ]
        if sum(int(reply.rpartition(" ")[2]) for reply in replies) > MANY:
            return False
        self._waiting[repr(tables)].append(schema)
        return True

    async def clear(self, sql: Any) -> None:
        """Drop all that wait."""
        for schema in [name for names in self._waiting.values() for name in names]:
            await sql.execute(f"DROP SCHEMA {_quoted(schema)} CASCADE")

    async def _fingerprint(self, sql: Any, schema: str) -> str:
        versions = f"SELECT string_agg(noted::text, ' ') FROM {_quoted(schema)}.sp00ky_migration AS noted"
        return f"{await sql.fetchval(DEFINITIONS, schema)} {await sql.fetchval(versions)}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
