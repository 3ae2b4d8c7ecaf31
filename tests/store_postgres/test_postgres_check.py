"""``check``: what can be wrong with the database is found, said once, and gone when it is mended."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sp00ky_core.errors import SchemaError, StoreUnavailable
from sp00ky_core.ports import Finding, JobTable
from sp00ky_core.testing.conformance.harness import eventually
from sp00ky_store_postgres import PostgresStore, check
from sp00ky_store_postgres.options import read_url
from sp00ky_store_postgres.refusing import refuse_old_server


@pytest.fixture
def quoted(schema: str) -> str:
    return '"' + schema.replace('"', '""') + '"'


async def findings(store: PostgresStore) -> list[Finding]:
    found = await store.check()
    for each in found:
        assert each.subject
        assert each.problem
        assert each.consequence
        assert each.mend
    return found


@pytest.mark.parametrize("schema_there", [False, True])
async def test_an_empty_database_is_one_finding(make: Any, sql: Any, quoted: str, schema_there: bool) -> None:
    if schema_there:
        await sql.execute(f"CREATE SCHEMA {quoted}")
    store = make(tables=(JobTable(backend="api", table="job"), JobTable(backend="mail", table="mail")))
    await store.open()
    (finding,) = await findings(store)
    assert finding.stops_jobs
    assert (finding.problem, finding.mend) == (
        "the tables aren't there yet: job, mail",
        "run: sp00ky migrate",
    )
    await store.migrate()
    assert await findings(store) == []
    await store.close()


async def test_a_second_table_that_is_missing_is_one_finding(store: PostgresStore, make: Any) -> None:
    more = make(tables=(JobTable(backend="api", table="job"), JobTable(backend="mail", table="mail")))
    await more.open()
    (finding,) = await findings(more)
    assert (finding.subject, finding.problem) == ("mail", "table mail isn't there")
    await more.close()


BROKEN = {
    # Each with what check then says; what it says is done, and then nothing is wrong any more.
    "an index": ("DROP INDEX {schema}.job_due", False, "job_due"),
    "the unique index": ("DROP INDEX {schema}.job_dedup", True, "job_dedup"),
    "a type": ("ALTER TABLE {schema}.job ALTER payload TYPE text", True, "payload"),
    "a column": ("ALTER TABLE {schema}.job DROP COLUMN runner_id", True, "runner_id"),
    "a check": ("ALTER TABLE {schema}.job DROP CONSTRAINT job_payload", False, "job_payload"),
    "the trigger": ("DROP TRIGGER job_sp00ky_notify ON {schema}.job", False, "notify"),
    "a column of others": ("ALTER TABLE {schema}.job ADD tenant integer NOT NULL", True, "tenant"),
    "a column of a domain": (
        """
            CREATE DOMAIN {schema}.word AS text NOT NULL;
            CREATE DOMAIN {schema}.tenant AS {schema}.word;
            CREATE DOMAIN {schema}.named AS {schema}.word DEFAULT 'me';
            ALTER TABLE {schema}.job ADD tenant {schema}.tenant, ADD owner {schema}.named
        """,
        True,
        "tenant",
    ),
    "no vacuum": ("ALTER TABLE {schema}.job SET (autovacuum_enabled = false)", False, "autovacuum"),
    "a default": ("ALTER TABLE {schema}.job ALTER status DROP DEFAULT", True, "status has no default"),
    "a NOT NULL": ("ALTER TABLE {schema}.job ALTER retries DROP NOT NULL", True, "job_retries_given"),
    "the primary key": ("ALTER TABLE {schema}.job DROP CONSTRAINT job_pkey", True, "job_key is missing"),
    "a disabled trigger": ("ALTER TABLE {schema}.job DISABLE TRIGGER USER", False, "notify is disabled"),
    "no log": ("ALTER TABLE {schema}.job SET UNLOGGED", False, "UNLOGGED"),
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
    for each in found:
        if each.mend == "run: sp00ky migrate":
            await store.migrate()
        elif each.mend.startswith("ALTER TABLE") and not each.mend.endswith("..."):
            await sql.execute(each.mend.partition(", or ")[0])
    if word != "tenant":  # whose default only its owner knows
        await store.migrate()
        assert await findings(store) == []


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


async def test_a_wrong_type_is_named_with_its_mend(store: PostgresStore, sql: Any, quoted: str) -> None:
    await sql.execute(f"ALTER TABLE {quoted}.job ALTER COLUMN timeout TYPE integer")
    (finding,) = await findings(store)
    assert finding.problem.endswith("column timeout is integer, not double precision")
    await sql.execute(finding.mend.partition(", or ")[0])
    assert await findings(store) == []


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


async def test_check_finds_a_table_that_is_mostly_empty(
    store: PostgresStore, sql: Any, quoted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "LARGE", 2**20)
    insert = f"INSERT INTO {quoted}.job (path) SELECT '/' || n FROM generate_series(1, {{}}) AS n"
    await sql.execute(insert.format(10_000))
    await sql.execute(f"ANALYZE {quoted}.job")
    assert await findings(store) == []
    await sql.execute(f"DELETE FROM {quoted}.job WHERE path NOT IN ('/1', '/9999')")
    await sql.execute(f"VACUUM ANALYZE {quoted}.job")

    async def found() -> bool:
        return ["MiB for 2 rows" in each.problem for each in await findings(store)] == [True]

    await eventually(found)
    await sql.execute(f"VACUUM FULL {quoted}.job")
    assert await findings(store) == []


async def test_check_finds_rows_that_are_hidden(
    store: PostgresStore, sql: Any, quoted: str, url: str, make: Any, as_role: Any, schema: str
) -> None:
    """By row-level security: a runner would take what it sees for all there is."""
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
            True,
            f"row-level security shows none of its rows to role {role}",
        )
        await sql.execute(f"CREATE POLICY mine ON {quoted}.job USING (assigned_to = 'me')")
        (finding,) = await findings(runner)
        assert (finding.stops_jobs, "shows some of its rows" in finding.problem) == (False, True)
        await sql.execute(f"CREATE POLICY runners ON {quoted}.job TO {role} USING (true)")
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
    says = [(each.stops_jobs, each.problem, each.mend.partition(", ")[0]) for each in await findings(store)]
    assert says == [(False, problem, mend)] * found


async def test_a_server_that_takes_no_writes_is_one_line(store: PostgresStore, make: Any) -> None:
    standby = make(default_transaction_read_only="on")
    with pytest.raises(StoreUnavailable, match=r"it takes no writes.*Connect to the primary"):
        await standby.check()


async def test_an_enqueue_on_a_server_that_takes_no_writes_says_what_to_do(
    store: PostgresStore, make: Any, new_job: Any
) -> None:
    standby = make(default_transaction_read_only="on")
    await standby.open()
    with pytest.raises(
        StoreUnavailable, match=r"read-only transaction: it takes no writes.*Connect to the primary"
    ):
        await standby.add([new_job()])
    await standby.close()


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
