"""Settles: rows that others lock, and rows that the database refuses, cost no other row."""

import asyncio
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types

from sp00ky_conformance.store.harness import failure, settlement
from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import SettleFate
from sp00ky_store_postgres import PostgresStore


async def claimed(store: PostgresStore, new_job: Any, count: int) -> list[Job]:
    await store.add([new_job() for _ in range(count)])
    return await store.claim({"api": count}, "r1")


async def test_a_row_that_a_transaction_holds_is_busy_and_delays_nothing(
    store: PostgresStore, new_job: Any, dsn: str, quoted: str
) -> None:
    jobs = await claimed(store, new_job, 3)
    events = (Delivered(), Delivered(), failure())
    batch = [settlement(job, event) for job, event in zip(jobs, events, strict=True)]
    holder = await asyncpg.connect(dsn)
    transaction = holder.transaction()
    await transaction.start()
    await holder.execute(f"SELECT FROM {quoted}.job WHERE id = $1 FOR UPDATE", jobs[1].id[-36:])
    async with asyncio.timeout(60):
        results = await store.settle(batch)
    assert [result.fate for result in results] == ["settled", "busy", "settled"]
    assert (await store.get(jobs[1].id)).status is JobStatus.PROCESSING
    await transaction.rollback()
    await holder.close()
    (result,) = await store.settle(batch[1:2])
    assert result.fate is SettleFate.SETTLED


async def test_an_archive_that_inherits_is_left_alone(
    store: PostgresStore, sql: Any, quoted: str, new_job: Any
) -> None:
    """Its rows have the same places (ctid) as the table's own."""
    await sql.execute(f"CREATE TABLE {quoted}.archive () INHERITS ({quoted}.job)")
    await sql.execute(
        f"INSERT INTO {quoted}.archive (path, status, runner_id) SELECT '/old', 'success', 'r1'"
        " FROM generate_series(1, 20)"
    )
    before = await sql.fetch(f"SELECT * FROM {quoted}.archive ORDER BY id")
    await store.add([new_job() for _ in range(10)])
    jobs = await store.claim({"api": 30}, "r1")
    assert [job.path for job in jobs] == ["/spookify"] * 10
    await store.settle([settlement(job, Delivered()) for job in jobs[:5]])
    assert len(await store.release("r1", keep=())) == 5
    assert (await store.stats())["api"].success == 5
    assert await sql.fetch(f"SELECT * FROM {quoted}.archive ORDER BY id") == before
    assert [finding.problem for finding in await store.check() if finding.stops_jobs] == []
    assert await store.migrate() == []
