"""Of each key the first that hasn't ended, while no request for it may be under way."""

import pytest
from tests.core.stores.transactional.conftest import API, BY_BACKEND, MAIL, SqliteSession

from sp00ky_core.job.job import NewJob
from sp00ky_core.stores.transactional.jobs import ordering
from sp00ky_core.stores.transactional.jobs.enqueue import add
from sp00ky_core.stores.transactional.jobs.ordering import Rounds


async def ready(session: SqliteSession, rounds: Rounds | None = None, *left_out: str) -> list[str]:
    rows = await (rounds or Rounds()).ready(session, API, session.at, left_out)
    return [f"job:{row['id']}" for row in rows]


async def with_keys(session: SqliteSession, *keys: str) -> list[str]:
    jobs = [NewJob(backend="api", path="/a", ordering_key=key) for key in keys]
    return [job.id for job in await add(session, BY_BACKEND, jobs)]


async def test_a_status_of_another_hand_holds_no_key(session: SqliteSession) -> None:
    _, second = await with_keys(session, "k", "k")
    await session.execute("UPDATE job SET status = 'odd' WHERE rowid = 1")
    assert await ready(session) == [second]


async def test_rows_without_a_place_come_first(session: SqliteSession) -> None:
    _, other = await with_keys(session, "k", "k")
    await session.execute("UPDATE job SET ordering_at = NULL WHERE rowid = 2")
    assert await ready(session) == [other]


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
