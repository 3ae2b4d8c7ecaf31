"""Breakers change under a guard; the row of a backend with limits is locked, read and written."""

from datetime import timedelta
from typing import Any

import attrs
import pytest
from tests.core.stores.transactional.conftest import API, NOW, SqliteSession, overtaken

from sp00ky_core.config import RateConfig
from sp00ky_core.gate.breaker import Breaker, BreakerChange, BreakerState
from sp00ky_core.stores.transactional.connection.session import Row
from sp00ky_core.stores.transactional.fleet import change_breaker, lock_control, read_allowance, spend
from sp00ky_core.stores.transactional.schema import BREAKERS, CONTROLS

OPENED = BreakerChange(backend="api", before=Breaker(), to=BreakerState.OPEN, failures=3, pause=5)


async def test_a_row_that_another_transaction_has_locked_is_not_written_twice(session: SqliteSession) -> None:
    """Where a database passes over rows that are locked, the one that is there isn't seen."""
    await change_breaker(session, API, OPENED)

    class Skipping(SqliteSession):
        async def select(self, *arguments: Any, lock: bool = False, **options: Any) -> Any:
            return [] if lock else await super().select(*arguments, **options)

    session.__class__ = Skipping
    result = await change_breaker(session, API, attrs.evolve(OPENED, failures=9))
    assert (result.written, result.breaker.failures) == (False, 3)


async def test_a_change_that_is_overtaken_is_not_written(session: SqliteSession) -> None:
    await change_breaker(session, API, OPENED)
    before = Breaker(state=BreakerState.OPEN, failures=3)
    closed = BreakerChange(backend="api", before=before, to=BreakerState.CLOSED, failures=0)
    overtaken(session, BREAKERS, "UPDATE sp00ky_breaker SET failures = 4")
    result = await change_breaker(session, API, closed)
    assert (result.written, result.breaker.state, result.breaker.failures) == (False, BreakerState.OPEN, 4)


RATED = attrs.evolve(API, rate=RateConfig(limit=50, per=1.0, burst=10))


async def test_a_clock_that_has_gone_back_does_not_stop_the_rate(session: SqliteSession) -> None:
    await lock_control(session, "api")
    row = {"tokens": 0.4, "tokens_at": NOW + timedelta(hours=1)}
    allowance = await read_allowance(session, RATED, row, NOW)
    assert allowance.grant(7) == 0
    await spend(session, RATED, allowance, 0, NOW)
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
