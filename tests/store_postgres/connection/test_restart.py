"""The server goes away and comes back: calls heal, the listener too, and nobody's task breaks."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from tests.store_postgres.conftest import lose_first_reply

from sp00ky_conformance.store.harness import eventually
from sp00ky_core.config import BreakerConfig
from sp00ky_core.errors import StoreUnavailable
from sp00ky_core.gate.breaker import Breaker, BreakerState, Failed, change_after
from sp00ky_core.ports import JobQuery, JobTable, StoreOptions
from sp00ky_store_postgres import PostgresStore
from sp00ky_store_postgres.connection import statements
from sp00ky_store_postgres.connection.connect import Workload
from sp00ky_store_postgres.connection.statements import Transaction


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine's server may take longer to start than a call waits."""
    monkeypatch.setattr(statements, "PATIENCE", 60.0)


@pytest_asyncio.fixture
async def restarted(server: Any) -> AsyncIterator[PostgresStore]:
    """A store on the server that may be stopped; its tables are empty."""
    table = JobTable(backend="api", table="job", keep_success=0, keep_failed=0)
    store = PostgresStore(StoreOptions(url=server.url, tables=(table,)))
    await store.open()
    await store.migrate()
    await store._executor.fetch(Workload.REST, "TRUNCATE job, sp00ky_breaker")
    yield store
    await store.close()


async def test_an_add_whose_reply_was_lost_is_not_repeated(
    restarted: PostgresStore, server: Any, new_job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = lose_first_reply(monkeypatch, restarted._enqueues, "_insert")
    added = await restarted.add([new_job(), new_job(dedup_key="k"), new_job(run_at=None)])
    assert len(tries) == 2
    assert {job.id for job in await restarted.claim({"api": 10}, "r1")} == {job.id for job in added}


async def test_a_breakers_change_whose_reply_was_lost_is_told_as_written(
    restarted: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = change_after("api", Breaker(), Failed(), BreakerConfig(failures=1, interval=60))
    assert change is not None
    tries = lose_first_reply(monkeypatch, Transaction, "attempt")
    result = await restarted.change_breaker(change)
    assert (len(tries), result.written, result.breaker.state) == (2, True, BreakerState.OPEN)
    somebody_elses = await restarted.change_breaker(change)
    assert (len(tries), somebody_elses.written) == (3, False)


async def test_a_killed_backend_of_the_listener_is_noticed(
    restarted: PostgresStore, server: Any, new_job: Any
) -> None:
    signals = restarted.work_signal()
    await anext(signals)
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ILIKE 'listen%'"
    assert await restarted._executor.fetch(Workload.REST, kill)
    async with asyncio.timeout(60):
        await anext(signals)
    await signals.aclose()


@pytest.mark.parametrize("named", [True, False], ids=["named", "wide"])
async def test_watching_goes_on_however_long_the_server_is_away(
    restarted: PostgresStore,
    server: Any,
    new_job: Any,
    named: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "sp00ky_store_postgres")

    async def told() -> list[str]:
        said = [
            record.levelname for record in caplog.records if record.message.startswith("watching goes on")
        ]
        return said if len(said) > 2 else []

    (job,) = await restarted.add([new_job()])
    watch = restarted.watch(JobQuery(ids=(job.id,)) if named else JobQuery())
    assert (await anext(watch)).id == job.id
    following = asyncio.ensure_future(anext(watch))
    with monkeypatch.context() as impatient:
        impatient.setattr(statements, "PATIENCE", 0.3)  # so that several looks fail
        await server.stop()
        levels = await eventually(told)
    await server.start()
    assert not following.done()
    await restarted.claim({"api": 1}, "r1")
    async with asyncio.timeout(60):
        assert (await following).status == "processing"
    assert (levels[0], levels.count("WARNING")) == ("WARNING", 1)
    await watch.aclose()


async def test_a_watch_of_a_server_that_is_away_ends_with_its_store(
    restarted: PostgresStore, server: Any, new_job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await restarted.add([new_job()])
    watch = restarted.watch(JobQuery())
    await anext(watch)
    following = asyncio.ensure_future(anext(watch))
    monkeypatch.setattr(statements, "PATIENCE", 0.1)
    await server.stop()
    try:
        with pytest.raises(StoreUnavailable):
            await anext(restarted.watch(JobQuery()))  # which hasn't looked yet
        await asyncio.wait([following], timeout=0.3)
        assert not following.done()
        await restarted.close()
        async with asyncio.timeout(60):
            with pytest.raises(StopAsyncIteration):
                await following
    finally:
        await server.start()


async def test_a_store_closes_after_its_server(server: Any, new_job: Any) -> None:
    """Each kind of connection is there, and none of them can say goodbye; a watch is asking."""
    store = PostgresStore(StoreOptions(url=server.url, tables=(JobTable(backend="api", table="job"),)))
    await store.open()
    await store.migrate()
    (job,) = await store.add([new_job()])
    await store.beat("r1")
    await store.claim({"api": 1}, "r1")
    signals, watch = store.work_signal(), store.watch(JobQuery(ids=(job.id,)))
    await anext(signals)
    await anext(watch)
    following = asyncio.ensure_future(anext(watch))
    await server.stop()
    try:
        await asyncio.wait([following], timeout=0.2)
        following.cancel()
        async with asyncio.timeout(60):
            await asyncio.gather(following, return_exceptions=True)
            await store.close()
            await signals.aclose()
    finally:
        await server.start()
