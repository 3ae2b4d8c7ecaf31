"""Names of indexes that are taken: nothing is made, and what to rename is said."""

from __future__ import annotations

from typing import Any

import pytest

from sp00ky_core.errors import SchemaError
from sp00ky_core.ports import JobTable
from sp00ky_store_postgres import PostgresStore

API, MAIL = JobTable(backend="api", table="job"), JobTable(backend="mail", table="job_due")
RELATIONS = "SELECT count(*) FROM pg_class WHERE relnamespace = '{}'::regnamespace"


@pytest.fixture
def quoted(schema: str) -> str:
    return '"' + schema.replace('"', '""') + '"'


@pytest.mark.parametrize("tables", [(API, MAIL), (MAIL, API)], ids=["before", "after"])
async def test_a_table_with_the_name_of_anothers_index_is_refused(
    make: Any, sql: Any, quoted: str, tables: tuple[JobTable, ...]
) -> None:
    await sql.execute(f"CREATE SCHEMA {quoted}")
    store = make(tables=tables)
    for call in (store.migrate, store.migration):
        with pytest.raises(
            SchemaError, match=r"index job_due can't be made: .*give one of backends 'api' and 'mail' another"
        ):
            await call()
    assert await sql.fetchval(RELATIONS.format(quoted)) == 0
    await store.open()
    first, *_ = await store.check()
    assert (first.stops_jobs, first.subject) == (True, "job")
    assert first.problem.startswith("index job_due can't be made")
    await store.close()


async def test_a_table_that_comes_later_may_not_have_the_name_of_an_index(
    store: PostgresStore, make: Any
) -> None:
    with pytest.raises(SchemaError, match=r"'job_due' is no job table.*it is an index; give backend 'mail'"):
        await make(tables=(API, MAIL)).migrate()


TAKEN = {
    "table": ("job_due", "CREATE TABLE {0}.job_due (id integer)", "a table"),
    "view": ("job_new", "CREATE VIEW {0}.job_new AS SELECT 1 AS one", "a view"),
    "sequence": ("job_ended", "CREATE SEQUENCE {0}.job_ended", "a sequence"),
    "index": (
        "job_dedup",
        "CREATE TABLE {0}.other (id integer); CREATE INDEX job_dedup ON {0}.other (id)",
        "an index of table other",
    ),
}


@pytest.mark.parametrize(("name", "statement", "holder"), TAKEN.values(), ids=TAKEN)
@pytest.mark.parametrize("migrated", [False, True], ids=["new", "migrated"])
async def test_a_relation_with_the_name_of_an_index_is_told(
    make: Any, sql: Any, quoted: str, migrated: bool, name: str, statement: str, holder: str
) -> None:
    store = make()
    await store.open()
    await sql.execute(f"CREATE SCHEMA {quoted}")
    if migrated:
        await store.migrate()
        await sql.execute(f"DROP INDEX {quoted}.{name}")
    await sql.execute(statement.format(quoted))
    before = await sql.fetchval(RELATIONS.format(quoted))
    rename = f'ALTER TABLE {quoted}."{name}" RENAME TO'
    with pytest.raises(SchemaError, match=f"index {name} can't be made: {holder} has that name; rename that"):
        await store.migrate()
    assert await sql.fetchval(RELATIONS.format(quoted)) == before
    first, *_ = await store.check()
    assert first.problem == f"index {name} can't be made: {holder} has that name"
    assert f"rename that ({rename} ...), or give backend 'api' another method.table" in first.mend
    assert first.stops_jobs is (not migrated or name == "job_dedup")  # without another one jobs are slow only
    await sql.execute(f"{rename} mine")
    await store.migrate()
    assert await store.check() == []
    await store.close()


async def test_a_name_that_is_not_needed_may_be_taken(make: Any, sql: Any, quoted: str) -> None:
    """``job_key`` is made only where the table has no primary key."""
    await sql.execute(f"CREATE SCHEMA {quoted}; CREATE TABLE {quoted}.job_key (id integer)")
    store = make()
    await store.migrate()
    await store.open()
    assert await store.check() == []
    await sql.execute(f"ALTER TABLE {quoted}.job DROP CONSTRAINT job_pkey")
    with pytest.raises(SchemaError, match="index job_key can't be made: a table has that name"):
        await store.migrate()
    await store.close()
