"""Definitions as the database has them, whatever stands in their comments."""

from __future__ import annotations

import pytest

from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.schema.introspection import read_layout


async def test_a_comment_defines_nothing(migrated: SurrealStore) -> None:
    await migrated._connection.write(
        "DEFINE FIELD OVERWRITE created_at ON job TYPE datetime DEFAULT time::now() COMMENT 'no VALUE';"
        "DEFINE FIELD OVERWRITE status ON job TYPE string COMMENT 'PERMISSIONS FOR update WHERE false'"
    )
    layout = (await read_layout(migrated._connection, ["job"]))["job"]
    assert (layout.created_at_moves, layout.changeable) == (False, ["status"])


@pytest.mark.parametrize(
    ("permissions", "writable"),
    [("NONE", []), ("FULL", ["runner_id"]), ("FOR create WHERE true", ["runner_id"])],
)
async def test_what_clients_may_write(migrated: SurrealStore, permissions: str, writable: list[str]) -> None:
    await migrated._connection.write(
        f"DEFINE FIELD OVERWRITE runner_id ON job TYPE option<string> PERMISSIONS {permissions}"
    )
    layout = (await read_layout(migrated._connection, ["job"]))["job"]
    assert layout.writable_leases == writable
