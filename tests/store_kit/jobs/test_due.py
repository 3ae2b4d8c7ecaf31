"""Rows that are due, in the order in which they are claimed, whatever a client wrote as a priority."""

from datetime import timedelta
from typing import Any

import attrs
import pytest
from tests.store_kit.conftest import API, BY_BACKEND, MAIL, NOW, SqliteSession, added

from sp00ky_core.job.job import NewJob
from sp00ky_store_kit.connection.session import Is
from sp00ky_store_kit.jobs import due
from sp00ky_store_kit.jobs.due import (
    MOST_PRIORITIES,
    Rounds,
    next_due,
    priority_ranges,
    rank,
    select_due,
)
from sp00ky_store_kit.jobs.enqueue import add
from sp00ky_store_kit.rows import JobRows


def stored(session: SqliteSession) -> JobRows:
    return JobRows(session, API, session.at)


async def ids(session: SqliteSession, limit: int = 99) -> list[str]:
    rows = await select_due(stored(session), [], limit)
    return [f"job:{row['id']}" for row in rows]


async def written(session: SqliteSession, priority: Any) -> str:
    (job,) = await added(session)
    await session.execute("UPDATE job SET priority = ? WHERE id = ?", (priority, job.id.partition(":")[2]))
    return job.id


async def test_any_number_of_odd_values_is_looked_at(session: SqliteSession) -> None:
    await added(session, priority=2)
    for n in range(2 * MOST_PRIORITIES):
        await written(session, -n)
    await written(session, None)
    found = await ids(session)
    assert len(found) == 2 * MOST_PRIORITIES + 2
    ranges = await priority_ranges(stored(session))
    assert sum(map(len, ranges)) <= MOST_PRIORITIES + 2


async def test_one_priority_is_one_range(session: SqliteSession) -> None:
    assert await priority_ranges(stored(session)) == []
    await added(session, 3)
    assert await priority_ranges(stored(session)) == [[Is("priority", "=", 0)]]


async def test_a_missing_time_is_due_and_before_all(session: SqliteSession) -> None:
    _, second = await added(session, 2)
    await session.execute("UPDATE job SET run_at = NULL WHERE rowid = 2")
    assert (await ids(session))[0] == second.id
    row = {"priority": 1, "run_at": None, "id": "a"}
    assert rank(row) < rank({**row, "run_at": NOW}) < rank({**row, "priority": 0})


async def test_a_lost_job_is_due_after_its_lease_where_requests_are_counted(session: SqliteSession) -> None:
    narrow = attrs.evolve(API, max_in_flight=1)
    await added(session)
    until = NOW + timedelta(seconds=40)
    await session.execute(
        "UPDATE job SET lease_epoch = 1, lease_until = ?", (until.isoformat(timespec="microseconds"),)
    )
    assert await next_due(session, [narrow]) == until
    assert await next_due(session, [API]) == NOW
    session.pass_time(seconds=40)
    assert await next_due(session, [narrow]) == NOW


async def ready(session: SqliteSession, rounds: Rounds | None = None, *left_out: str) -> list[str]:
    rows = await (rounds or Rounds()).ready(stored(session), left_out)
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
    monkeypatch.setattr(due, "MOST_KEYS", 4)
    monkeypatch.setattr(due, "BATCH", 2)


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
        rows = await rounds.ready(stored(session), (), peek=True)
        assert f"job:{rows[0]['id']}" == ids[0]
    await session.execute("UPDATE job SET status = 'processing' WHERE ordering_key < 'e'")
    assert await rounds.ready(stored(session), (), peek=True) == []
    assert rounds.is_cut_off(API)
    assert await ready(session, rounds) == ids[4:]


@pytest.mark.usefixtures("few")
async def test_many_jobs_of_one_key_are_skipped(session: SqliteSession) -> None:
    first, *_, last = await with_keys(session, *["k"] * 20, "l")
    assert await ready(session) == [first, last]


async def test_a_key_that_is_no_text_stops_no_claim(session: SqliteSession) -> None:
    await with_keys(session, "a", "b")
    session.connection.text_factory = lambda text: text.decode(errors="surrogateescape")
    await session.execute("UPDATE job SET ordering_key = CAST(X'FF' AS TEXT) WHERE rowid = 2")
    assert len(await ready(session)) == 2
