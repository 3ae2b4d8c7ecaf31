"""Connections to a server: lost, hung, expired; and what is carried out once nevertheless."""

import asyncio
import os
import signal
from typing import Any

import pytest

from sp00ky_conformance.store.harness import settlement
from sp00ky_core.config import BreakerConfig
from sp00ky_core.errors import StoreUnavailable
from sp00ky_core.gate.breaker import Breaker, Failed, change_after
from sp00ky_core.job.job import Job, JobStatus, NewJob
from sp00ky_core.job.outcome import Delivered
from sp00ky_core.ports import JobQuery, SettleFate, Settlement
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.connection import reconnecting_pool
from sp00ky_store_surreal.errors import ConnectionLost


def delivered(job: Job) -> Settlement:
    return settlement(job, Delivered(result="kept"))


def freeze(server: Any) -> None:
    os.kill(server.process.pid, signal.SIGSTOP)
    os.waitid(os.P_PID, server.process.pid, os.WSTOPPED | os.WNOWAIT)


async def use_every_lane(store: SurrealStore) -> None:
    await store.add([NewJob(path="/first", backend="api")])
    (job,) = await store.claim({"api": 1}, "r")
    await store.settle([delivered(job)])
    await store.beat("r")


async def test_calls_go_on_after_a_cut(proxied: SurrealStore, proxy: Any) -> None:
    await use_every_lane(proxied)
    for count in range(1, 6):
        before = proxy.accepted
        proxy.cut()
        await proxied.add([NewJob(path="/a", backend="api")])
        (job,) = await proxied.claim({"api": 1}, "r")
        (result,) = await proxied.settle([delivered(job)])
        assert (result.fate, len(await proxied.find(JobQuery()))) == (SettleFate.SETTLED, 1 + count)
        assert "r" in await proxied.beat("r")
        assert proxy.accepted > before


async def test_a_call_that_waits_for_its_reply_is_not_cancelled(proxied: SurrealStore, proxy: Any) -> None:
    await use_every_lane(proxied)
    proxy.hold()
    calls = [asyncio.ensure_future(proxied.find(JobQuery())) for _ in range(5)]
    calls.append(asyncio.ensure_future(proxied.beat("r")))
    await asyncio.sleep(0.05)
    proxy.flow()
    proxy.cut()
    assert [len(claim) for claim in await asyncio.gather(*calls)] == [1] * 6


async def test_a_cancelled_call_ends_no_other(proxied: SurrealStore, proxy: Any) -> None:
    await use_every_lane(proxied)
    proxy.hold()
    left, other = (asyncio.ensure_future(proxied.find(JobQuery())) for _ in range(2))
    await asyncio.sleep(0.05)
    left.cancel()
    proxy.flow()
    assert len(await other) == 1
    assert left.cancelled()


async def test_jobs_whose_reply_was_lost_are_added_once(proxied: SurrealStore, proxy: Any) -> None:
    await use_every_lane(proxied)
    new = [NewJob(path=f"/{n}", backend="api", dedup_key=key) for n, key in enumerate([None, "k", "k"])]
    proxy.lose_reply()
    jobs = await proxied.add(new)
    assert len({job.id for job in jobs}) == 2
    assert {job.id for job in await proxied.find(JobQuery(status=JobStatus.PENDING))} == {
        job.id for job in jobs
    }


async def test_a_claim_whose_reply_was_lost_is_told_and_can_be_given_back(
    proxied: SurrealStore, proxy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await use_every_lane(proxied)
    for constant in ("ADVANCE", "SHORTEST"):  # no search comes before the claim, however slow the machine is
        monkeypatch.setattr(f"sp00ky_store_surreal.jobs.claim_start.{constant}", float("inf"))
    (job,) = await proxied.add([NewJob(path="/a", backend="api")])
    proxy.lose_reply()
    with pytest.raises(ConnectionLost):
        await proxied.claim({"api": 1}, "r")
    assert await proxied.release("r", keep=()) == [job.id]
    assert [claimed.id for claimed in await proxied.claim({"api": 1}, "r")] == [job.id]


async def test_a_breakers_change_whose_reply_was_lost_is_told(
    proxied: SurrealStore, proxy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = change_after("api", Breaker(), Failed(), BreakerConfig(failures=1, interval=60))
    assert change is not None
    await use_every_lane(proxied)
    proxy.lose_reply_to_write(proxied._connection, monkeypatch)
    with pytest.raises(ConnectionLost):
        await proxied.change_breaker(change)
    again = await proxied.change_breaker(change)
    assert (again.written, change.has_made(again.breaker)) == (False, True)


async def test_a_hung_server_is_noticed_and_what_it_does_late_is_done_once(
    new_surreal_server: Any, monkeypatch: pytest.MonkeyPatch, make_migrated: Any
) -> None:
    monkeypatch.setattr(reconnecting_pool, "PATIENCE", 30.0)
    server = new_surreal_server()
    store = await make_migrated(server.url())
    await use_every_lane(store)
    freeze(server)
    adding = asyncio.ensure_future(store.add([NewJob(path="/a", backend="api")]))
    beat = asyncio.ensure_future(store.beat("r"))
    await asyncio.sleep(1)
    assert not adding.done()
    os.kill(server.process.pid, signal.SIGCONT)
    (job,) = await adding
    await beat
    assert [stored.id for stored in await store.find(JobQuery(status=JobStatus.PENDING))] == [job.id]


async def test_a_caller_is_told_when_no_connection_comes(
    proxied: SurrealStore, proxy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await use_every_lane(proxied)
    monkeypatch.setattr(reconnecting_pool, "PATIENCE", 0.3)
    proxy.hold()
    proxy.cut()
    with pytest.raises(StoreUnavailable, match="the server does not answer"):
        await proxied.find(JobQuery())
    proxy.flow()
    monkeypatch.setattr(reconnecting_pool, "PATIENCE", 30.0)
    assert len(await proxied.find(JobQuery())) == 1


async def test_an_idle_connection_that_is_half_open_is_made_anew(
    proxied: SurrealStore, proxy: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    await use_every_lane(proxied)
    proxy.hold()
    with monkeypatch.context() as patched:
        patched.setattr(reconnecting_pool, "TICK", 0.1)
        async with asyncio.timeout(60):
            while caplog.text.count("does not answer") < 4:  # noqa: ASYNC110  # a log sends no event
                await asyncio.sleep(0.05)
    before = proxy.accepted
    proxy.flow()
    assert len(await proxied.find(JobQuery())) == 1
    assert proxy.accepted == before + 1


async def test_a_restart_on_the_same_file_is_healed(
    new_surreal_server: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, make_migrated: Any
) -> None:
    monkeypatch.setattr(reconnecting_pool, "PATIENCE", 60.0)  # a busy machine's server takes long to start
    server = new_surreal_server(f"surrealkv://{tmp_path / 'data'}")
    store = await make_migrated(server.url())
    await use_every_lane(store)
    server.kill()
    looking = asyncio.ensure_future(store.find(JobQuery()))
    await asyncio.sleep(0)
    await asyncio.to_thread(server.start)
    assert [job.status for job in await looking] == [JobStatus.SUCCESS]
