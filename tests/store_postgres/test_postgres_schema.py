"""Migrations and ``check``: repeated, at once, on tables that have rows, on tables that aren't ours."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import RFC_4122

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import pytest

from sp00ky_core.errors import RowRefused, SchemaError
from sp00ky_core.ports import Finding, JobTable
from sp00ky_core.testing.conformance.harness import eventually
from sp00ky_store_postgres import PostgresStore
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


async def test_processes_migrate_at_once_behind_a_pooler(
    pooler: str, schema: str, sql: Any, quoted: str, new_job: Any, store: PostgresStore
) -> None:
    """In transaction mode, and without ``listen_url``: there is no session to hold a lock for them."""
    await store.add([new_job() for _ in range(100)])
    await sql.execute(f"DROP INDEX {quoted}.job_due; DROP INDEX {quoted}.job_ended")
    command = (sys.executable, "-c", MIGRATE, f"{pooler}&pgbouncer=1&schema={quote(schema)}")
    processes = [await asyncio.create_subprocess_exec(*command) for _ in range(5)]
    async with asyncio.timeout(60):
        assert [await process.wait() for process in processes] == [0] * 5
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


TABLE_OF_AN_ORM = """
    CREATE TABLE {schema}.job (
        id uuid NOT NULL, path varchar(200), payload json, status text, retries integer, max_retries integer,
        created_at timestamptz, lease_epoch bigint
    )
"""
"""Without a key, without defaults, and everything may be null."""


@pytest.mark.parametrize("rows", [0, 50])
async def test_a_table_that_somebody_made_loosely_is_made_strict(
    make: Any, sql: Any, quoted: str, new_job: Any, rows: int
) -> None:
    await sql.execute(f"CREATE SCHEMA {quoted}; {TABLE_OF_AN_ORM.format(schema=quoted)}")
    await sql.execute(f"ALTER TABLE {quoted}.job ALTER path TYPE text")
    row = "gen_random_uuid(), '/spookify', '{}', 'pending', 0, 3, now(), 0"
    await sql.execute(f"INSERT INTO {quoted}.job SELECT {row} FROM generate_series(1, {rows})")
    store = make()
    await store.open()
    try:
        await store.migrate()
        assert await findings(store) == []
        assert await store.migrate() == []
        await store.add([new_job()])
        await sql.execute(f"INSERT INTO {quoted}.job (path) VALUES ('/spookify')")
        assert len(await store.claim({"api": 100}, "r1")) == rows + 2
        for column in ("retries", "max_retries", "lease_epoch", "path", "payload"):
            with pytest.raises(asyncpg.CheckViolationError):
                await sql.execute(f"UPDATE {quoted}.job SET {column} = NULL")
        with pytest.raises(asyncpg.UniqueViolationError):
            await sql.execute(
                f"INSERT INTO {quoted}.job (id, path) SELECT id, path FROM {quoted}.job LIMIT 1"
            )
    finally:
        await store.close()


async def test_rows_that_break_the_rules_are_named(make: Any, sql: Any, quoted: str) -> None:
    await sql.execute(f"CREATE SCHEMA {quoted}; {TABLE_OF_AN_ORM.format(schema=quoted)}")
    await sql.execute(f"ALTER TABLE {quoted}.job ALTER path TYPE text")
    await sql.execute(f"INSERT INTO {quoted}.job VALUES (gen_random_uuid(), '/spookify', '{{}}', 'pending')")
    store = make()
    with pytest.raises(RowRefused, match=r'"job_retries_given".*is violated by some row'):
        await store.migrate()
    await sql.execute(
        f"UPDATE {quoted}.job SET retries = 0, max_retries = 3, lease_epoch = 0, created_at = now()"
    )
    await store.migrate()
    assert await findings(store) == []


async def test_rows_are_validated_while_writers_go_on(make: Any, sql: Any, quoted: str) -> None:
    """Not in the transaction that declares a rule, which keeps everybody out."""
    await sql.execute(f"CREATE SCHEMA {quoted}; {OLD_TABLE.format(schema=quoted)}")
    await make().migrate()
    declared = (
        f"SELECT xmin FROM pg_attribute WHERE attrelid = '{quoted}.job'::regclass AND attname = 'errors'"
    )
    validated = f"SELECT xmin FROM pg_constraint WHERE conrelid = '{quoted}.job'::regclass AND contype = 'c'"
    assert await sql.fetchval(declared) not in [row[0] for row in await sql.fetch(validated)]


async def test_a_lock_is_not_waited_for_in_everybodys_way(
    store: PostgresStore, make: Any, sql: Any, quoted: str, new_job: Any
) -> None:
    """A transaction that wrote to the table is open for long: who writes meanwhile is soon let through."""
    await sql.execute(f"ALTER TABLE {quoted}.job DROP COLUMN traceparent")
    transaction = sql.transaction()
    await transaction.start()
    await sql.execute(f"INSERT INTO {quoted}.job (path) VALUES ('/spookify')")
    migrating = asyncio.ensure_future(make().migrate())
    waiting = (
        f"SELECT EXISTS (SELECT FROM pg_locks WHERE relation = '{quoted}.job'::regclass AND NOT granted)"
    )
    async with asyncio.timeout(30):
        await eventually(lambda: sql.fetchval(waiting))
        await store.stats()
        assert not migrating.done()
        await transaction.commit()
        await migrating
    assert await findings(store) == []


async def test_a_roles_statement_timeout_does_not_cut_a_migration_off(
    store: PostgresStore, make: Any, sql: Any, quoted: str
) -> None:
    insert = f"INSERT INTO {quoted}.job (path) SELECT '/' || n FROM generate_series(1, 30000) AS n"
    await sql.execute(f"{insert}; DROP INDEX {quoted}.job_due; DROP INDEX {quoted}.job_dedup")
    await make(statement_timeout="5").migrate()
    assert await findings(store) == []


async def test_an_index_whose_making_was_cut_off_is_made_again(
    store: PostgresStore, sql: Any, quoted: str, dsn: str, new_job: Any
) -> None:
    await store.add([new_job()])
    await sql.execute(f"DROP INDEX {quoted}.job_due")
    statement = f"CREATE INDEX CONCURRENTLY job_due ON {quoted}.job (run_at, id) WHERE status = 'pending'"
    holder, maker = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    async with holder.transaction():
        await store.add([new_job()], connection=holder)  # which the making waits for
        making = asyncio.ensure_future(maker.execute(statement))
        waits = f"SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('{quoted}.job_due'))"
        await eventually(lambda: sql.fetchval(waits))
        await sql.execute("SELECT pg_terminate_backend($1)", maker.get_server_pid())
        with pytest.raises((asyncpg.PostgresError, OSError)):
            await making
    await holder.close()
    found = await findings(store)
    assert [(each.stops_jobs, each.problem) for each in found] == [
        (False, "index job_due isn't valid: its making was cut off"),
    ]
    await store.migrate()
    assert await findings(store) == []


async def test_indexes_come_while_writers_go_on(
    store: PostgresStore, make: Any, sql: Any, quoted: str, new_job: Any
) -> None:
    """A transaction that wrote to the table is open all the while: it delays the making, and no writer."""
    await store.add([new_job() for _ in range(2_000)])
    await sql.execute(f"DROP INDEX {quoted}.job_due; DROP INDEX {quoted}.job_assigned")
    transaction = sql.transaction()
    await transaction.start()
    await store.add([new_job()], connection=sql)
    migrating = asyncio.ensure_future(make().migrate())
    async with asyncio.timeout(20):
        for _ in range(20):
            await store.add([new_job(assigned_to="thread:1")])
            assert len(await store.claim({"api": 1}, "r1")) == 1
            await asyncio.sleep(0.01)
        assert not migrating.done()
        await transaction.commit()
        steps = await migrating
    assert [each.statement.split()[:3] for each in steps][:2] == [["CREATE", "INDEX", "CONCURRENTLY"]] * 2
    assert await findings(store) == []


async def test_what_is_printed_runs_in_psql_twice(
    make: Any, sql: Any, quoted: str, dsn: str, tmp_path: Path
) -> None:
    """On an empty database, and on a table that has rows; the second time changes nothing."""
    psql = shutil.which("psql")
    if psql is None:
        pytest.skip("psql isn't installed")
    for before in ("SELECT 1", f"DROP SCHEMA {quoted} CASCADE; CREATE SCHEMA {quoted}; {OLD_TABLE}"):
        await sql.execute(before.format(schema=quoted))
        script = tmp_path / "migration.sql"
        script.write_text("".join(f"-- {each.why}\n{each.statement};\n" for each in await make().migration()))
        for _ in range(2):
            command = (psql, "--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-f", str(script), dsn)
            process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
            _, said = await process.communicate()
            assert process.returncode == 0, said.decode()
        assert await make().migration() == []
        assert await findings(make()) == []


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
