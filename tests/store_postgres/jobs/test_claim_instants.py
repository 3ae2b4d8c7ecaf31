"""An instant in deferred_since that no calendar has: refused, or, where it is there already, bounded."""

from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import pytest
from tests.store_postgres.forging import forge

from sp00ky_core.ports import JobQuery
from sp00ky_store_postgres import PostgresStore

HOSTILE = ["4000-01-01 BC", "-infinity", "infinity", "200000-01-01"]

INSERT = "INSERT INTO {0}.job (path, payload, deferred_since) VALUES ('/hostile', '{{}}', '{1}')"


@pytest.mark.parametrize("instant", HOSTILE)
async def test_it_is_refused(store: PostgresStore, sql: Any, quoted: str, instant: str) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="job_written"):
        await forge(sql, quoted, INSERT.format(quoted, instant))
    assert await store.migration() == []


@pytest.mark.parametrize("instant", HOSTILE)
async def test_one_from_before_the_check_is_read_and_keeps_no_other_job_back(
    store: PostgresStore, sql: Any, quoted: str, new_job: Any, instant: str
) -> None:
    await sql.execute(f"ALTER TABLE {quoted}.job DROP CONSTRAINT job_written")
    await forge(sql, quoted, INSERT.format(quoted, instant))
    await store.add([new_job()])
    found = await store.find(JobQuery(path="/hostile"))
    assert [job.deferred_since.year in {1, 9999} for job in found] == [True]
    assert len(await store.claim({"api": 10}, "r1")) == 2


async def test_one_from_before_the_check_is_found_by_the_migration(
    store: PostgresStore, sql: Any, quoted: str, new_job: Any
) -> None:
    await sql.execute(f"ALTER TABLE {quoted}.job DROP CONSTRAINT job_written")
    await forge(sql, quoted, INSERT.format(quoted, HOSTILE[0]))
    (job,) = await store.add([new_job()])
    with pytest.raises(Exception, match="job_written"):
        await store.migrate()
    assert [claimed.id for claimed in await store.claim({"api": 10}, "r1")] == [job.id]
    await sql.execute(f"UPDATE {quoted}.job SET deferred_since = NULL WHERE path = '/hostile'")
    assert len(await store.migrate()) == 1
    assert await store.migration() == []
