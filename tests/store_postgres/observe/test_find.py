"""Jobs are found by ids in any notation, and by the beginning of an id."""

from __future__ import annotations

from typing import Any

import pytest

from sp00ky_core import JobQuery, OperatorFate
from sp00ky_core.errors import StoreClosed
from sp00ky_core.operators.transitions import clear, kill, redrive
from sp00ky_store_postgres import PostgresStore


async def test_ids_by_their_beginning(store: PostgresStore, sql: Any, quoted: str) -> None:
    keys = [f"0190163d-8694-739b-8c4f-4b7d2f1e3c{n}" for n in range(50, 54)]
    await sql.executemany(f"INSERT INTO {quoted}.job (id, path) VALUES ($1, '/a')", [(key,) for key in keys])
    ids = [f"job:{key}" for key in keys]
    assert await store.ids_starting_with("job:0190163d-86") == ids[:2]
    assert await store.ids_starting_with("job:0190163D8694739B", limit=9) == ids
    assert await store.ids_starting_with(ids[1][:-1] + "1") == [ids[1]]
    assert await store.ids_starting_with("job:", limit=1) == ids[:1]
    for none in ("job:02", "job:x", "job:0190163d%", f"{ids[0]}0", "nowhere:01", "job", ""):
        assert await store.ids_starting_with(none) == []


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
    for operate in (kill, redrive, kill, clear):
        (result,) = await operate(store, [written[1]])
        assert (result.job_id, result.problem) == (written[1], None)
    (result,) = await clear(store, [written[2]])
    assert (result.job_id, result.fate) == (written[2], OperatorFate.NOT_FOUND)


async def test_a_closed_store_says_so_whatever_the_id(make: Any) -> None:
    store = make()
    await store.open()
    await store.migrate()
    await store.close()
    for call in (store.get("job:1"), kill(store, ["job:1"]), store.ids_starting_with("job:xyz")):
        with pytest.raises(StoreClosed):
            await call
