"""Groups of failed jobs, whoever wrote their rows."""

import math
from decimal import Decimal
from typing import Any

import pytest

from sp00ky_store_surreal import SurrealStore


async def test_rows_of_any_kind_are_counted(migrated: SurrealStore) -> None:
    await migrated._connection.write(
        "FOR $row IN $rows { CREATE job CONTENT $row RETURN NONE }",
        rows=[
            {"path": path, "payload": "{}", "status": status, "errors": errors}
            for path, status, errors in (
                ("/a", "failed", [{"name": "timeout", "code": 0}]),
                ("/a", "pending", [{"name": "reset", "code": 0}, {"name": "timeout", "code": 0}]),
                ("/a", "success", [{"name": "timeout", "code": 0}]),
                ("/a", "pending", []),
                ("/b", "failed", [{"code": "cancelled"}]),
                ("/b\0", "failed", [{"name": ["x"], "code": 500}]),
            )
            if "\0" not in path  # no index holds it
        ],
    )
    groups = await migrated.errors()
    found = {(group.path, group.name, group.code): group.count for group in groups}
    assert found == {("/a", "timeout", 0): 2, ("/b", "", 0): 1}
    assert {group.example.partition(":")[0] for group in groups} == {"job"}


@pytest.mark.parametrize("code", [math.nan, math.inf, 1.0, Decimal(1), Decimal("1.50"), {"a": math.nan}])
async def test_a_code_of_any_kind_has_an_example(migrated: SurrealStore, code: Any) -> None:
    """A client's; values that the database takes for equal may differ here."""
    await migrated._connection.write(
        "FOR $code IN $codes { CREATE job SET path = '/a', payload = '{}', status = 'failed',"
        " errors = [{ name: 'x', code: $code }] }",
        codes=[1, 1.5, code],
    )
    groups = await migrated.errors()
    (ids,) = await migrated._connection.read("SELECT VALUE <string>id FROM job")
    assert sum(group.count for group in groups) == 3
    assert {group.example for group in groups} <= set(ids)
