"""Settles: rows that others hold, and rows that the database refuses, cost no other row."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import pytest

from sp00ky_core.errors import StoreUnavailable
from sp00ky_core.job import AttemptError, Job, JobStatus
from sp00ky_core.machine import Transition
from sp00ky_core.ports import SettleFate, Settlement
from sp00ky_store_postgres import PostgresStore


@pytest.fixture
def table_name(schema: str) -> str:
    return '"' + schema.replace('"', '""') + '".job'


async def claimed(store: PostgresStore, new_job: Any, count: int) -> list[Job]:
    await store.add([new_job() for _ in range(count)])
    return await store.claim({"api": count}, "r1")


def delivered(job: Job, result: bytes | None = None) -> Settlement:
    transition = Transition(to=JobStatus.SUCCESS, retries=job.retries, result_json=result)
    return Settlement(job_id=job.id, backend="api", epoch=job.lease_epoch, transition=transition)


def failed(job: Job, reason: str = "it failed") -> Settlement:
    error = AttemptError(attempt=1, code=500, name="http_status", reason=reason, runner_id="r1")
    transition = Transition(to=JobStatus.PENDING, retries=1, delay=5.0, error=error)
    return Settlement(job_id=job.id, backend="api", epoch=job.lease_epoch, transition=transition)


async def test_a_row_that_a_transaction_holds_is_busy_and_delays_nothing(
    store: PostgresStore, new_job: Any, dsn: str, table_name: str
) -> None:
    jobs = await claimed(store, new_job, 3)
    holder = await asyncpg.connect(dsn)
    transaction = holder.transaction()
    await transaction.start()
    await holder.execute(f"SELECT FROM {table_name} WHERE id = $1 FOR UPDATE", jobs[1].id[-36:])
    async with asyncio.timeout(5):
        results = await store.settle([delivered(jobs[0]), delivered(jobs[1]), failed(jobs[2])])
    assert [each.fate for each in results] == ["settled", "busy", "settled"]
    assert (await store.get(jobs[1].id)).status is JobStatus.PROCESSING
    await transaction.rollback()
    await holder.close()
    (result,) = await store.settle([delivered(jobs[1])])
    assert result.fate is SettleFate.SETTLED


async def test_a_row_that_another_refers_to_is_not_busy(
    store: PostgresStore, new_job: Any, dsn: str, table_name: str
) -> None:
    """A foreign key's lock is one that an update of other columns needn't wait for."""
    (job,) = await claimed(store, new_job, 1)
    holder = await asyncpg.connect(dsn)
    async with holder.transaction():
        await holder.execute(f"CREATE TABLE {table_name[:-3]}note (job uuid REFERENCES {table_name})")
    async with holder.transaction():
        await holder.execute(f"INSERT INTO {table_name[:-3]}note VALUES ($1)", job.id[-36:])
        (result,) = await store.settle([delivered(job)])
    await holder.close()
    assert result.fate is SettleFate.SETTLED


async def test_a_refused_result_is_left_out_and_the_others_are_written(
    store: PostgresStore, new_job: Any, sql: Any, table_name: str
) -> None:
    await sql.execute(f"ALTER TABLE {table_name} ADD CONSTRAINT short CHECK (length(result::text) < 20)")
    jobs = await claimed(store, new_job, 9)
    results = await store.settle(
        [delivered(job, b'"%s"' % (b"x" * (40 if n == 4 else 4))) for n, job in enumerate(jobs)]
    )
    assert {each.fate for each in results} == {SettleFate.SETTLED}
    problems = [each.problem for each in results]
    assert "short" in (problems[4] or "")
    assert problems[:4] + problems[5:] == [None] * 8
    kept = [await store.get(job.id) for job in jobs]
    assert [job.result for job in kept] == ["xxxx"] * 4 + [None] + ["xxxx"] * 4
    assert {job.status for job in kept} == {JobStatus.SUCCESS}


async def test_a_refused_entry_is_left_out(
    store: PostgresStore, new_job: Any, sql: Any, table_name: str
) -> None:
    await sql.execute(f"ALTER TABLE {table_name} ADD CONSTRAINT calm CHECK (errors::text NOT LIKE '%panic%')")
    jobs = await claimed(store, new_job, 2)
    results = await store.settle([failed(jobs[0], "panic"), failed(jobs[1])])
    assert [each.fate for each in results] == ["settled", "settled"]
    kept = [await store.get(job.id) for job in jobs]
    assert [len(job.errors) for job in kept] == [0, 1]
    assert [job.status for job in kept] == [JobStatus.PENDING] * 2


async def test_a_transition_that_is_refused_ends_as_a_failure_with_the_reason(
    store: PostgresStore, new_job: Any, sql: Any, table_name: str
) -> None:
    await sql.execute(f"ALTER TABLE {table_name} ADD CONSTRAINT never CHECK (status <> 'success')")
    (job,) = await claimed(store, new_job, 1)
    (result,) = await store.settle([delivered(job, b"1")])
    assert result.fate is SettleFate.SETTLED
    assert result.written is not None
    kept = await store.get(job.id)
    assert kept.status is result.written.to is JobStatus.FAILED
    assert "never" in kept.errors[-1].reason


async def test_a_row_that_takes_no_write_at_all_stays(
    store: PostgresStore, new_job: Any, sql: Any, table_name: str
) -> None:
    jobs = await claimed(store, new_job, 2)
    await sql.execute(
        f"CREATE FUNCTION {table_name[:-3]}no() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF OLD.path = '/no' THEN RAISE 'not this one'; END IF; RETURN NEW; END $$;"
        f"UPDATE {table_name} SET path = '/no' WHERE id = '{jobs[0].id[-36:]}';"
        f"CREATE TRIGGER no BEFORE UPDATE ON {table_name} FOR EACH ROW EXECUTE FUNCTION {table_name[:-3]}no()"
    )
    results = await store.settle([delivered(job) for job in jobs])
    assert [each.fate for each in results] == ["busy", "settled"]
    assert results[0].problem == "not this one"


async def test_errors_that_somebody_else_wrote_are_kept(
    store: PostgresStore, new_job: Any, sql: Any, table_name: str
) -> None:
    (job,) = await claimed(store, new_job, 1)
    await sql.execute(f"""UPDATE {table_name} SET errors = ' [ "x\\u0000", {{"name" : "y"}} ] '""")
    await store.settle([failed(job)])
    text = await sql.fetchval(f"SELECT errors::text FROM {table_name}")
    assert text.startswith('["x\\u0000",{"name" : "y"},{"at":"')
    assert [entry.name for entry in (await store.get(job.id)).errors] == ["y", "http_status"]


async def test_an_id_that_names_no_row_is_lost(store: PostgresStore, new_job: Any) -> None:
    (job,) = await claimed(store, new_job, 1)
    ids = ["nowhere:1", "job:x", "", job.id]
    batch = [
        Settlement(job_id=each, backend="api", epoch=1, transition=delivered(job).transition) for each in ids
    ]
    assert [each.fate for each in await store.settle(batch)] == ["lease_lost"] * 3 + ["settled"]


async def test_an_error_is_not_its_own_cause(make: Any, new_job: Any) -> None:
    with pytest.raises(StoreUnavailable, match="isn't open") as caught:
        await make().claim({"api": 1}, "r1")
    assert caught.value.__cause__ is None


async def test_a_cancelled_caller_leaves_the_store_usable(
    store: PostgresStore, new_job: Any, dsn: str, table_name: str
) -> None:
    (job,) = await store.add([new_job()])
    holder = await asyncpg.connect(dsn)
    async with holder.transaction():
        await holder.execute(f"LOCK TABLE {table_name} IN ACCESS EXCLUSIVE MODE")
        for _ in range(12):  # more than there are connections
            call = asyncio.ensure_future(store.claim({"api": 1}, "r1"))
            await asyncio.wait([call], timeout=0.05)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
    await holder.close()
    (taken,) = await store.claim({"api": 1}, "r1")
    assert taken.id == job.id
