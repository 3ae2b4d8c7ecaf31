"""What is missing is planned and added, once; what is somebody else's is refused."""

from __future__ import annotations

import pytest
from tests.core.stores.transactional.conftest import TABLES, SqliteSession, added

from sp00ky_core.cli.migrate import table_lines
from sp00ky_core.errors import SchemaError
from sp00ky_core.stores.transactional.schema.definition import MIGRATIONS, RUNNERS, VERSION, job_table
from sp00ky_core.stores.transactional.schema.migrate import findings, migrate, plan


async def test_an_empty_database(empty: SqliteSession) -> None:
    steps = await migrate(empty, TABLES, "test")
    assert [each.table for each in steps if each.creates_table] == [
        "job",
        "mail_job",
        "sp00ky_runner",
        "sp00ky_breaker",
        "sp00ky_control",
        "sp00ky_audit",
        "sp00ky_schedule",
        "sp00ky_schedule_run",
        "sp00ky_rollup",
        "sp00ky_migration",
    ]
    assert table_lines(steps) == [f"{each.table}: created" for each in steps if each.creates_table]
    assert await plan(empty, TABLES, "test") == []
    assert await migrate(empty, TABLES, "test") == []
    assert {row["version"] for row in await empty.select(MIGRATIONS)} == {VERSION}


async def test_a_column_and_an_index_that_are_missing(session: SqliteSession) -> None:
    await session.execute("DROP INDEX job_dedup_idx")
    await session.execute("DROP INDEX job_created_idx")
    await session.execute("ALTER TABLE sp00ky_runner DROP COLUMN host")
    steps = await plan(session, TABLES, "test")
    assert [each.why for each in steps] == [
        "the index job_created_idx is missing",
        "the index job_dedup_idx is missing",
        "the column host is missing",
    ]
    assert table_lines(steps) == ["job: extended, 2 steps", "sp00ky_runner: extended, 1 step"]
    assert [each.stops_jobs for each in findings(steps)] == [False, True, True]
    await migrate(session, TABLES, "test")
    assert "host" in (await session.columns_of(RUNNERS) or ())
    assert await session.indexes_of(job_table("job")) >= {"job_dedup_idx", "job_created_idx"}
    await added(session)


async def test_an_index_of_an_earlier_version_is_dropped_after_its_successor(session: SqliteSession) -> None:
    await session.execute("DROP INDEX job_claim_idx")
    await session.execute("CREATE INDEX job_due_idx ON job (run_at)")
    await session.execute("CREATE INDEX job_mine_idx ON job (run_at)")
    steps = await plan(session, TABLES, "test")
    assert [each.why for each in steps] == [
        "the index job_claim_idx is missing",
        "the index job_due_idx is of an earlier version, and nothing uses it",
    ]
    assert [each.stops_jobs for each in findings(steps)] == [False, False]
    assert findings(steps)[1].consequence == "each claim maintains an index that nothing uses"
    await migrate(session, TABLES, "test")
    indexes = await session.indexes_of(job_table("job"))
    assert indexes >= {"job_claim_idx", "job_mine_idx"}
    assert "job_due_idx" not in indexes
    assert await plan(session, TABLES, "test") == []


async def test_what_is_no_table_of_ours(empty: SqliteSession) -> None:
    await empty.execute("CREATE TABLE job (id TEXT, path TEXT, status TEXT)")
    with pytest.raises(SchemaError, match="has no column payload; rename it, or set"):
        await plan(empty, TABLES, "test")


async def test_what_a_newer_version_has_changed(session: SqliteSession) -> None:
    await session.execute("UPDATE sp00ky_migration SET min_compatible = 99 WHERE table_name = 'job'")
    with pytest.raises(SchemaError, match="the table job was changed by a newer version: upgrade"):
        await migrate(session, TABLES, "test")
