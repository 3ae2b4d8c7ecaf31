"""Runners that share a server: where each claims, and who is woken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from sp00ky_core.job import NewJob
from sp00ky_core.ports import JobTable
from sp00ky_store_surreal import SurrealStore, heads, peers, signals
from sp00ky_store_surreal.peers import LIVELY, WINDOW, Peers

SOON = 20.0
"""Seconds; what is waited for takes milliseconds."""

LONG_AGO = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest_asyncio.fixture
async def shared(make_store: Callable[..., SurrealStore], surreal_url: str) -> AsyncIterator[SurrealStore]:
    """An open store on a server, with its tables."""
    store = make_store(surreal_url)
    await store.open()
    await store.migrate()
    yield store
    await store.close()


async def paths(store: SurrealStore, count: int, runner: str = "a") -> list[str]:
    return sorted(job.path for job in await store.claim({"api": count}, runner))


async def test_a_second_runner_claims_beyond_the_first_ones_next_jobs(
    shared: SurrealStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "WINDOW", 20)
    for runner in ("a", "b", "a"):
        await shared.beat(runner)
    await shared.add(
        [NewJob(path=f"/{n:02}", backend="api", run_at=LONG_AGO + timedelta(seconds=n)) for n in range(20)]
    )
    assert await paths(shared, 4, "b") == [f"/{n}" for n in range(10, 14)]
    assert await paths(shared, 5, "a") == [f"/{n:02}" for n in range(5)]
    rest = await paths(shared, 10, "b") + await paths(shared, 10, "b")  # too few beyond its place
    assert rest == [f"/{n:02}" for n in (*range(5, 10), *range(14, 20))]


def test_a_runner_that_has_ended_takes_no_place() -> None:
    places, now = Peers(), LONG_AGO
    places.seen("b", {"a": now, "b": now})
    assert places.start("b", 10) == WINDOW // 2
    places.seen("b", {"a": now, "b": now + LIVELY + timedelta(seconds=1)})
    assert places.start("b", 10) == 0


async def test_no_instant_is_passed_over(shared: SurrealStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many digits it has: an index has instants as text."""
    monkeypatch.setattr(heads, "SHORTEST", 3_600.0)
    monkeypatch.setattr(heads, "ADVANCE", 0.0)
    instants = ["05Z", "05.5Z", "05.000001Z", "05.5000015Z", "05.123Z", "05.123456Z", "06Z", "04.999999999Z"]
    for number, each in enumerate(instants):
        await shared._connection.write(
            f"CREATE job SET path = '/{number}', payload = '{{}}', run_at = d'2024-01-02T03:04:{each}'"
        )
    claimed = [path for _ in instants for path in await paths(shared, 1)]
    assert sorted(claimed) == [f"/{number}" for number in range(len(instants))]


async def test_a_job_that_is_given_back_is_due_as_early_as_before(
    shared: SurrealStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "SHORTEST", 3_600.0)
    monkeypatch.setattr(heads, "ADVANCE", 0.0)
    await shared.add(
        [NewJob(path=f"/{n}", backend="api", run_at=LONG_AGO + timedelta(seconds=n)) for n in range(3)]
    )
    assert await paths(shared, 1) == ["/0"]
    assert await paths(shared, 1) == ["/1"]
    await shared.release("a", keep=())
    assert await paths(shared, 1) == ["/0"]


async def test_a_claim_that_left_nothing_due_wakes_nobody(
    shared: SurrealStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs that are due later come after those that are: a runner would claim again and again."""
    monkeypatch.setattr(heads, "SHORTEST", 3_600.0)
    woken: list[None] = []
    await shared.add([NewJob(path="/later", backend="api", delay=timedelta(hours=1)) for _ in range(3)])
    await shared.add([NewJob(path="/now", backend="api")])
    monkeypatch.setattr(shared._signals, "work", lambda: woken.append(None))
    assert await paths(shared, 5) == ["/now"]
    assert await paths(shared, 5) == []
    assert woken == []


async def test_two_backends_are_claimed_as_one_transaction(
    make_store: Callable[..., SurrealStore], surreal_url: str
) -> None:
    tables = (JobTable(backend="api", table="job"), JobTable(backend="mail", table="mail"))
    store = make_store(surreal_url, tables)
    await store.open()
    await store.migrate()
    await store.add([NewJob(path="/a", backend="api"), NewJob(path="/b", backend="mail")])
    assert {job.path for job in await store.claim({"api": 2, "mail": 2}, "r")} == {"/a", "/b"}
    await store.close()


async def test_live_rests_while_claims_are_full(
    shared: SurrealStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "BUSY", -1.0)
    listening = shared.work_signal()
    async with asyncio.timeout(SOON):
        await anext(listening)
        await shared.add([NewJob(path=f"/{n}", backend="api") for n in range(3)])
        await paths(shared, 1)
        while await lives(shared):  # noqa: ASYNC110  # the server tells nobody
            await asyncio.sleep(0.01)
        assert await paths(shared, 5) == ["/1", "/2"]  # not full: somebody has to be woken again
        while not await lives(shared):  # noqa: ASYNC110  # see above
            await asyncio.sleep(0.01)
    await listening.aclose()


async def lives(store: SurrealStore) -> Any:
    (info,) = await store._connection.read("INFO FOR TABLE job")
    return info["lives"]
