"""Runners that share a server: where each claims, and who is woken."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sp00ky_core.job.job import NewJob
from sp00ky_core.ports import JobTable
from sp00ky_store_surreal import SurrealStore
from sp00ky_store_surreal.connection.conflict_retries import Lane
from sp00ky_store_surreal.errors import TookTooLong
from sp00ky_store_surreal.jobs import claim_start
from sp00ky_store_surreal.jobs.claim_precautions import Care
from sp00ky_store_surreal.jobs.claim_start import Groups
from sp00ky_store_surreal.observe import signals
from sp00ky_store_surreal.surql.loader import surql

TABLE = JobTable(backend="api", table="job")

SOON = 60.0
"""Seconds; what is waited for takes milliseconds."""

LONG_AGO = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)


async def paths(store: SurrealStore, count: int, runner: str = "a") -> list[str]:
    return sorted(job.path for job in await store.claim({"api": count}, runner))


async def test_no_instant_is_passed_over(shared: SurrealStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many digits it has: an index has instants as text."""
    monkeypatch.setattr(claim_start, "SHORTEST", 3_600.0)
    monkeypatch.setattr(claim_start, "ADVANCE", 0.0)
    instants = ["05Z", "05.5Z", "05.000001Z", "05.5000015Z", "05.123Z", "05.123456Z", "06Z", "04.999999999Z"]
    for number, instant in enumerate(instants):
        await shared._connection.write(
            f"CREATE job SET path = '/{number}', payload = '{{}}', run_at = d'2024-01-02T03:04:{instant}'"
        )
    claimed = [path for _ in instants for path in await paths(shared, 1)]
    assert sorted(claimed) == [f"/{number}" for number in range(len(instants))]


async def test_after_a_claim_that_found_nothing_only_what_is_older_is_news(
    shared: SurrealStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim_start, "CHEAP", 60.0)
    cursors = claim_start.Heads(shared._connection)
    due = "CREATE job SET path = '/a', payload = '{}', run_at = $run_at"
    await shared._connection.write(due, run_at=LONG_AGO)
    await cursors.keep_up(TABLE)
    assert not await cursors.found_nothing(TABLE)
    await shared._connection.write(due, run_at=LONG_AGO - timedelta(days=1))
    assert await cursors.found_nothing(TABLE)


@pytest.mark.parametrize("how", ["one by one", "probe"])
async def test_no_claim_begins_where_a_million_were_claimed(
    shared: SurrealStore, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Nor where rows are claimed one by one, nor where the breaker sends a probe: it would be cut off."""
    ask = shared._connection._link.ask

    async def cut_off(statement: str, bindings: Any, *, lane: Lane, resend: bool) -> list[Any]:
        if lane is Lane.CLAIM and surql("dated_since_year_1").strip() in statement:
            raise TookTooLong(store="", problem="it exceeded the timeout")
        return await ask(statement, bindings, lane=lane, resend=resend)

    await shared.add([NewJob(path="/now", backend="api")])
    if how == "probe":
        await shared._connection.write("CREATE sp00ky_breaker:api SET backend = 'api', state = 'open'")
    else:
        monkeypatch.setattr(shared._claims._care, "now", lambda: Care.MOST)
    monkeypatch.setattr(shared._connection._link, "ask", cut_off)
    assert await paths(shared, 1) == ["/now"]


async def test_a_job_that_is_given_back_is_due_as_early_as_before(
    shared: SurrealStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim_start, "SHORTEST", 3_600.0)
    monkeypatch.setattr(claim_start, "ADVANCE", 0.0)
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
    monkeypatch.setattr(claim_start, "SHORTEST", 3_600.0)
    woken: list[None] = []
    await shared.add([NewJob(path="/later", backend="api", delay=timedelta(hours=1)) for _ in range(3)])
    await shared.add([NewJob(path="/now", backend="api")])
    monkeypatch.setattr(shared._notifications, "wake", lambda: woken.append(None))
    assert await paths(shared, 5) == ["/now"]
    assert await paths(shared, 5) == []
    assert woken == []


async def test_two_backends_are_claimed_as_one_transaction(surreal_url: str, make_migrated: Any) -> None:
    tables = (JobTable(backend="api", table="job"), JobTable(backend="mail", table="mail"))
    store = await make_migrated(surreal_url, tables)
    await store.add([NewJob(path="/a", backend="api"), NewJob(path="/b", backend="mail")])
    assert {job.path for job in await store.claim({"api": 2, "mail": 2}, "r")} == {"/a", "/b"}


async def test_live_rests_while_claims_are_full(
    shared: SurrealStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "BUSY", -1.0)
    listening = shared.work_signal()
    async with asyncio.timeout(SOON):
        await anext(listening)
        later = [NewJob(path="/later", backend="api", delay=timedelta(hours=1)) for _ in range(5)]
        await shared.add(later)  # claims meet them, though they aren't due
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


def test_the_first_of_them_is_news() -> None:
    groups = Groups()
    assert (groups.are_in(TABLE), groups.are_ordered("api"), groups.after(TABLE)) == (False, False, "")
    assert not groups.note(TABLE, {"any": False})
    assert groups.note(TABLE, {"any": True})
    assert not groups.note(TABLE, {"any": True, "after": "k"})
    assert (groups.are_in(TABLE), groups.are_ordered("api"), groups.after(TABLE)) == (True, True, "k")


def test_once_there_is_none_left_claims_look_at_one_range_again() -> None:
    groups = Groups()
    groups.note(TABLE, {"any": True, "after": "k"})
    assert not groups.note(TABLE, {"any": False, "after": ""})
    assert (groups.are_in(TABLE), groups.after(TABLE)) == (False, "")
    assert groups.are_ordered("api")  # what was claimed may yet be settled


async def test_a_second_runner_claims_beyond_the_first_ones_next_jobs(
    shared: SurrealStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim_start, "WINDOW", 20)
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
    monkeypatch.setattr(claim_start, "FEWEST", 2)
    monkeypatch.setattr(claim_start, "WINDOW", 20)
    for runner in ("a", "b", "a"):
        await shared.beat(runner)
    await shared.add(
        [NewJob(path=f"/{n:02}", backend="api", run_at=LONG_AGO + timedelta(seconds=n)) for n in range(20)]
    )
    woken: list[str] = []
    monkeypatch.setattr(shared._claims._signals, "wake", lambda: woken.append("b"))
    assert await paths(shared, 5, "b") == ["/10", "/11"]
    assert woken == ["b"]
    assert await paths(shared, 2, "b") == ["/12", "/13"]
    assert woken == ["b"]  # it has got all that it has places for
