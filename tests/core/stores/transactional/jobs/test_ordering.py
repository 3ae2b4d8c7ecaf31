"""Of each key the first that hasn't ended, while no request for it may be under way."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.core.stores.transactional.conftest import API, BY_BACKEND, MAIL, SqliteSession, added, claimed

from sp00ky_core.errors import RowRefused
from sp00ky_core.job import NewJob
from sp00ky_core.stores.transactional.jobs import ordering
from sp00ky_core.stores.transactional.jobs.enqueue import add
from sp00ky_core.stores.transactional.jobs.ordering import Rounds, is_taken, next_head


async def ready(session: SqliteSession, rounds: Rounds | None = None, *left_out: str) -> list[str]:
    rows = await (rounds or Rounds()).ready(session, API, session.at, left_out)
    return [f"job:{row['id']}" for row in rows]


async def with_keys(session: SqliteSession, *keys: str) -> list[str]:
    jobs = [NewJob(backend="api", path="/a", ordering_key=key) for key in keys]
    return [job.id for job in await add(session, BY_BACKEND, jobs)]


async def test_the_first_of_each_key(session: SqliteSession) -> None:
    assert await ready(session) == []
    a, _, b, _, _ = await with_keys(session, "a", "a", "b", "a", "b")
    await added(session)
    await added(session, backend="mail", ordering_key="a")
    assert await ready(session) == [a, b]
    assert await ready(session, None, a.partition(":")[2]) == [b]


async def test_a_key_is_held_while_one_of_its_jobs_is_processing(session: SqliteSession) -> None:
    first, second, _ = await with_keys(session, "k", "k", "k")
    await session.execute("UPDATE job SET status = 'processing' WHERE id = ?", (second.partition(":")[2],))
    assert await ready(session) == []
    assert await is_taken(session, API, "k")
    assert not await is_taken(session, API, "j")
    assert not await is_taken(session, API, None)
    assert not await is_taken(session, MAIL, "k")
    await session.execute("UPDATE job SET status = 'success' WHERE status = 'processing'")
    assert await ready(session) == [first]


@pytest.mark.parametrize("status", ["pending", "failed", "success"])
async def test_a_key_is_held_while_a_lease_runs(session: SqliteSession, status: str) -> None:
    await with_keys(session, "k", "k")
    until = (session.at + timedelta(seconds=40)).isoformat(timespec="microseconds")
    await session.execute(
        "UPDATE job SET lease_epoch = 1, lease_until = ?, status = ? WHERE rowid = 1", (until, status)
    )
    assert await ready(session) == []
    assert await next_head(session, API, session.at) == session.at + timedelta(seconds=40)
    session.pass_time(seconds=40)
    assert len(await ready(session)) == 1


async def test_a_lease_that_no_runner_wrote_holds_no_key_for_ever(session: SqliteSession) -> None:
    await with_keys(session, "k", "k")
    await session.execute(
        "UPDATE job SET status = 'failed', lease_epoch = 1, "
        "lease_until = '2099-01-01T00:00:00.000000+00:00' WHERE rowid = 1"
    )
    assert len(await ready(session)) == 1


async def test_the_database_keeps_two_of_a_key_from_being_processed(session: SqliteSession) -> None:
    await with_keys(session, "k", "k", "j")
    with pytest.raises(RowRefused, match="UNIQUE"):
        await session._run("UPDATE job SET status = 'processing' WHERE ordering_key = 'k'")


async def test_a_status_of_another_hand_holds_no_key(session: SqliteSession) -> None:
    _, second = await with_keys(session, "k", "k")
    await session.execute("UPDATE job SET status = 'odd' WHERE rowid = 1")
    assert await ready(session) == [second]


async def test_rows_without_a_place_come_first(session: SqliteSession) -> None:
    _, other = await with_keys(session, "k", "k")
    await session.execute("UPDATE job SET ordering_at = NULL WHERE rowid = 2")
    assert await ready(session) == [other]


async def test_when_the_next_head_can_be_claimed(session: SqliteSession) -> None:
    assert await next_head(session, API, session.at) is None
    await added(session, ordering_key="a", delay=timedelta(hours=2))
    await added(session, ordering_key="b", delay=timedelta(hours=1))
    assert await next_head(session, API, session.at) == session.at + timedelta(hours=1, seconds=-1)
    session.pass_time(hours=3)
    await claimed(session, 9)
    assert await next_head(session, API, session.at) is None


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim looks at four keys, two at a time."""
    monkeypatch.setattr(ordering, "MOST_KEYS", 4)
    monkeypatch.setattr(ordering, "BATCH", 2)


@pytest.mark.usefixtures("few")
async def test_a_round_comes_to_every_key(session: SqliteSession) -> None:
    ids = await with_keys(session, *"abcdefghij")
    rounds, found, cut_off = Rounds(), list[list[str]](), list[bool]()
    for _ in range(4):
        found.append(await ready(session, rounds))
        cut_off.append(rounds.is_cut_off(API))
    assert found == [ids[:4], ids[4:8], ids[8:], ids[:4]]
    assert cut_off == [True, True, False, True]
    assert not rounds.is_cut_off(MAIL)


@pytest.mark.usefixtures("few")
async def test_a_round_that_begins_again_comes_back_to_where_it_is(session: SqliteSession) -> None:
    ids = await with_keys(session, *"abcdefg")
    rounds = Rounds()
    assert await ready(session, rounds) == ids[:4]
    rounds.begin_again(MAIL)
    rounds.begin_again()
    assert await ready(session, rounds) == [*ids[4:], ids[0]]
    assert rounds.is_cut_off(API)
    assert await ready(session, rounds) == ids[1:4]
    assert not rounds.is_cut_off(API)


@pytest.mark.usefixtures("few")
async def test_a_peek_is_found_again(session: SqliteSession) -> None:
    ids = await with_keys(session, *"abcdefg")
    rounds = Rounds()
    for _ in range(2):
        rows = await rounds.ready(session, API, session.at, (), peek=True)
        assert f"job:{rows[0]['id']}" == ids[0]
    await session.execute("UPDATE job SET status = 'processing' WHERE ordering_key < 'e'")
    assert await rounds.ready(session, API, session.at, (), peek=True) == []
    assert rounds.is_cut_off(API)
    assert await ready(session, rounds) == ids[4:]


@pytest.mark.usefixtures("few")
async def test_many_jobs_of_one_key_are_skipped(session: SqliteSession) -> None:
    first, *_, last = await with_keys(session, *["k"] * 20, "l")
    assert await ready(session) == [first, last]


async def test_tables_with_keys_are_known(session: SqliteSession) -> None:
    rounds = Rounds()
    await ready(session, rounds)
    assert rounds.in_use == frozenset()
    (job,) = await with_keys(session, "k")
    await ready(session, rounds)
    assert rounds.in_use == {"job"}
    await session.execute("DELETE FROM job")
    assert await ready(session, rounds) == []
    assert rounds.in_use == frozenset()
    assert job


async def test_a_key_that_is_no_text_stops_no_claim(session: SqliteSession) -> None:
    await with_keys(session, "a", "b")
    session.connection.text_factory = lambda text: text.decode(errors="surrogateescape")
    await session.execute("UPDATE job SET ordering_key = CAST(X'FF' AS TEXT) WHERE rowid = 2")
    assert len(await ready(session)) == 2
