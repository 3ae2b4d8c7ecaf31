"""A query reads, within bounds: hostile ones are refused, and leave nothing behind."""

import asyncio
from enum import StrEnum
from typing import Any

import pytest

from sp00ky_core.errors import QueryRefused
from sp00ky_core.ports import Column, Index, Is, Kind, Table
from sp00ky_store_postgres import PostgresStore, kit_session
from sp00ky_store_postgres.connection import statements

WRITES = {
    "statement": "DELETE FROM {job} RETURNING id",
    "in a WITH": "WITH gone AS (DELETE FROM {job} RETURNING id) SELECT id FROM gone",
    "in a function": "SELECT {schema}.wipe()",
    "sequence": "SELECT nextval('{schema}.numbers')",
    "locks": "SELECT id FROM {job} FOR UPDATE",
    "two statements": "SELECT 1; DELETE FROM {job}",
    "a semicolon": "SELECT 1;",
    "two by parentheses": "SELECT 1) AS given) AS made; DELETE FROM {job}; SELECT (SELECT (1",
    "made writable": "SELECT set_config('transaction_read_only', 'off', false), {schema}.wipe()",
    "table": "SELECT id INTO {schema}.mine FROM {job}",
    "large object": "SELECT lo_create(0)",
    "block": "DO $$ BEGIN DELETE FROM {job}; END $$",
    "copy": "COPY {job} TO STDOUT",
    "explained": "EXPLAIN ANALYZE DELETE FROM {job}",
    "nothing": "",
    "a comment": "-- SELECT 1",
    "an open comment": "SELECT 1 /*",
    "a parameter": "SELECT $1::text",
    "a missing table": "SELECT * FROM nowhere",
    "a failing row": "SELECT 1 / (2 - n) FROM generate_series(1, 3) AS n",
    "too long a row": "SELECT repeat(repeat('x', 1000000), 100) AS x",
    "rows too long together": "SELECT repeat('x', 100000) AS x FROM generate_series(1, 10001)",
    "too long for PostgreSQL": "SELECT repeat(repeat('x', 999999), 600) || repeat(repeat('x', 999999), 600)",
    "no JSON that Python reads": "SELECT repeat('[', 100000)::json AS deep",
}


AT_WORK = """
    SELECT count(*) FROM pg_stat_activity
    WHERE state = 'active' AND query LIKE '%sp00ky_rows%' AND pid <> pg_backend_pid()
"""


@pytest.fixture
async def guarded(store: PostgresStore, make: Any, sql: Any, quoted: str, new_job: Any) -> Any:
    """A store with one connection, two jobs, and what could write."""
    await store.add([new_job(), new_job()])
    await sql.execute(
        f"CREATE SEQUENCE {quoted}.numbers;"
        f"CREATE FUNCTION {quoted}.wipe() RETURNS int LANGUAGE plpgsql AS "
        f"$f$ BEGIN DELETE FROM {quoted}.job; RETURN 1; END $f$"
    )
    single = make(connections="1")
    await single.open()
    yield single
    await single.close()


@pytest.mark.parametrize("what", WRITES)
async def test_it_is_refused_and_leaves_nothing(
    guarded: PostgresStore, sql: Any, quoted: str, new_job: Any, what: str
) -> None:
    text = WRITES[what].format(job=f"{quoted}.job", schema=quoted)
    with pytest.raises(QueryRefused) as caught:
        await guarded.query_rows(text)
    assert "\n" not in str(caught.value)
    assert "sp00ky migrate" not in str(caught.value)
    assert await sql.fetchval(f"SELECT count(*) FROM {quoted}.job") == 2
    assert not await sql.fetchval(f"SELECT is_called FROM {quoted}.numbers")
    assert len(await guarded.add([new_job()])) == 1
    assert await guarded.query_rows(f"SELECT count(*) AS n FROM {quoted}.job") == [{"n": 3}]


async def test_values_are_as_postgresql_writes_them(store: PostgresStore) -> None:
    text = """
        SELECT 9007199254740993 AS whole, 1.50::numeric AS exact, 'NaN'::float8 AS nan,
            true AS yes, NULL AS nothing,
            '2026-03-29 01:00:00.5+00'::timestamptz AT TIME ZONE 'UTC' AS at, '2026-03-29'::date AS day,
            '0190163d-8694-739b-8c4f-4b7d2f1e3c55'::uuid AS key, ARRAY[1, 2] AS list,
            '{"a": [null]}'::jsonb AS deep,
            '\\x00ff'::bytea AS bytes, 'it''s {{longest}}; "ä" ❄ \\' AS words -- and a comment
    """
    assert await store.query_rows(text) == [
        {
            "whole": 9007199254740993,
            "exact": 1.5,
            "nan": "NaN",
            "yes": True,
            "nothing": None,
            "at": "2026-03-29T01:00:00.5",
            "day": "2026-03-29",
            "key": "0190163d-8694-739b-8c4f-4b7d2f1e3c55",
            "list": [1, 2],
            "deep": {"a": [None]},
            "bytes": "\\x00ff",
            "words": 'it\'s {{longest}}; "ä" ❄ \\',
        }
    ]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT pg_sleep(600)",
        "SELECT count(*) FROM generate_series(1, 1000000) AS a, generate_series(1, 1000000) AS b",
        "SELECT pg_sleep(0.002) FROM generate_series(1, 100000)",  # each portion in time
        "SELECT set_config('statement_timeout', '0', false), pg_sleep(0.002) FROM generate_series(1, 100000)",
    ],
)
async def test_it_ends_after_a_while(
    guarded: PostgresStore, sql: Any, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    with monkeypatch.context() as brief:
        brief.setattr(kit_session, "QUERY_SECONDS", 0.5)
        with pytest.raises(QueryRefused, match="it takes longer than"):
            await guarded.query_rows(text)
    async with asyncio.timeout(30):
        while await sql.fetchval(AT_WORK):  # noqa: ASYNC110  # it can only be asked
            await asyncio.sleep(0.05)
    assert await guarded.query_rows("SELECT 1 AS one") == [{"one": 1}]


async def test_what_it_sets_on_its_connection_ends_with_it(guarded: PostgresStore, sql: Any) -> None:
    text = "SELECT set_config('search_path', 'nowhere', false), pg_advisory_lock(14)"
    assert len(await guarded.query_rows(text)) == 1
    found = await guarded.query_rows("SELECT current_setting('search_path') AS path")
    assert found[0]["path"] != "nowhere"
    assert await sql.fetchval("SELECT pg_try_advisory_lock(14)")
    await sql.execute("SELECT pg_advisory_unlock(14)")


async def test_a_query_that_ends_its_connection_each_time_is_refused(
    guarded: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statements, "PATIENCE", 0.0)
    with pytest.raises(QueryRefused):
        await guarded.query_rows("SELECT pg_terminate_backend(pg_backend_pid())")
    assert await guarded.query_rows("SELECT 1 AS one") == [{"one": 1}]


class Kinds(StrEnum):
    OF_JOB = "job.x"


async def test_an_index_is_on_the_rows_that_it_names(store: PostgresStore, quoted: str) -> None:
    index = Index("only", ("name",), (Is("name", "=", Kinds.OF_JOB),))
    table = Table("sp00ky_thing", (Column("name", Kind.TEXT),), ("name",), (index,), version=1)
    session = store._session(store._executor.fetch)
    text = session.definition(table, index)
    assert text.endswith(f"""ON {quoted}."sp00ky_thing" ("name") WHERE "name" = 'job.x'""")
