"""So many jobs as tokens and places leave."""

from __future__ import annotations

import math
from datetime import timedelta

import attrs
import pytest
from tests.core.stores.transactional.conftest import API, NOW, SqliteSession, added, claimed

from sp00ky_core.config import RateConfig
from sp00ky_core.stores.transactional.connection.session import Row
from sp00ky_core.stores.transactional.jobs.limit import FULL, Budget, lock_control, read_budget, spend
from sp00ky_core.stores.transactional.schema.definition import CONTROLS

RATED = attrs.evolve(API, rate=RateConfig(limit=50, per=1.0, burst=10))
NARROW = attrs.evolve(API, max_in_flight=3)


@pytest.mark.parametrize(
    ("budget", "granted"),
    [
        (Budget(), 7),
        (Budget(tokens=2.9), 2),
        (Budget(tokens=0.9), 0),
        (Budget(places=3), 3),
        (Budget(places=-2), 0),
        (Budget(tokens=5.5, places=4), 4),
    ],
)
def test_the_tighter_limit_counts(budget: Budget, granted: int) -> None:
    assert budget.grant(7) == granted


@pytest.mark.parametrize(
    ("budget", "taken", "seconds"),
    [
        (Budget(tokens=2.5, per_second=10.0), 2, 0.05),
        (Budget(tokens=0.0, per_second=10.0), 0, 0.1),
        (Budget(tokens=0.0, per_second=3.0), 0, 0.333334),
        (Budget(places=3), 3, FULL),
        (Budget(places=0), 0, FULL),
        (Budget(tokens=1.0, per_second=1.0, places=1), 1, 1.0),
        (Budget(tokens=1.0, per_second=100.0, places=1), 1, FULL),
    ],
)
def test_when_there_may_be_more(budget: Budget, taken: int, seconds: float) -> None:
    assert budget.retry_in(taken) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("control", "tokens"),
    [
        ({}, 10),
        ({"tokens": None, "tokens_at": None}, 10),
        ({"tokens": 1.5, "tokens_at": NOW}, 1.5),
        ({"tokens": 1.5, "tokens_at": NOW - timedelta(seconds=0.1)}, 6.5),
        ({"tokens": 1.5, "tokens_at": NOW - timedelta(hours=1)}, 10),
        ({"tokens": 1.5, "tokens_at": NOW + timedelta(hours=1)}, 1.5),
        ({"tokens": 99.0, "tokens_at": NOW}, 10),
    ],
)
async def test_tokens_come_at_the_rate_up_to_the_burst(
    session: SqliteSession, control: Row, tokens: float
) -> None:
    budget = await read_budget(session, RATED, control, NOW)
    assert budget.tokens == pytest.approx(tokens)
    assert (budget.per_second, budget.places) == (50.0, math.inf)


async def test_what_may_be_under_way_takes_a_place(session: SqliteSession) -> None:
    await added(session, 4)
    assert (await read_budget(session, NARROW, {}, session.at)).places == 3
    await claimed(session, 2)
    assert (await read_budget(session, NARROW, {}, session.at)).places == 1
    await session.execute("UPDATE job SET status = 'failed' WHERE rowid = 1")  # killed: its lease runs
    await session.execute("UPDATE job SET status = 'pending' WHERE rowid = 2")  # lost
    assert (await read_budget(session, NARROW, {}, session.at)).places == 1
    session.pass_time(seconds=API.timeout + API.lease_margin)
    assert (await read_budget(session, NARROW, {}, session.at)).places == 3


async def test_a_table_without_limits_has_none(session: SqliteSession) -> None:
    budget = await read_budget(session, API, {}, session.at)
    assert budget == Budget()
    await spend(session, API, budget, 3, session.at)
    assert await session.count(CONTROLS) == 0


async def test_what_is_taken_is_written_down(session: SqliteSession) -> None:
    assert await lock_control(session, "api")
    assert await lock_control(session, "api")
    budget = await read_budget(session, RATED, {}, session.at)
    await spend(session, RATED, budget, 0, session.at)
    (row,) = await session.select(CONTROLS)
    assert (row["backend"], row["tokens"], row["tokens_at"], row["paused"]) == ("api", None, None, 0)
    await spend(session, RATED, budget, 4, session.at)
    (row,) = await session.select(CONTROLS)
    assert (row["tokens"], row["tokens_at"]) == (6, session.at)


async def test_a_clock_that_has_gone_back_does_not_stop_the_rate(session: SqliteSession) -> None:
    await lock_control(session, "api")
    row = {"tokens": 0.4, "tokens_at": NOW + timedelta(hours=1)}
    budget = await read_budget(session, RATED, row, NOW)
    assert budget.grant(7) == 0
    await spend(session, RATED, budget, 0, NOW)
    (row,) = await session.select(CONTROLS)
    assert (row["tokens"], row["tokens_at"]) == (0.4, NOW)


async def test_a_row_that_another_has_locked_is_not_made_again(
    session: SqliteSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    await lock_control(session, "api")
    select = session.select

    async def skipping(*args: object, lock: bool = False, **options: object) -> list[Row]:
        return [] if lock else await select(*args, **options)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(session, "select", skipping)
    assert not await lock_control(session, "api")

    async def none_yet(*_: object) -> int:
        return 0

    monkeypatch.setattr(session, "count", none_yet)
    assert not await lock_control(session, "api")  # it was inserted meanwhile
