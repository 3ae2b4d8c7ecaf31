"""Signals of other processes' writes, over LIVE: heard, lost, and heard again."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from sp00ky_core.job.job import JobStatus, NewJob
from sp00ky_core.ports import JobQuery, JobTable
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.connection import live_queries, reconnecting_pool

MakeStore = Callable[..., SurrealStore]
SOON = 60.0
"""Seconds; what is waited for takes milliseconds."""


@pytest_asyncio.fixture
async def other(
    proxied: SurrealStore, make_store: MakeStore, surreal_url: str
) -> AsyncIterator[SurrealStore]:
    """Another process's store, as it were, on the same tables, and not through the proxy."""
    store = make_store(surreal_url)
    await store.open()
    yield store
    await store.close()


async def heard(signals: Any) -> None:
    async with asyncio.timeout(SOON):
        await anext(signals)


async def quiet(signals: Any, seconds: float = 0.3) -> asyncio.Future[None]:
    """The next signal, which doesn't come by itself."""
    signal = asyncio.ensure_future(anext(signals))
    await asyncio.wait([signal], timeout=seconds)
    assert not signal.done()
    return signal


async def test_a_cut_subscription_is_made_anew_told_and_fires_once(
    proxied: SurrealStore, other: SurrealStore, proxy: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    signals = proxied.work_signal()
    await heard(signals)
    signal = await quiet(signals)
    proxy.cut()
    async with asyncio.timeout(SOON):
        await signal
    assert "found by polling" in caplog.text
    assert "LIVE works again" in caplog.text
    signal = await quiet(signals)
    await other.add([NewJob(path="/a", backend="api")])
    async with asyncio.timeout(SOON):
        await signal
    await signals.aclose()


async def test_a_subscription_that_has_gone_silent_is_noticed(
    proxied: SurrealStore, proxy: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(live_queries, "PROOF_INTERVAL", 0.1)
    monkeypatch.setattr(live_queries, "TICK", 0.1)
    signals = proxied.work_signal()
    await heard(signals)
    proxy.hold()
    async with asyncio.timeout(SOON):
        while "found by polling" not in caplog.text:  # noqa: ASYNC110  # a log sends no event
            await asyncio.sleep(0.02)
    proxy.flow()
    await heard(signals)
    await signals.aclose()


async def test_a_session_that_ends_doesnt_end_the_signals(
    make_store: MakeStore, surreal_url: str, monkeypatch: pytest.MonkeyPatch, make_migrated: Any
) -> None:
    monkeypatch.setattr(live_queries, "PROOF_INTERVAL", 0.1)
    root = await make_migrated(surreal_url)
    await root._connection.write(
        "DEFINE USER worker ON DATABASE PASSWORD 'x' ROLES EDITOR DURATION FOR TOKEN 1m, FOR SESSION 1s"
    )
    address = surreal_url.partition("@")[2]
    store = make_store(f"ws://worker:x@{address}?auth=database")
    await store.open()
    signals = store.work_signal()
    await heard(signals)
    await heard(signals)  # after the session's end, by the next subscription
    signal = asyncio.ensure_future(anext(signals))
    await root.add([NewJob(path="/a", backend="api")])
    async with asyncio.timeout(SOON):
        await signal
    await signals.aclose()
    await store.close()


async def test_a_table_that_is_removed_is_heard_again_once_it_is_made(
    surreal_url: str, monkeypatch: pytest.MonkeyPatch, make_migrated: Any
) -> None:
    """And meanwhile the other one is."""
    monkeypatch.setattr(live_queries, "PROOF_INTERVAL", 0.1)
    tables = (JobTable(backend="api", table="job"), JobTable(backend="mail", table="mail"))
    store, other = [await make_migrated(surreal_url, tables) for _ in range(2)]
    await other.add([NewJob(path="/a", backend="mail")])
    signals = store.work_signal()
    await heard(signals)
    await other._connection.write("REMOVE TABLE job")
    signal = await quiet(signals)
    await other.add([NewJob(path="/a", backend="mail")])
    async with asyncio.timeout(SOON):
        await signal
    await other.migrate()
    await heard(signals)
    signal = await quiet(signals)
    await other.add([NewJob(path="/a", backend="api")])
    async with asyncio.timeout(SOON):
        await signal
    await signals.aclose()


async def test_a_watch_outlives_an_outage_and_misses_nothing(
    proxied: SurrealStore,
    other: SurrealStore,
    proxy: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (job,) = await other.add([NewJob(path="/a", backend="api")])
    watching = [proxied.watch(query) for query in (JobQuery(ids=(job.id,)), JobQuery(backend="api"))]
    for watch in watching:
        assert (await anext(watch)).id == job.id
    following = [asyncio.ensure_future(anext(watch)) for watch in watching]
    proxy.hold()
    await other.claim({"api": 1}, "r")
    monkeypatch.setattr(reconnecting_pool, "TICK", 0.1)  # not sooner: a busy machine is slow to answer
    monkeypatch.setattr(reconnecting_pool, "PATIENCE", 0.5)
    async with asyncio.timeout(SOON):
        while caplog.text.count("looking again until it works") < 2:  # noqa: ASYNC110  # a log sends no event
            await asyncio.sleep(0.02)
    assert not any(future.done() for future in following)
    proxy.flow()
    async with asyncio.timeout(SOON):
        assert [(await future).status for future in following] == [JobStatus.PROCESSING] * 2
    for watch in watching:
        await watch.aclose()
