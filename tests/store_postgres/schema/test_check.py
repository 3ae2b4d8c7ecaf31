"""What is wrong with a table is found, reported once, and gone when it is fixed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from chaos.standby import Replicated, replicated
from tests.store_postgres.conftest import findings

from sp00ky_conformance.store.harness import eventually
from sp00ky_core.ports import JobTable, StoreOptions
from sp00ky_store_postgres import PostgresStore
from sp00ky_store_postgres.schema import check

BROKEN = {
    # Each with what check then says; what it says is done, and then nothing is wrong any more.
    "an index": ("DROP INDEX {schema}.job_ready", False, "job_ready"),
    "the unique index": ("DROP INDEX {schema}.job_dedup", True, "job_dedup"),
    "a type": ("ALTER TABLE {schema}.job ALTER updated_at TYPE timestamptz(3)", True, "updated_at"),
    "a column": ("ALTER TABLE {schema}.job DROP COLUMN runner_id CASCADE", True, "runner_id"),
    "the trigger": ("DROP TRIGGER job_wake ON {schema}.job", False, "job_wake"),
    "a column of others": ("ALTER TABLE {schema}.job ADD tenant integer NOT NULL", True, "tenant"),
    "a required assigned_to": (
        "ALTER TABLE {schema}.job ALTER assigned_to SET NOT NULL",
        False,
        "assigned_to",
    ),
    "an assigned_to that a CHECK requires": (
        "ALTER TABLE {schema}.job ADD CONSTRAINT owned CHECK (assigned_to IS NOT NULL)",
        False,
        "CHECK owned requires it",
    ),
    "an assigned_to that a function requires": (
        (
            "CREATE FUNCTION {schema}.owned(text) RETURNS boolean LANGUAGE plpgsql AS "
            "'BEGIN ASSERT $1 IS NOT NULL; RETURN true; END'; "
            "ALTER TABLE {schema}.job ADD CONSTRAINT owned CHECK ({schema}.owned(assigned_to))"
        ),
        False,
        "CHECK owned requires it",
    ),
    "no vacuum": ("ALTER TABLE {schema}.job SET (autovacuum_enabled = false)", False, "autovacuum"),
    "no log": ("ALTER TABLE {schema}.job SET UNLOGGED", False, "UNLOGGED"),
    "a table": ("DROP TABLE {schema}.sp00ky_runner", True, "sp00ky_runner"),
}


@pytest.mark.parametrize("schema_there", [False, True])
async def test_an_empty_database_is_one_finding(make: Any, sql: Any, quoted: str, schema_there: bool) -> None:
    if schema_there:
        await sql.execute(f"CREATE SCHEMA {quoted}")
    store = make(tables=(JobTable(backend="api", table="job"), JobTable(backend="mail", table="mail")))
    await store.open()
    (finding,) = await findings(store)
    assert finding.stops_jobs
    assert (finding.problem, finding.fix) == ("the tables are missing: job, mail", "run: sp00ky migrate")
    await store.migrate()
    assert await findings(store) == []
    await store.close()


@pytest.mark.parametrize(("statement", "stops", "word"), BROKEN.values(), ids=BROKEN)
async def test_check_finds(
    store: PostgresStore, sql: Any, quoted: str, statement: str, stops: bool, word: str
) -> None:
    await sql.execute(statement.format(schema=quoted))
    found = [finding for finding in await findings(store) if word in f"{finding.subject} {finding.problem}"]
    assert stops in {finding.stops_jobs for finding in found}
    for finding in found:
        if finding.fix == "run: sp00ky migrate":
            await store.migrate()
        elif finding.fix.startswith("ALTER TABLE") and not finding.fix.endswith("..."):
            await sql.execute(finding.fix.partition(", or ")[0])
    if word == "runner_id":
        await sql.execute(f"ALTER TABLE {quoted}.job ADD COLUMN runner_id text")
    if word != "tenant":  # whose default only its owner knows
        await store.migrate()
        assert await findings(store) == []


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
        return any("dead rows" in finding.problem for finding in await findings(store))

    await eventually(found)  # the statistics come a little later


async def test_check_finds_that_row_security_binds_the_role(
    store: PostgresStore, sql: Any, quoted: str, url: str, make: Any, as_role: Any, schema: str
) -> None:
    role = f"hidden_{schema[-13:-1]}"
    await sql.execute(f"CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA {quoted} TO {role}")
    await sql.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA {quoted} TO {role}")
    await sql.execute(f"ALTER TABLE {quoted}.job ENABLE ROW LEVEL SECURITY")
    runner = make(base=as_role(url, role))
    try:
        await runner.open()
        assert await findings(store) == []  # its owner sees everything
        (finding,) = await findings(runner)
        assert (finding.stops_jobs, finding.problem) == (
            False,
            f"row-level security is active for role {role}, which doesn't bypass it",
        )
        await sql.execute(finding.fix.partition(", or ")[0])
        assert await findings(runner) == []
    finally:
        await runner.close()
        await sql.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


@pytest.mark.parametrize(
    ("action", "found"),
    [("", 1), ("ON DELETE RESTRICT", 1), ("ON DELETE SET NULL", 0), ("ON DELETE CASCADE", 0)],
)
async def test_check_finds_what_keeps_jobs_from_being_deleted(
    store: PostgresStore, sql: Any, quoted: str, action: str, found: int
) -> None:
    await sql.execute(
        f'CREATE TABLE {quoted}."Order" (job uuid CONSTRAINT of_job REFERENCES {quoted}.job {action})'
    )
    problem = f'constraint of_job of {quoted}."Order" references it without ON DELETE SET NULL or CASCADE'
    mend = f'ALTER TABLE {quoted}."Order" DROP CONSTRAINT of_job'
    says = [
        (finding.stops_jobs, finding.problem, finding.fix.partition(", ")[0])
        for finding in await findings(store)
    ]
    assert says == [(False, problem, mend)] * found


IN_FORCE = "SELECT FROM pg_stat_replication WHERE sync_state = 'sync'"
UNHEEDED = ["commits wait for none of 1 standby"]


async def test_a_standby_that_no_commit_waits_for_is_found(as_role: Any) -> None:
    async with replicated(synchronous=False) as database, AsyncExitStack() as stack:
        url = database.url(0)
        store = await stack.enter_async_context(_open(url))
        await store.migrate()
        await database.execute("CREATE ROLE other LOGIN")  # may not see what is sent, nor how
        other = await stack.enter_async_context(_open(as_role(url, "other")))
        await stack.enter_async_context(_logical_consumer(database))
        assert await _of_standbys(store) == await _of_standbys(other) == UNHEEDED
        await database.wait_for_standbys("*")
        await eventually(lambda: database.fetch(IN_FORCE))
        assert await _of_standbys(store) == []
        assert await _of_standbys(other) == []
        await database.execute("ALTER ROLE other SET synchronous_commit = local")
        assert await _of_standbys(other) == UNHEEDED


@asynccontextmanager
async def _open(url: str) -> AsyncIterator[PostgresStore]:
    store = PostgresStore(StoreOptions(url=url, tables=(JobTable(backend="api", table="job"),)))
    await store.open()
    yield store
    await store.close()


async def _of_standbys(store: PostgresStore) -> list[str]:
    return [one.problem for one in await store.check() if one.subject == "synchronous_standby_names"]


@asynccontextmanager
async def _logical_consumer(database: Replicated) -> AsyncIterator[None]:
    """Read changes as Debezium does, which is no standby."""
    await database.execute("CREATE PUBLICATION changes")
    asked = ("--create-slot", "--start", "--slot=changes", "--plugin=pgoutput", "--file=-")
    options = ("-o", "proto_version=1", "-o", "publication_names=changes", "-d", database.dsn)
    program = await asyncio.create_subprocess_exec(database.program("pg_recvlogical"), *asked, *options)
    active = "SELECT FROM pg_replication_slots WHERE active_pid > 0 AND slot_type = 'logical'"
    await eventually(lambda: database.fetch(active))
    yield
    program.terminate()
    await program.wait()
