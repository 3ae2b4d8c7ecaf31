"""Migrations and ``check``: repeated, at once, on tables that have rows, on tables that aren't ours."""

import asyncio
from itertools import count
from types import SimpleNamespace
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import pytest
from tests.store_postgres.conftest import findings

from sp00ky_conformance.store.harness import eventually
from sp00ky_core.errors import RowRefused, StoreError
from sp00ky_store_postgres import PostgresStore
from sp00ky_store_postgres.schema import migrate


async def test_the_first_releases_table_is_extended_without_a_rewrite(
    store: PostgresStore, sql: Any, quoted: str, first_release: str, new_job: Any
) -> None:
    await sql.execute(first_release)
    filenode = f"SELECT pg_relation_filenode('{quoted}.job')"
    before = await sql.fetchval(filenode)
    assert any(finding.stops_jobs for finding in await findings(store))
    steps = await store.migrate()
    indexes = [step.statement for step in steps if " INDEX " in step.statement and step.table == "job"]
    assert len(indexes) == 10
    assert all("CONCURRENTLY" in index for index in indexes)
    made = [index.split('"')[1] if "CREATE" in index else index for index in indexes]
    assert made.index("job_ready") < next(n for n, index in enumerate(indexes) if "DROP INDEX" in index)
    assert await sql.fetchval(filenode) == before
    assert await findings(store) == []
    await store.add([new_job(ordering_key="k")])
    assert len(await store.claim({"api": 100}, "r1")) == 51
    assert await store.migrate() == []


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO {}.job (path, payload) VALUES ('/b', '[1]')",
        "INSERT INTO {}.job (path, payload) VALUES ('/b', NULL)",
        "UPDATE {}.job SET payload = '1'",
    ],
)
async def test_a_payload_is_checked_where_it_is_written_and_nowhere_else(
    store: PostgresStore, sql: Any, quoted: str, new_job: Any, statement: str
) -> None:
    await store.add([new_job()])
    await sql.execute(f"ALTER TABLE {quoted}.job ADD CONSTRAINT job_payload CHECK (payload IS NOT NULL)")
    await store.migrate()
    checks = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = $1::text::regclass"
    assert not any(
        "payload" in row[0] for row in await sql.fetch(checks, f"{quoted}.job") if "CHECK" in row[0]
    )
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await sql.execute(statement.format(quoted))
    await sql.execute(f"UPDATE {quoted}.job SET payload = '{{}}', path = '/c'")


async def test_rows_that_share_a_key_are_reported_in_the_databases_words(
    store: PostgresStore, sql: Any, quoted: str
) -> None:
    await sql.execute(f"DROP INDEX {quoted}.job_dedup")
    await sql.execute(f"INSERT INTO {quoted}.job (path, dedup_key) VALUES ('/a', 'k'), ('/b', 'k')")
    with pytest.raises(RowRefused, match='could not create unique index "job_dedup"') as caught:
        await store.migrate()
    assert "(k)" not in str(caught.value)
    (finding,) = await findings(store)
    assert (finding.stops_jobs, "rows share a key" in finding.problem) == (True, True)
    await sql.execute(f"UPDATE {quoted}.job SET dedup_key = NULL")
    await store.migrate()
    assert await findings(store) == []


async def test_who_has_the_lock_is_said_and_not_waited_for_without_end(
    make: Any, sql: Any, schema: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Any role may take the lock, for ever."""
    clock = count(step=25)
    monkeypatch.setattr(migrate, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    await sql.execute("SET application_name = 'a thief'")
    await sql.execute("SELECT pg_advisory_lock(hashtextextended('sp00ky:' || $1::text, 0))", schema)
    pid, user = await sql.fetchrow("SELECT pg_backend_pid(), session_user")
    with pytest.raises(StoreError, match="run sp00ky migrate again") as raised:
        await make().migrate()
    who = f"pid {pid} (application 'a thief', user {user}, since 20"
    assert f" for 75 s: {who}" in str(raised.value)
    assert [line.partition("others have: ")[2][: len(who)] for line in caplog.messages] == [who]
    await sql.execute("SELECT pg_advisory_unlock_all()")
    assert await make().migrate()


async def test_a_lock_is_not_waited_for_in_everybodys_way(
    store: PostgresStore, make: Any, sql: Any, quoted: str, new_job: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A transaction that wrote to the table is open for long: who writes meanwhile is soon let through."""
    await sql.execute(f"ALTER TABLE {quoted}.job DROP COLUMN deferred_since CASCADE")
    transaction = sql.transaction()
    await transaction.start()
    await sql.execute(f"INSERT INTO {quoted}.job (path) VALUES ('/spookify')")
    migrating = asyncio.ensure_future(make().migrate())
    waiting = (
        f"SELECT EXISTS (SELECT FROM pg_locks WHERE relation = '{quoted}.job'::regclass AND NOT granted)"
    )
    async with asyncio.timeout(60):
        await eventually(lambda: sql.fetchval(waiting))
        await store.ids_starting_with("job:")
        assert not migrating.done()
        pid = await sql.fetchval("SELECT pg_backend_pid()")

        async def is_said() -> bool:
            return f"others have: pid {pid} (" in caplog.text

        await eventually(is_said)
        await transaction.commit()
        await migrating
    assert await findings(store) == []


async def test_an_index_whose_making_was_cut_off_is_made_again(
    store: PostgresStore, sql: Any, quoted: str, dsn: str, new_job: Any
) -> None:
    await store.add([new_job()])
    await sql.execute(f"DROP INDEX {quoted}.job_ready")
    statement = (
        f"CREATE INDEX CONCURRENTLY job_ready ON {quoted}.job (priority DESC, run_at, id) "
        "WHERE status = 'pending' AND ordering_key IS NULL"
    )
    holder, maker = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    async with holder.transaction():
        await store.add([new_job()], connection=holder)  # which the making waits for
        making = asyncio.ensure_future(maker.execute(statement))
        waits = f"SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('{quoted}.job_ready'))"
        await eventually(lambda: sql.fetchval(waits))
        await sql.execute("SELECT pg_terminate_backend($1)", maker.get_server_pid())
        with pytest.raises((asyncpg.PostgresError, OSError)):
            await making
    await holder.close()
    found = await findings(store)
    assert [(finding.stops_jobs, finding.problem) for finding in found] == [
        (False, "index job_ready isn't valid: its making was cut off, or rows share a key")
    ]
    await store.migrate()
    assert await findings(store) == []


async def test_indexes_come_while_writers_go_on(
    store: PostgresStore, make: Any, sql: Any, quoted: str, new_job: Any
) -> None:
    """A transaction that wrote to the table is open all the while: it delays the making, and no writer."""
    await store.add([new_job() for _ in range(2_000)])
    await sql.execute(f"DROP INDEX {quoted}.job_ready; DROP INDEX {quoted}.job_assigned")
    transaction = sql.transaction()
    await transaction.start()
    await store.add([new_job()], connection=sql)
    migrating = asyncio.ensure_future(make(lock_timeout="100ms").migrate())  # as of a role
    async with asyncio.timeout(60):
        for _ in range(20):
            await store.add([new_job(assigned_to="thread:1")])
            assert len(await store.claim({"api": 1}, "r1")) == 1
            await asyncio.sleep(0.01)
        assert not migrating.done()
        await transaction.commit()
        steps = await migrating
    assert [step.statement.split()[:3] for step in steps][:2] == [["CREATE", "INDEX", "CONCURRENTLY"]] * 2
    assert await findings(store) == []
