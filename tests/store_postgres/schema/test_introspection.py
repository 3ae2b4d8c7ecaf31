"""What the catalog says of a table."""

from __future__ import annotations

from typing import Any

from sp00ky_store_postgres import PostgresStore
from sp00ky_store_postgres.schema.definition import VERSION
from sp00ky_store_postgres.schema.introspection import find_table, has_rows, server_version, versions


async def test_a_table_is_found_with_its_columns_and_objects(
    store: PostgresStore, sql: Any, schema: str, quoted: str
) -> None:
    found = await find_table(sql, schema, "job")
    assert found is not None
    assert (found.kind, found.types["id"], found.objects["index", "job_ready"]) == ("r", "uuid", True)
    assert "path" in found.must_be_given
    assert "retries" not in found.must_be_given
    assert await find_table(sql, schema, "nothing") is None
    assert not await has_rows(sql, f"{quoted}.job")


async def test_versions_are_those_recorded_last(store: PostgresStore, sql: Any, quoted: str) -> None:
    found = await versions(sql, f"{quoted}.sp00ky_migration")
    assert {name: each.version for name, each in found.items()} == {"job": VERSION}
    assert await versions(sql, f"{quoted}.nothing") == {}
    assert await server_version(sql) >= 13
