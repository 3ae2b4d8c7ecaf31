"""The tables that the migrations make are those that are defined."""

import time
from typing import Any
from uuid import RFC_4122

import pytest
from tests.store_postgres.conftest import findings

from sp00ky_core.ports import JobTable
from sp00ky_store_postgres import PostgresStore
from sp00ky_store_postgres.schema.definition import COLUMNS


async def test_the_keys_of_plain_inserts_are_in_the_order_of_time(
    store: PostgresStore, sql: Any, quoted: str
) -> None:
    """Random ones would send each claim of a large table to pages of the primary key that nobody has read."""
    statement = f"INSERT INTO {quoted}.job (path) VALUES ('/spookify') RETURNING id"
    before = time.time_ns() // 1_000_000
    keys = [await sql.fetchval(statement) for _ in range(20)]
    after = time.time_ns() // 1_000_000
    assert {(key.version, key.variant) for key in keys} == {(7, RFC_4122)}
    milliseconds = [key.int >> 80 for key in keys]
    assert milliseconds == sorted(milliseconds)
    assert before - 5_000 < milliseconds[0] <= milliseconds[-1] < after + 5_000  # the server's clock
    assert len(set(keys)) == len(keys)


async def test_the_tables_are_as_they_are_defined(store: PostgresStore, sql: Any, quoted: str) -> None:
    rows = await sql.fetch(
        "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute "
        f"WHERE attrelid = '{quoted}.job'::regclass AND attnum > 0"
    )
    assert {(name, type_) for name, type_, _ in rows} == set(COLUMNS.items())
    optional = {
        "timeout",
        "assigned_to",
        "result",
        "dedup_key",
        "traceparent",
        "deferred_since",
        "lease_until",
    }
    optional |= {"lease_until", "runner_id", "ordering_key", "ordering_at", "expires_at"}
    optional |= {"request_id", "redacted_at", "copied_from", "claimed_max_retries", "claimed_at"}
    assert {name for name, _, not_null in rows if not not_null} == optional


NAMES = [
    "job",
    "Job Table",
    'we"ird',
    "\u00fcml\u00e4ut",
    "select",
    "x" * 63,
    "a.b",
    "it's",
    "back\\slash",
    "a$do$b",
    "{{columns}}",
]


@pytest.mark.parametrize("name", NAMES)
async def test_any_name_of_a_table_works(make: Any, new_job: Any, name: str) -> None:
    store = make(tables=(JobTable(backend="it's an \\ api", table=name),))
    await store.open()
    try:
        await store.migrate()
        assert await findings(store) == []
        (added,) = await store.add([new_job(backend="it's an \\ api", dedup_key="k")])
        (job,) = await store.claim({"it's an \\ api": 1}, "r1")
        assert job.id == added.id
        assert (await store.stats())["it's an \\ api"].processing == 1
    finally:
        await store.close()
