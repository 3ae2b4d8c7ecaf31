"""Batches that take too long are written row by row."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import pytest

from sp00ky_conformance.store.harness import eventually, settlement
from sp00ky_core.errors import StoreUnavailable
from sp00ky_core.job.job import JobStatus
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import Settlement
from sp00ky_store_postgres import PostgresStore


async def written(store: PostgresStore, batch: Sequence[Settlement]) -> set[str]:
    """The jobs of those that are written now; none, where nothing could be."""
    with suppress(StoreUnavailable):
        results = await store.settle(batch)
        return {result.job_id for result in results if result.fate in {"settled", "already_settled"}}
    return set()


async def test_a_row_that_takes_long_holds_up_no_other(
    store: PostgresStore, sql: Any, quoted: str, new_job: Any, dsn: str
) -> None:
    """A trigger of a user's that waits for a lock, and a transaction that holds that for long."""
    await sql.execute(
        f"CREATE FUNCTION {quoted}.wait() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NEW; END $$;"
        f"CREATE TRIGGER wait BEFORE UPDATE ON {quoted}.job FOR EACH ROW "
        f"WHEN (OLD.path = '/slow' AND NEW.status = 'success') EXECUTE FUNCTION {quoted}.wait()"
    )
    await store.add([new_job(path="/slow"), *(new_job() for _ in range(20))])
    jobs = await store.claim({"api": 21}, "r1")
    batch = [settlement(job, Delivered()) for job in jobs]
    holder = await asyncpg.connect(dsn)
    await holder.execute("SELECT pg_advisory_lock(4711)")
    slow = next(write for write, job in zip(batch, jobs, strict=True) if job.path == "/slow")
    others = [write for write in batch if write is not slow]

    async def others_are_written() -> bool:  # at the first try, unless the machine is busy
        return await written(store, batch) == {write.job_id for write in others}

    await eventually(others_are_written)
    await store.add([new_job()])
    (other,) = await store.claim({"api": 1}, "r1")

    async def the_next_is_written() -> bool:
        return await written(store, [slow, settlement(other, Delivered())]) == {other.id}

    await eventually(the_next_is_written)
    await holder.close()

    async def slow_is_written() -> bool:
        return (await store.get(slow.job_id)).status is JobStatus.SUCCESS

    await eventually(slow_is_written)
    (result,) = await store.settle([slow])
    assert result.fate == "already_settled"


async def test_where_nothing_can_be_written_it_is_the_databases_fault(
    store: PostgresStore, new_job: Any, dsn: str, quoted: str
) -> None:
    await store.add([new_job() for _ in range(3)])
    batch = [settlement(job, Delivered()) for job in await store.claim({"api": 3}, "r1")]
    holder = await asyncpg.connect(dsn)
    async with holder.transaction():
        await holder.execute(f"LOCK TABLE {quoted}.job IN ACCESS EXCLUSIVE MODE")
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="in time"):
                await store.settle(batch)
    await holder.close()

    async def all_are_written() -> bool:
        return await written(store, batch) == {write.job_id for write in batch}

    await eventually(all_are_written)
