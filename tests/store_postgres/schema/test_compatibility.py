"""Old servers, newer tables and other applications' tables are refused, and left as they are."""

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.store_postgres.conftest import findings

from sp00ky_core.errors import SchemaError
from sp00ky_core.ports import Rollup, RollupQuery, coarse_buckets, fine_buckets
from sp00ky_store_postgres import PostgresStore
from sp00ky_store_postgres.schema.definition import VERSION
from sp00ky_store_postgres.schema.migrate import refuse_old_server
from sp00ky_store_postgres.url import read_url

FOREIGN = {
    "another table": "CREATE TABLE {schema}.job (id integer PRIMARY KEY, title text)",
    "a wrong type": "CREATE TABLE {schema}.job (id uuid, path text, payload jsonb, status text)",
    "a view": "CREATE VIEW {schema}.job AS SELECT 1 AS id",
    "partitions": "CREATE TABLE {schema}.job (id uuid, path text, payload json, status text) "
    "PARTITION BY LIST (status)",
}


async def problems(store: PostgresStore) -> list[str]:
    found = await store.check()
    assert not any(finding.stops_jobs for finding in found)
    return [f"{finding.subject}: {finding.problem}" for finding in found]


async def newer(sql: Any, quoted: str, min_compatible: int | None) -> None:
    await sql.execute(f"INSERT INTO {quoted}.sp00ky_migration VALUES ('job', 99, now(), $1)", min_compatible)
    await sql.execute(f"ALTER TABLE {quoted}.job ADD shard text; DROP INDEX {quoted}.job_moved")


@pytest.mark.parametrize(("version", "refused"), [(12, True), (13, False), (18, False)])
def test_a_server_that_is_too_old_is_named(version: int, refused: bool) -> None:
    """Such a server isn't at hand here: what it says of itself is."""
    options = read_url("postgresql://u:s3cret@h/app")
    if not refused:
        refuse_old_server(version, options)
        return
    with pytest.raises(
        SchemaError, match="the server is PostgreSQL 12; upgrade it to PostgreSQL 13 or newer"
    ):
        refuse_old_server(version, options)


@pytest.mark.parametrize("statement", FOREIGN.values(), ids=FOREIGN)
async def test_a_table_that_is_not_ours_is_refused_and_left_alone(
    make: Any, sql: Any, quoted: str, statement: str
) -> None:
    await sql.execute(f"CREATE SCHEMA {quoted}")
    await sql.execute(statement.format(schema=quoted))
    columns = f"SELECT attname FROM pg_attribute WHERE attrelid = '{quoted}.job'::regclass ORDER BY 1"
    before = await sql.fetch(columns)
    store = make()
    with pytest.raises(SchemaError, match="'job' is another application's table and was left as it is"):
        await store.migrate()
    assert await sql.fetch(columns) == before
    assert (
        await sql.fetchval(
            f"SELECT count(*) FROM pg_class WHERE relnamespace = '{quoted}'::regnamespace "
            "AND relname LIKE 'sp00ky%'"
        )
        == 0
    )
    await store.open()
    assert any(finding.stops_jobs for finding in await findings(store))
    await store.close()


async def test_a_newer_version_that_only_added_is_worked_on(
    store: PostgresStore, sql: Any, quoted: str, new_job: Any
) -> None:
    await newer(sql, quoted, 2)
    assert await problems(store) == []
    assert await store.migrate() == []
    await store.add([new_job()])
    assert len(await store.claim({"api": 1}, "r1")) == 1


@pytest.mark.parametrize("min_compatible", [None, VERSION + 1])
async def test_a_newer_version_that_says_so_is_refused(
    store: PostgresStore, sql: Any, quoted: str, min_compatible: int | None
) -> None:
    await newer(sql, quoted, min_compatible)
    assert [finding.stops_jobs for finding in await store.check()] == [True]
    with pytest.raises(SchemaError, match="version 99"):
        await store.migrate()


async def test_rollups_of_0_2_count_by_its_bounds(store: PostgresStore, sql: Any, quoted: str) -> None:
    by_0_2 = (1, *[0] * 9, 2, *[0] * 4)
    minute = datetime(2026, 1, 1, tzinfo=UTC)
    fields: Any = {"minute": minute, "backend": "api", "outcome": "success", "count": 3}
    await store.write_rollups(
        [Rollup(**fields, runner_id=name, buckets=fine_buckets(by_0_2)) for name in "ab"]
    )
    assert await sql.fetchval(f"SELECT buckets FROM {quoted}.sp00ky_rollup LIMIT 1") == list(by_0_2)
    await sql.execute(f"UPDATE {quoted}.sp00ky_rollup SET fine = NULL WHERE runner_id = 'a'")
    (row,) = await store.rollups(RollupQuery(since=minute))
    assert (row.count, coarse_buckets(row.buckets)) == (6, tuple(2 * count for count in by_0_2))
