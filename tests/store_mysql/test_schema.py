"""Tables as ``migrate`` makes them, begins again, and ``check`` finds them."""

from typing import Any

import attrs
import pymysql
import pytest
from tests.store_mysql.conftest import Sql, migrated, new_job

from sp00ky_core.errors import SchemaError, StoreUnavailable
from sp00ky_core.job.job import NewJob
from sp00ky_core.ports import JobTable, StoreOptions, Table
from sp00ky_store_mysql import MysqlStore
from sp00ky_store_mysql.session import MysqlSession


async def opened(options: StoreOptions) -> MysqlStore:
    store = MysqlStore(options)
    await store.open()
    return store


async def test_all_is_binary_and_in_innodb(store: MysqlStore, database: str, sql: Sql) -> None:
    tables = sql("SELECT DISTINCT engine FROM information_schema.tables WHERE table_schema = %s", (database,))
    assert tables == (("InnoDB",),)
    of = "SELECT DISTINCT collation_name FROM information_schema.columns WHERE table_schema = %s"
    collations = {collation for (collation,) in sql(of, (database,)) if collation is not None}
    assert collations <= {"utf8mb4_nopad_bin", "utf8mb4_0900_bin"}
    assert len(collations) == 1
    assert await store.check() == []
    assert await store.migration() == []


COLUMNS = "id VARCHAR(200) PRIMARY KEY, path TEXT, payload LONGTEXT, status VARCHAR(10)"
OLD = f"CREATE TABLE job ({COLUMNS}) ENGINE={{}}"


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (OLD.format("MyISAM"), "its engine is MyISAM"),
        (OLD.format("InnoDB CHARACTER SET latin1"), "its column id has the collation latin1_swedish_ci"),
        (OLD.format("InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"), "has the collation utf8mb4_bin"),
    ],
)
async def test_a_table_of_another_kind_is_found_and_mended(
    options: StoreOptions, sql: Sql, table: str, problem: str
) -> None:
    """No release had these tables before 0.3: an upgrade may meet a client's, with some of the columns."""
    sql(table)
    for status in ("pending", "processing", "failed"):
        sql("INSERT INTO job (id, path, payload, status) VALUES (%s, '/a', '{}', %s)", (status, status))
    store = await opened(options)
    (finding,) = [finding for finding in await store.check() if "missing" not in finding.problem]
    assert finding.stops_jobs
    assert (finding.subject, "\n" in finding.problem) == ("job", False)
    assert problem in finding.problem
    sql(finding.fix)
    await store.migrate()
    assert await store.check() == []
    assert [job.id for job in await store.claim({"api": 5}, "r")] == ["job:pending"]
    assert (await store.get("job:failed")).status == "failed"
    await store.close()


@pytest.mark.parametrize("stops_at", [1, 2, 9, 16, 20])
async def test_a_migration_that_stops_halfway_is_begun_again(
    options: StoreOptions, monkeypatch: pytest.MonkeyPatch, stops_at: int
) -> None:
    store, made, define = await opened(options), [0], MysqlSession.define

    async def stopping(session: MysqlSession, statement: str) -> None:
        made[0] += 1
        if made[0] == stops_at:
            raise ZeroDivisionError
        await define(session, statement)

    monkeypatch.setattr(MysqlSession, "define", stopping)
    with pytest.raises(ZeroDivisionError):
        await store.migrate()
    monkeypatch.undo()
    assert len(await store.migrate()) > 0
    assert await store.check() == []
    await store.add([new_job(dedup_key="k", ordering_key="k")])
    assert len(await store.claim({"api": 5}, "r")) == 1
    await store.close()


async def test_what_was_taken_away_is_made_again(store: MysqlStore, sql: Sql) -> None:
    sql("DROP INDEX job_dedup_idx ON job; DROP INDEX job_claim_idx ON job")
    sql("ALTER TABLE job DROP COLUMN ordering_key_ordered, DROP COLUMN last_error_code")
    assert len(await store.migration()) == 5
    assert {finding.stops_jobs for finding in await store.check()} == {True, False}
    await store.migrate()
    assert await store.check() == []
    await store.add([new_job(ordering_key="k")])
    sql("UPDATE job SET status = 'processing'")
    insert = "INSERT INTO job (path, payload, status, ordering_key) VALUES ('/a', '{}', 'processing', 'k')"
    with pytest.raises(pymysql.IntegrityError, match="Duplicate entry"):
        sql(insert)


async def test_a_table_of_others_is_left_alone(options: StoreOptions, sql: Sql) -> None:
    sql("CREATE TABLE job (title TEXT)")
    store = await opened(options)
    for call in (store.migrate, store.check):
        with pytest.raises(SchemaError, match="the table job is no table of Sp00ky's"):
            await call()
    assert sql("SHOW TABLES") == (("job",),)
    await store.close()


async def test_a_migration_waits_for_another_one(
    options: StoreOptions, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sp00ky_store_mysql.dialect.MIGRATION", 1)
    store = await opened(options)
    with connection.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(concat('sp00ky ', md5(database())), 0)")
        with pytest.raises(StoreUnavailable, match="another process is migrating it"):
            await store.migrate()
        cursor.execute("SELECT RELEASE_ALL_LOCKS()")
    await store.migrate()
    assert await store.check() == []
    await store.close()


async def test_two_stores_have_databases_of_their_own(options: StoreOptions) -> None:
    tables = (JobTable(backend="api", table="odd `name`"), JobTable(backend="other", table="select"))
    store = await migrated(attrs.evolve(options, tables=tables))
    await store.add([new_job(), NewJob(backend="other", path="/a", payload={})])
    assert len(await store.claim({"api": 5, "other": 5}, "r")) == 2
    await store.close()


async def test_a_table_that_another_process_makes_meanwhile_is_read_anew(
    options: StoreOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The snapshot that the tables are planned in is older than that table: error 1412."""
    store, other = await opened(options), await opened(options)
    columns_of, planned = MysqlSession.columns_of, list[str]()

    async def after_anothers_migration(session: MysqlSession, table: Table) -> frozenset[str] | None:
        planned.append(table.name)
        if planned == ["job"]:
            await other.migrate()
        return await columns_of(session, table)

    monkeypatch.setattr(MysqlSession, "columns_of", after_anothers_migration)
    assert await store.migrate() == []
    for each in (store, other):
        await each.close()
