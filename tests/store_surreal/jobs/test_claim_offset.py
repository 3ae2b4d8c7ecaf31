"""Where in the queue runners that share a server claim."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from sp00ky_core.job import NewJob
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.jobs import claim_window

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
    monkeypatch.setattr(claim_window, "WINDOW", 20)
    for runner in ("a", "b", "a"):
        await shared.beat(runner)
    await shared.add(
        [NewJob(path=f"/{n:02}", backend="api", run_at=LONG_AGO + timedelta(seconds=n)) for n in range(20)]
    )
    assert await paths(shared, 4, "b") == [f"/{n}" for n in range(10, 14)]
    assert await paths(shared, 5, "a") == [f"/{n:02}" for n in range(5)]
    rest = await paths(shared, 10, "b") + await paths(shared, 10, "b")  # too few beyond its place
    assert rest == [f"/{n:02}" for n in (*range(5, 10), *range(14, 20))]


async def test_a_claim_of_a_fleet_leaves_room_and_is_followed_by_another_at_once(
    shared: SurrealStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim_window, "FEWEST", 2)
    monkeypatch.setattr(claim_window, "WINDOW", 20)
    for runner in ("a", "b", "a"):
        await shared.beat(runner)
    await shared.add(
        [NewJob(path=f"/{n:02}", backend="api", run_at=LONG_AGO + timedelta(seconds=n)) for n in range(20)]
    )
    woken: list[str] = []
    monkeypatch.setattr(shared._claimer._signals, "work", lambda: woken.append("b"))
    assert await paths(shared, 5, "b") == ["/10", "/11"]
    assert woken == ["b"]
    assert await paths(shared, 2, "b") == ["/12", "/13"]
    assert woken == ["b"]  # it has got all that it has places for
