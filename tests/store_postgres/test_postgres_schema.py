"""Migrations and ``check``: repeated, at once, on tables that have rows, on tables that aren't ours."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from typing import Any
from uuid import RFC_4122

import pytest

from sp00ky_core.errors import SchemaError
from sp00ky_core.ports import Finding, JobTable
from sp00ky_core.testing.conformance.harness import eventually
from sp00ky_store_postgres import PostgresStore, check
from sp00ky_store_postgres.layout import INDEXES, object_name


@pytest.fixture
def quoted(schema: str) -> str:
    return '"' + schema.replace('"', '""') + '"'


MIGRATE = """
import asyncio, sys
from sp00ky_core.ports import JobTable, StoreOptions
from sp00ky_store_postgres import PostgresStore
tables = (JobTable(backend="api", table="job"),)
asyncio.run(PostgresStore(StoreOptions(url=sys.argv[1], tables=tables)).migrate())
"""
"""What another process does."""


async def findings(store: PostgresStore) -> list[Finding]:
    found = await store.check()
    for each in found:
        assert each.subject
        assert each.problem
        assert each.consequence
        assert each.mend
    return found


async def test_ten_tasks_migrate_at_once(make: Any, sql: Any, schema: str) -> None:
    steps = await asyncio.gather(*(make().migrate() for _ in range(10)))
    assert sorted(len(each) for each in steps)[:9] == [0] * 9
    assert await sql.fetchval(f"SELECT count(*) FROM pg_tables WHERE schemaname = '{schema}'") == 4


async def test_processes_migrate_at_once_on_a_table_with_rows(
    make: Any, url: str, sql: Any, quoted: str, new_job: Any, store: PostgresStore
) -> None:
    await store.add([new_job() for _ in range(100)])
    await sql.execute(f"DROP INDEX {quoted}.job_due; DROP INDEX {quoted}.job_ended")
    command = (sys.executable, "-c", MIGRATE, url)
    processes = [await asyncio.create_subprocess_exec(*command) for _ in range(10)]
    assert [await process.wait() for process in processes] == [0] * 10
    assert await findings(store) == []


async def test_what_migrate_would_do_is_said_and_not_done(make: Any, sql: Any, schema: str) -> None:
    store = make()
    planned = await store.migration()
    assert any("CREATE TABLE" in each.statement and each.table == "job" for each in planned)
    assert all(each.why for each in planned)
    assert [each.table for each in planned if each.creates_table] == ["job"]
    exists = f"SELECT count(*) FROM pg_namespace WHERE nspname = '{schema}'"
    assert await sql.fetchval(exists) == 0
    for each in planned:  # what is printed can be run as it is
        await sql.execute(each.statement)
    assert await store.migrate() == []
    await store.open()
    assert await findings(store) == []
    await store.close()


NAMES = ["job", "Job Table", 'we"ird', "\u00fcml\u00e4ut", "select", "x" * 63, "a.b", "it's", "back\\slash"]


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


def test_names_of_objects_stay_apart() -> None:
    names = {object_name(table, each.suffix) for table in ("t" * 62, "t" * 63) for each in INDEXES}
    assert len(names) == 2 * len(INDEXES)
    assert max(len(name.encode()) for name in names) <= 63


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


OLD_TABLE = """
    CREATE TABLE {schema}.job (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(), path text NOT NULL, payload json NOT NULL,
        status text NOT NULL DEFAULT 'pending', retries integer NOT NULL DEFAULT 0, note text
    );
    INSERT INTO {schema}.job (path, payload) SELECT '/spookify', '{{"id": 1}}' FROM generate_series(1, 50)
"""


async def test_a_table_with_rows_is_extended_without_a_rewrite(make: Any, sql: Any, quoted: str) -> None:
    await sql.execute(f"CREATE SCHEMA {quoted}")
    await sql.execute(OLD_TABLE.format(schema=quoted))
    filenode = f"SELECT pg_relation_filenode('{quoted}.job')"
    before = await sql.fetchval(filenode)
    store = make()
    await store.open()
    assert any(each.stops_jobs for each in await findings(store))
    steps = await store.migrate()
    indexes = [each.statement for each in steps if " INDEX " in each.statement]
    assert len(indexes) == len(INDEXES)
    assert all("CONCURRENTLY" in each for each in indexes)
    assert await sql.fetchval(filenode) == before
    assert await findings(store) == []
    assert len(await store.claim({"api": 100}, "r1")) == 50
    assert await store.migrate() == []
    await store.close()


async def test_an_index_whose_making_was_cut_off_is_made_again(
    store: PostgresStore, sql: Any, quoted: str
) -> None:
    await sql.execute(
        f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{quoted}.job_due'::regclass"
    )
    assert [each.stops_jobs for each in await findings(store)][:1] == [False]
    await store.migrate()
    assert await findings(store) == []


FOREIGN = {
    "another table": "CREATE TABLE {schema}.job (id integer PRIMARY KEY, title text)",
    "a wrong type": "CREATE TABLE {schema}.job (id uuid, path text, payload jsonb, status text)",
    "a view": "CREATE VIEW {schema}.job AS SELECT 1 AS id",
    "partitions": "CREATE TABLE {schema}.job (id uuid, path text, payload json, status text) "
    "PARTITION BY LIST (status)",
}


@pytest.mark.parametrize("statement", FOREIGN.values(), ids=FOREIGN)
async def test_a_table_that_is_not_ours_is_refused_and_left_alone(
    make: Any, sql: Any, quoted: str, statement: str
) -> None:
    await sql.execute(f"CREATE SCHEMA {quoted}")
    await sql.execute(statement.format(schema=quoted))
    columns = f"SELECT attname FROM pg_attribute WHERE attrelid = '{quoted}.job'::regclass ORDER BY 1"
    before = await sql.fetch(columns)
    store = make()
    with pytest.raises(SchemaError, match="is no job table and was left as it is"):
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
    assert any(each.stops_jobs for each in await findings(store))
    await store.close()


async def test_a_newer_version_is_refused(store: PostgresStore, sql: Any, quoted: str) -> None:
    await sql.execute(f"INSERT INTO {quoted}.sp00ky_migration (table_name, version) VALUES ('job', 99)")
    with pytest.raises(SchemaError, match="version 99"):
        await store.migrate()
    assert [(each.stops_jobs, "version 99" in each.problem) for each in await findings(store)] == [
        (True, True)
    ]


async def test_an_old_version_is_found(store: PostgresStore, sql: Any, quoted: str) -> None:
    await sql.execute(f"DELETE FROM {quoted}.sp00ky_migration")
    (finding,) = await findings(store)
    assert "version" in finding.problem
    await store.migrate()
    assert await findings(store) == []


BROKEN = {
    "an index": ("DROP INDEX {schema}.job_due", False, "job_due"),
    "the unique index": ("DROP INDEX {schema}.job_dedup", True, "job_dedup"),
    "a type": ("ALTER TABLE {schema}.job ALTER payload TYPE text", True, "payload"),
    "a column": ("ALTER TABLE {schema}.job DROP COLUMN runner_id", True, "runner_id"),
    "a check": ("ALTER TABLE {schema}.job DROP CONSTRAINT job_payload", False, "job_payload"),
    "the trigger": ("DROP TRIGGER job_sp00ky_notify ON {schema}.job", False, "notify"),
    "a column of others": ("ALTER TABLE {schema}.job ADD tenant integer NOT NULL", True, "tenant"),
    "no vacuum": ("ALTER TABLE {schema}.job SET (autovacuum_enabled = false)", False, "autovacuum"),
    "a table": ("DROP TABLE {schema}.sp00ky_runner", True, "sp00ky_runner"),
}


@pytest.mark.parametrize(("statement", "stops", "word"), BROKEN.values(), ids=BROKEN)
async def test_check_finds(
    store: PostgresStore, sql: Any, quoted: str, statement: str, stops: bool, word: str
) -> None:
    await sql.execute(
        f"ALTER TABLE {quoted}.job DROP CONSTRAINT job_payload" if "payload TYPE" in statement else "SELECT 1"
    )
    await sql.execute(statement.format(schema=quoted))
    found = [each for each in await findings(store) if word in f"{each.subject} {each.problem}"]
    assert stops in {each.stops_jobs for each in found}


async def test_check_finds_a_missing_right(
    store: PostgresStore, sql: Any, quoted: str, schema: str, dsn: str, make: Any, new_job: Any
) -> None:
    await sql.execute("DROP ROLE IF EXISTS sp00ky_reader; CREATE ROLE sp00ky_reader LOGIN PASSWORD 's3cret'")
    await sql.execute(f"GRANT USAGE ON SCHEMA {quoted} TO sp00ky_reader")
    await sql.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {quoted} TO sp00ky_reader")
    base = re.sub(r"//[^@/]*@", "//sp00ky_reader:s3cret@", dsn)
    reader = make(base=base, schema=schema)
    try:
        await reader.open()
        problems = [each for each in await findings(reader) if "may not" in each.problem]
        assert {each.problem for each in problems} == {"role sp00ky_reader may not INSERT, UPDATE, DELETE"}
        assert len(problems) == 3
        assert all(each.stops_jobs and each.mend.startswith("GRANT INSERT") for each in problems)
        with pytest.raises(SchemaError, match="permission denied for table job"):
            await reader.add([new_job()])
        with pytest.raises(SchemaError, match="permission denied"):
            await make(base=base, schema="sp00ky_elsewhere").migrate()
    finally:
        await reader.close()
        await sql.execute("DROP OWNED BY sp00ky_reader; DROP ROLE sp00ky_reader")


async def test_without_tables_every_call_says_what_to_do(make: Any, new_job: Any) -> None:
    store = make()
    await store.open()
    for call in (store.add([new_job()]), store.claim({"api": 1}, "r1"), store.stats(), store.beat("r1")):
        with pytest.raises(SchemaError, match="sp00ky migrate"):
            await call
    assert any(each.stops_jobs for each in await findings(store))
    await store.close()


async def test_check_finds_a_setting_that_loses_writes(store: PostgresStore, make: Any) -> None:
    careless = make(synchronous_commit="off")
    (finding,) = await findings(careless)
    assert (finding.subject, finding.stops_jobs) == ("synchronous_commit", False)


async def test_check_finds_dead_rows(
    store: PostgresStore, sql: Any, quoted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "MANY_DEAD", 100)  # so that a test needn't make a hundred thousand
    await sql.execute(f"ALTER TABLE {quoted}.job SET (autovacuum_vacuum_threshold = 1000000)")
    await sql.execute(
        f"INSERT INTO {quoted}.job (path, payload) SELECT '/a', '{{}}' FROM generate_series(1, 500)"
    )
    await sql.execute(f"DELETE FROM {quoted}.job")

    async def found() -> bool:
        await sql.execute("SELECT 1")  # a session tells its numbers at the end of a transaction
        return any("dead rows" in each.problem for each in await findings(store))

    await eventually(found)  # the statistics come a little later
