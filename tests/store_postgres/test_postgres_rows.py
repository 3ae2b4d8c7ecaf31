"""Rows that are there already and break a rule: all else is done, and what finds them is said."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sp00ky_core.errors import RowRefused
from sp00ky_store_postgres import PostgresStore

OLD_TABLE = """
    CREATE SCHEMA {0};
    CREATE TABLE {0}.job (
        id uuid NOT NULL DEFAULT gen_random_uuid(), path text, payload json NOT NULL DEFAULT '{{}}',
        status text NOT NULL DEFAULT 'pending', dedup_key text
    )
"""


@pytest.fixture
def quoted(schema: str) -> str:
    return '"' + schema.replace('"', '""') + '"'


def queries(text: str) -> list[str]:
    """The statements that a text names."""
    return re.findall(r"SELECT [^;]*", text)


async def refused(store: PostgresStore) -> str:
    with pytest.raises(RowRefused) as caught:
        await store.migrate()
    return str(caught.value)


async def test_rows_against_a_rule_are_found_by_what_is_said(make: Any, sql: Any, quoted: str) -> None:
    await sql.execute(OLD_TABLE.format(quoted))
    await sql.execute(f"INSERT INTO {quoted}.job (path) VALUES (NULL), (''), ('/a'), (''), ('')")
    store = make()
    await store.open()
    said = await refused(store)
    assert re.search('"job_path" .*violated by some row.*"job_path_given" .*violated by some row', said)
    assert said.endswith("; then run: sp00ky migrate (all else is done)")
    assert [len(await sql.fetch(each)) for each in queries(said)] == [3, 1]
    found = await store.check()
    problems = ["constraint job_path is not validated", "constraint job_path_given is not validated"]
    assert [each.problem for each in found] == problems
    for each in found:
        assert re.fullmatch("mend the rows that this finds: SELECT .*; then run: sp00ky migrate", each.mend)
    assert [len(await sql.fetch(*queries(each.mend))) for each in found] == [3, 1]
    await sql.execute(f"DELETE FROM {quoted}.job WHERE path IS NULL OR path = ''")
    await store.migrate()
    assert await store.check() == []
    await store.close()


async def test_keys_that_are_there_twice_are_found_by_what_is_said(make: Any, sql: Any, quoted: str) -> None:
    await sql.execute(OLD_TABLE.format(quoted))
    await sql.execute(f"INSERT INTO {quoted}.job (path, dedup_key) VALUES ('/a', 'k'), ('/b', 'k')")
    await sql.execute(
        f"INSERT INTO {quoted}.job (path, dedup_key, status) VALUES "
        "('/c', 'l', 'failed'), ('/d', 'l', 'failed'), ('/e', NULL, 'pending'), ('/f', NULL, 'pending')"
    )
    await sql.execute(
        f"INSERT INTO {quoted}.job (path, id) SELECT path, id FROM {quoted}.job WHERE path = '/f'"
    )
    store = make()
    await store.open()
    said = await refused(store)
    assert re.search('unique index "job_dedup".*unique index "job_key"', said)
    assert "(k)" not in said
    assert [len(await sql.fetch(each)) for each in queries(said)] == [1, 1]
    found = await store.check()
    assert [(each.stops_jobs, each.problem) for each in found] == [
        (True, "index job_dedup isn't valid: rows have the same dedup_key, or its making was cut off"),
        (True, "index job_key isn't valid: rows have the same id, or its making was cut off"),
    ]
    assert await sql.fetchval(*queries(found[0].mend)) == "k"
    assert all(each.mend.endswith("; then run: sp00ky migrate") for each in found)
    await sql.execute(f"UPDATE {quoted}.job SET dedup_key = NULL, id = gen_random_uuid()")
    await store.migrate()
    assert await store.check() == []
    await store.close()
