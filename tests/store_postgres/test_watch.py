"""Watches see each change, also what a long transaction commits late."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types

from sp00ky_core.job.job import Job, JobStatus
from sp00ky_core.ports import JobQuery
from sp00ky_store_postgres import PostgresStore
from sp00ky_store_postgres.watch import Trail


async def first(jobs: AsyncGenerator[Job, None]) -> Job:
    async with asyncio.timeout(60):
        return await anext(jobs)


async def test_a_late_commit_is_seen(store: PostgresStore, dsn: str, sql: Any, new_job: Any) -> None:
    """What a transaction wrote long before it committed."""
    connection = await asyncpg.connect(dsn)
    transaction = connection.transaction()
    await transaction.start()
    watch = store.watch(JobQuery(path="/late"))
    following = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0.1)
    await store.add([new_job(path="/late")], connection=connection)
    await asyncio.sleep(1.3)  # longer than the overlap
    assert not following.done()
    await transaction.commit()
    async with asyncio.timeout(60):
        assert (await following).path == "/late"
    await watch.aclose()
    await connection.close()


def test_the_trail_stays_behind_what_is_running() -> None:
    from datetime import timedelta  # noqa: PLC0415

    start = datetime(2026, 1, 1, tzinfo=UTC)
    trail = Trail()
    second = timedelta(seconds=1)
    assert trail.follow(start, {}) == start - second
    unknown = trail.follow(start + 10 * second, {"7": None})
    assert unknown == start - second  # it may have begun right after the first
    assert trail.follow(start + 20 * second, {"7": None, "8": start - second}) == start - second
    assert trail.follow(start + 30 * second, {"8": None}) == start + 9 * second
    assert trail.follow(start + 40 * second, {}) == start + 39 * second
    assert Trail().follow(start, {"1": None}) == start - 61 * second
    assert Trail().follow(start, {"1": start - 3 * second}) == start - 4 * second
    assert Trail().follow(start, {"1": start - 99 * second}) == start - 61 * second


async def test_watchers_of_named_jobs_share_their_questions(
    store: PostgresStore, new_job: Any, sql: Any
) -> None:
    jobs = await store.add([new_job() for _ in range(50)])
    watches = [store.watch(JobQuery(ids=(job.id,))) for job in jobs]
    assert {(await anext(watch)).id for watch in watches} == {job.id for job in jobs}
    following = [asyncio.ensure_future(anext(watch)) for watch in watches]
    await store.claim({"api": 100}, "r1")
    async with asyncio.timeout(60):
        assert {job.status for job in await asyncio.gather(*following)} == {JobStatus.PROCESSING}
    for watch in watches:
        await watch.aclose()
