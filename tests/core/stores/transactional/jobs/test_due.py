"""Rows that are due, in the order in which they are claimed, whatever a client wrote as a priority."""

from datetime import timedelta
from typing import Any

import attrs
import pytest
from tests.core.stores.transactional.conftest import API, NOW, TABLES, SqliteSession, added

from sp00ky_core.stores.transactional.connection.session import Is
from sp00ky_core.stores.transactional.jobs.due import (
    MOST_PRIORITIES,
    next_due,
    priority_ranges,
    rank,
    select_due,
)

ODD = (None, -1, 4, 2**40, 1.5, "high", b"x")


async def ids(session: SqliteSession, limit: int = 99) -> list[str]:
    rows = await select_due(session, API, [], session.at, limit=limit)
    return [f"job:{row['id']}" for row in rows]


async def written(session: SqliteSession, priority: Any) -> str:
    (job,) = await added(session)
    await session.execute("UPDATE job SET priority = ? WHERE id = ?", (priority, job.id.partition(":")[2]))
    return job.id


@pytest.mark.parametrize("odd", ODD)
async def test_what_is_no_priority_counts_as_0(session: SqliteSession, odd: Any) -> None:
    (first,) = await added(session)
    second = await written(session, odd)
    (third,) = await added(session)
    (urgent,) = await added(session, priority=1)
    assert await ids(session) == [urgent.id, first.id, second, third.id]
    assert await ids(session, 3) == [urgent.id, first.id, second]


async def test_any_number_of_odd_values_is_looked_at(session: SqliteSession) -> None:
    await added(session, priority=2)
    for n in range(2 * MOST_PRIORITIES):
        await written(session, -n)
    await written(session, None)
    found = await ids(session)
    assert len(found) == 2 * MOST_PRIORITIES + 2
    ranges = await priority_ranges(session, API)
    assert sum(map(len, ranges)) <= MOST_PRIORITIES + 2


async def test_one_priority_is_one_range(session: SqliteSession) -> None:
    assert await priority_ranges(session, API) == []
    await added(session, 3)
    assert await priority_ranges(session, API) == [[Is("priority", "=", 0)]]


async def test_a_missing_time_is_due_and_before_all(session: SqliteSession) -> None:
    _, second = await added(session, 2)
    await session.execute("UPDATE job SET run_at = NULL WHERE rowid = 2")
    assert (await ids(session))[0] == second.id
    row = {"priority": 1, "run_at": None, "id": "a"}
    assert rank(row) < rank({**row, "run_at": NOW}) < rank({**row, "priority": 0})


async def test_when_the_next_one_is_due(session: SqliteSession) -> None:
    assert await next_due(session, TABLES) is None
    await added(session, delay=timedelta(hours=2))
    assert await next_due(session, TABLES) == NOW + timedelta(hours=2)
    await added(session, backend="mail", priority=2, delay=timedelta(hours=1))
    assert await next_due(session, TABLES) == NOW + timedelta(hours=1, seconds=1)
    await added(session, ordering_key="k", delay=timedelta(minutes=1))
    await added(session, ordering_key="k")  # behind it
    assert await next_due(session, TABLES) == NOW + timedelta(minutes=1, seconds=2)


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
