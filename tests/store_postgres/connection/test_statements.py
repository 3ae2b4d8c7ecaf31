"""Connections whose other end falls silent without a word: as after a failover that resets nothing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from chaos.proxy import Proxy

from sp00ky_conformance.store.harness import eventually
from sp00ky_core.errors import StoreUnavailable
from sp00ky_core.job.job import JobStatus, NewJob
from sp00ky_core.job.outcome import Delivered, Outcome
from sp00ky_core.ports import Attempt, JobQuery, JobTable
from sp00ky_core.runner import RunnerOptions
from sp00ky_core.testing.perform import ScriptedTransport, outbox_over
from sp00ky_store_postgres import PostgresStore
from sp00ky_store_postgres.connection import statements
from sp00ky_store_postgres.connection.connect import Workload

WITHIN = 60.0
"""Seconds after which everything goes on."""


@pytest_asyncio.fixture
async def direct(store: PostgresStore, make: Any, dsn: str, schema: str) -> AsyncIterator[PostgresStore]:
    """A store whose sessions are its connections', also where the others are behind a pooler."""
    direct: PostgresStore = make(base=dsn, schema=schema)
    await direct.open()
    yield direct
    await direct.close()


async def test_jobs_answered_in_the_silence_are_settled_and_claims_go_on(
    store: PostgresStore, make: Any, through: str, proxy: Proxy, schema: str, table: JobTable, tmp_path: Path
) -> None:
    """The store beside it keeps its connections, and so sees what is written."""
    answering = asyncio.Event()

    async def script(attempt: Attempt) -> Outcome:
        await answering.wait()
        return Delivered()

    silenced: PostgresStore = make(base=through, schema=schema)
    transport = ScriptedTransport(script)
    async with outbox_over(silenced, [table], tmp_path) as outbox:
        runner = outbox.runner(RunnerOptions(grace=1), transport=transport)
        await runner.start()
        answering.set()
        await ended(store, await enqueue(store, 5))  # so that every kind of connection is there
        answering.clear()
        at_work = await enqueue(store, 2, max_retries=0)
        while transport.in_flight < 2:  # noqa: ASYNC110  # nothing tells
            await asyncio.sleep(0.01)
        proxy.silence()
        answering.set()
        waiting = await enqueue(store, 3)
        async with asyncio.timeout(WITHIN):
            await ended(store, at_work | waiting)
        await runner.drain()
    jobs = await store.find(JobQuery(ids=tuple(at_work | waiting)))
    assert [(job.status, job.errors) for job in jobs] == [(JobStatus.SUCCESS, ())] * 5


async def test_a_cancelled_call_ends_also_where_its_rollback_fails(direct: PostgresStore) -> None:
    begun = asyncio.Event()

    async def work(connection: Any) -> None:
        async with connection.transaction():
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                connection.terminate()  # as a network that is cut at the same time

    call = asyncio.create_task(direct._executor.run(Workload.REST, work))
    await begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def enqueue(store: PostgresStore, count: int, **fields: Any) -> set[str]:
    new_job = NewJob(backend="api", path="/spookify", payload={}, **fields)
    return {job.id for job in await store.add([new_job] * count)}


async def ended(store: PostgresStore, job_ids: set[str]) -> None:
    """Return when all have, well or not."""
    async for job in store.watch(JobQuery(ids=tuple(job_ids))):
        if job.is_terminal:
            job_ids = job_ids - {job.id}
        if not job_ids:
            return


async def test_a_statement_that_is_only_slow_outlives_a_beat_that_failed(
    direct: PostgresStore, sql: Any, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle = direct._executor._pools[Workload.REST].connections()
    slow = asyncio.ensure_future(direct._executor.fetch(Workload.CLAIM, "SELECT pg_sleep(3)"))
    await direct._executor.fetch(Workload.SETTLE, "SELECT 1")
    async with sql.transaction():
        quoted = schema.replace('"', '""')
        await sql.execute(f'LOCK TABLE "{quoted}".sp00ky_runner')
        with monkeypatch.context() as hasty:
            hasty.setattr(Workload.BEAT, "seconds", 0.5)
            hasty.setattr(statements, "PATIENCE", 0.3)
            with pytest.raises(StoreUnavailable):
                await direct.beat("r1")
    assert "r1" in await direct.beat("r1")
    assert all(connection.is_closed() for connection in idle)
    assert len(await slow) == 1


async def test_a_call_whose_connection_was_lost_late_is_made_again(
    direct: PostgresStore, sql: Any, schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    quoted = schema.replace('"', '""')
    waits = "SELECT pg_backend_pid() = ANY (pg_blocking_pids($1))"
    async with sql.transaction():
        await sql.execute(f'LOCK TABLE "{quoted}".job')
        with monkeypatch.context() as late:
            late.setattr(statements, "PATIENCE", 0.0)  # it is used up once the call waits
            adding = asyncio.ensure_future(enqueue(direct, 1))
            await eventually(lambda: sql.fetchval(waits, pid_of(direct)))
        await sql.fetch("SELECT pg_terminate_backend($1)", pid_of(direct))
    (job_id,) = await adding
    assert [job.id for job in await direct.find(JobQuery())] == [job_id]


async def test_a_connection_to_what_is_no_primary_any_more_is_left(direct: PostgresStore) -> None:
    (connection,) = direct._executor._pools[Workload.REST].connections()
    await connection.execute("SET default_transaction_read_only = on")  # as on a server that was demoted
    assert len(await enqueue(direct, 1)) == 1
    assert connection not in direct._executor._pools[Workload.REST].connections()


def pid_of(store: PostgresStore) -> int:
    (connection,) = store._executor._pools[Workload.REST].connections()
    return int(connection.get_server_pid())
