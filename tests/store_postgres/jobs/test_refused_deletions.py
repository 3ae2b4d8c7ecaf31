"""Clears and retention step over what can't be deleted."""

from typing import Any

import pytest
from tests.store_postgres.forging import forge
from tests.store_postgres.jobs.bench import Bench

from sp00ky_core.job.job import JobStatus
from sp00ky_core.job.state_machine import Rescheduled
from sp00ky_core.outbox.operators import bulk
from sp00ky_core.ports import JobFilter, JobQuery, JobTable
from sp00ky_core.stores.transitions import clear, kill, reschedule
from sp00ky_core.testing.perform import outbox_over
from sp00ky_store_postgres import PostgresStore


@pytest.fixture
def table() -> JobTable:
    return JobTable(backend="api", table="job", timeout=1.0, lease_margin=1.0)


async def test_what_cant_be_deleted_by_a_clear_is_said_of_each(
    store: PostgresStore, new_job: Any, referred: Any
) -> None:
    jobs = await store.add([new_job() for _ in range(5)])
    await kill(store, [job.id for job in jobs])
    await referred(f"id = '{jobs[1].id[-36:]}'")
    results = await clear(store, [job.id for job in jobs])
    assert [result.fate for result in results] == ["cleared", "illegal", "cleared", "cleared", "cleared"]
    assert f"job {jobs[1].id} can't be deleted: " in str(results[1].problem)
    assert "foreign key" in str(results[1].problem)


async def test_a_clear_by_filter_goes_on_past_what_is_kept(
    bench: Bench, new_job: Any, referred: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "CLEAR_BATCH", 2)
    jobs = await bench.store.add([new_job(path=f"/{n}") for n in range(6)])
    await kill(bench.store, [job.id for job in jobs])
    kept = [job.id for job in await bench.store.find(JobQuery(limit=4))]  # the newest
    await referred(f"id = ANY ('{{{','.join(job_id[-36:] for job_id in kept)}}}')")
    outbox = outbox_over(bench.store, [bench.table], bench.folder)
    await outbox.clear(filter=JobFilter(status=JobStatus.FAILED))
    assert {job.id for job in await bench.store.find(JobQuery())} == set(kept)


async def test_rows_that_cannot_be_deleted_hold_up_no_other(
    store: PostgresStore, sql: Any, quoted: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The newest 30 of 100 are referred to; each call goes on after those that it has seen."""
    await forge(
        sql,
        quoted,
        f"INSERT INTO {quoted}.job (path, status, created_at)"
        " SELECT '/' || n, 'failed', now() - n * interval '1 minute' FROM generate_series(1, 100) AS n;"
        f"CREATE TABLE {quoted}.note (job uuid REFERENCES {quoted}.job);"
        f"INSERT INTO {quoted}.note SELECT id FROM {quoted}.job ORDER BY created_at DESC LIMIT 30",
    )
    assert [await store.clear_matching(JobFilter(), limit=40) for _ in range(2)] == [40, 30]
    assert await store.count(JobFilter()) == 30
    assert "can't be deleted" in caplog.text
    assert await store.clear_matching(JobFilter(), limit=40) == 0


OLD = """
    INSERT INTO {table} (path, payload, status, updated_at)
    SELECT '/' || n, '{{}}', 'success', now() - interval '1 day' - n / 2 * interval '1 s'
    FROM generate_series(1, 50) AS n
"""


async def test_what_a_users_table_refers_to_is_kept_and_everything_else_is_pruned(
    make: Any, table: JobTable, sql: Any, quoted: str, referred: Any, caplog: pytest.LogCaptureFixture
) -> None:
    tables = (table, JobTable(backend="mail", table="mail"))
    store = make(tables=tables)
    await store.open()
    await store.migrate()
    for stored in tables:
        await forge(sql, quoted, OLD.format(table=f"{quoted}.{stored.table}"), table=stored.table)
    await referred("path IN ('/50', '/49', '/48', '/3')")
    counts = [await store.prune(limit=10) for _ in range(12)]
    await store.close()
    assert sum(counts) == 96
    assert await sql.fetchval(f"SELECT count(*) FROM {quoted}.job") == 4
    assert "and 2 more can't be deleted" in caplog.text


async def test_operators_may_write_a_uuid_in_other_ways(store: PostgresStore, new_job: Any) -> None:
    jobs = await store.add([new_job() for _ in range(3)])
    others = [job.id.replace("-", "").upper().replace("JOB:", "job:") for job in jobs]
    at_once = await reschedule(store, others, Rescheduled(priority=1))
    killed = await kill(store, others)
    cleared = await clear(store, [others[0], jobs[1].id, others[2]])
    assert [result.job_id for result in at_once] == [result.job_id for result in killed] == others
    assert {result.fate.value for result in at_once} == {"rescheduled"}
    assert {result.fate.value for result in killed} == {"killed"}
    assert [result.fate.value for result in cleared] == ["cleared"] * 3
    assert cleared[0].job_id == others[0]
