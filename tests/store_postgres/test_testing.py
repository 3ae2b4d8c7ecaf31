"""Applications' tests on the real database, inside a transaction that is rolled back."""

import asyncio
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it carries no types
import psycopg
import pytest

from sp00ky_core.outbox.outbox import Outbox
from sp00ky_core.ports import JobTable
from sp00ky_core.sync import SyncOutbox
from sp00ky_core.testing import assert_enqueued, outbox_over, perform_jobs, refute_enqueued
from sp00ky_store_postgres import PostgresStore


@pytest.fixture
def outbox(store: PostgresStore, table: JobTable, tmp_path: Path) -> Outbox:
    return outbox_over(store, [table], tmp_path)


async def test_an_open_transaction_s_jobs_are_seen_and_performed(
    outbox: Outbox, store: PostgresStore, dsn: str
) -> None:
    connection = await asyncpg.connect(dsn)
    transaction = connection.transaction()
    await transaction.start()
    for number in ("1", "2"):
        await outbox.run("api", "/spookify", {"id": number}, ordering_key="k", connection=connection)
    await assert_enqueued(outbox, "api", "/spookify", payload={"id": "2"}, connection=connection)
    await refute_enqueued(outbox)
    with pytest.raises(AssertionError, match="payload /id is '2', expected '3'"):
        await assert_enqueued(outbox, "api", "/spookify", payload={"id": "3"}, connection=connection)

    responses = {"/spookify": lambda job: 500 if job.payload["id"] == "1" else {"got": job.payload["id"]}}
    failed, succeeded = await perform_jobs(outbox, responses=responses, connection=connection)
    assert (failed.status, failed.retries, failed.errors[-1].code) == ("failed", 3, 500)
    assert (succeeded.status, succeeded.result) == ("success", {"got": "2"})
    pending = await assert_enqueued(
        outbox, "api", "/spookify", count=2, status="pending", connection=connection
    )
    assert {job.id for job in pending} == {failed.id, succeeded.id}
    await transaction.rollback()
    await connection.close()
    await refute_enqueued(outbox)


async def test_synchronous_code_and_its_transaction(outbox: Outbox, dsn: str) -> None:
    def test() -> None:
        with psycopg.connect(dsn) as connection, SyncOutbox(outbox) as synchronous:
            synchronous.run("api", "/spookify", {"id": "1"}, connection=connection)
            assert_enqueued(synchronous, "api", "/spookify", payload={"id": "1"}, connection=connection)
            (job,) = perform_jobs(synchronous, responses={"/spookify": 500}, connection=connection)
            assert (job.status, job.retries) == ("failed", 3)
            assert_enqueued(synchronous, "api", "/spookify", status="pending", connection=connection)
            connection.rollback()
            refute_enqueued(synchronous, connection=connection)

    await asyncio.to_thread(test)
