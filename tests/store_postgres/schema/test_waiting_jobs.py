"""What nobody attends to is found, and tables of another release are worked on where that allows it."""

from typing import Any

from tests.store_postgres.forging import forge

from sp00ky_core.ports import JobTable
from sp00ky_store_postgres import PostgresStore

MAIL = JobTable(backend="mail", table="mail")


async def problems(store: PostgresStore) -> list[str]:
    found = await store.check()
    assert not any(finding.stops_jobs for finding in found)
    return [f"{finding.subject}: {finding.problem}" for finding in found]


async def test_due_jobs_and_no_runner_alive(
    store: PostgresStore, sql: Any, quoted: str, new_job: Any
) -> None:
    await store.beat("r1")
    assert await problems(store) == []
    await store.add([new_job()])
    assert await problems(store) == []
    await sql.execute(f"UPDATE {quoted}.sp00ky_runner SET beat_at = now() - interval '1 minute'")
    (problem,) = await problems(store)
    assert problem.startswith("job: a job has been due for ")
    assert problem.endswith("and no runner is alive")
    await sql.execute(f"UPDATE {quoted}.job SET run_at = now() + interval '1 hour'")
    assert await problems(store) == []
    await store.add([new_job(ordering_key="k")])
    assert len(await problems(store)) == 1


async def test_jobs_that_are_deferred_for_long(store: PostgresStore, sql: Any, quoted: str) -> None:
    await forge(
        sql,
        quoted,
        f"INSERT INTO {quoted}.job (path, run_at, deferred_since, status)"
        " SELECT '/a', now() + interval '1 hour', now() - minutes * interval '1 minute', status"
        " FROM (VALUES (59, 'pending'), (61, 'pending'), (90, 'pending'), (9, 'failed')) v (minutes, status)",
    )
    assert await problems(store) == ["job: deferred for over an hour: 2, the longest for 1 h 30 min"]
    await sql.execute(f"DELETE FROM {quoted}.job WHERE deferred_since < now() - interval '80 minutes'")
    assert await problems(store) == ["job: deferred for over an hour: 1, the longest for 1 h 1 min"]


async def test_a_table_that_no_backend_names_any_more(make: Any, sql: Any, quoted: str, new_job: Any) -> None:
    before = make(tables=(JobTable(backend="api", table="job"), MAIL))
    await before.open()
    await before.migrate()
    await before.add([new_job(backend="mail")])
    await before.close()
    after = make()
    await after.open()
    (problem,) = await problems(after)
    assert problem == "mail: no backend names it in method.table; jobs waiting in it: 1"
    await sql.execute(f"UPDATE {quoted}.mail SET status = 'failed'")
    assert await problems(after) == []
    await sql.execute(f"DROP TABLE {quoted}.mail")
    assert await problems(after) == []
    await after.close()
