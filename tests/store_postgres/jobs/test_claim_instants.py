"""Instants that no calendar has, and that are there already."""

from typing import Any

import pytest
from tests.store_postgres.forging import forge

from sp00ky_core.ports import JobQuery
from sp00ky_store_postgres import PostgresStore
from sp00ky_store_postgres.selects import UNCHECKED

HOSTILE = ["4000-01-01 BC", "-infinity", "infinity", "200000-01-01"]

INSERT = "INSERT INTO {0}.job (path, payload, deferred_since) VALUES ('/hostile', '{{}}', '{1}')"


@pytest.mark.parametrize("instant", HOSTILE)
async def test_those_that_nothing_checked_are_read_and_keep_no_other_job_back(
    store: PostgresStore, sql: Any, quoted: str, new_job: Any, instant: str
) -> None:
    await sql.execute(f"ALTER TABLE {quoted}.job DROP CONSTRAINT job_written, DISABLE TRIGGER USER")
    values = ", ".join([f"'{instant}'"] * len(UNCHECKED))
    await sql.execute(
        f"INSERT INTO {quoted}.job (path, {', '.join(UNCHECKED)}) VALUES ('/hostile', {values})"
    )
    await store.add([new_job()])
    (job,) = await store.find(JobQuery(path="/hostile"))
    assert len({getattr(job, name) for name in UNCHECKED}) == 1
    assert len(await store.claim({"api": 10}, "r1")) == {1: 2, 9999: 1}[job.run_at.year]


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
