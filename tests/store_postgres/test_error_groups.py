"""Groups of errors are read whatever clients have written into the rows."""

from typing import Any

import pytest
from tests.store_postgres.forging import forge

from sp00ky_store_postgres import PostgresStore

ODD = {
    "no entries": "[]",
    "no array": '{"name": "timeout"}',
    "NUL": '[{"name": "a\\u0000b"}]',
    "no object": '["timeout"]',
    "a code that is none": '[{"name": "timeout", "code": "x"}]',
    "a code beyond": '[{"name": "timeout", "code": 99999999999999}]',
    "a long name": '[{"name": "' + "n" * 10_000 + '", "code": 1}]',
}


@pytest.mark.parametrize("errors", ODD.values(), ids=ODD)
async def test_odd_entries_are_grouped_too(store: PostgresStore, sql: Any, quoted: str, errors: str) -> None:
    insert = f"INSERT INTO {quoted}.job (path, status, errors) VALUES ($1, 'failed', $2)"
    await forge(sql, quoted, insert, "/odd", errors)
    await forge(sql, quoted, insert, "/fine", '[{"name": "http_status", "code": 500}]')
    groups = {group.path: group for group in await store.errors()}
    assert (groups["/fine"].name, groups["/fine"].code, groups["/fine"].count) == ("http_status", 500, 1)
    assert (groups["/odd"].code in {0, 1}, groups["/odd"].count, len(groups["/odd"].name) <= 255) == (
        True,
        1,
        True,
    )
