"""Jobs are found by ids in any notation, and by the beginning of an id."""

from __future__ import annotations

from typing import Any

from sp00ky_core import JobQuery, OperatorFate
from sp00ky_store_postgres import PostgresStore


async def test_a_row_s_id_is_its_uuid_however_it_is_written(
    store: PostgresStore, sql: Any, schema: str
) -> None:
    quoted = schema.replace('"', '""')
    await sql.execute(f'SET search_path = "{quoted}"')
    key = await sql.fetchval("INSERT INTO job (path) VALUES ('/spookify') RETURNING id")
    written = [f"job:{key}", f"job:{key.hex}", f"job:{str(key).upper()}"]
    found = [await store.find(JobQuery(ids=(each,))) for each in written]
    assert [[job.id for job in jobs] for jobs in found] == [[f"job:{key}"]] * 3
    assert [(await store.get(each)).id for each in written] == [f"job:{key}"] * 3
    for operate in (store.kill, store.redrive, store.kill, store.clear):
        (result,) = await operate([written[1]])
        assert (result.job_id, result.problem) == (written[1], None)
    (result,) = await store.clear([written[2]])
    assert (result.job_id, result.fate) == (written[2], OperatorFate.NOT_FOUND)
