"""Breakers are rows that are changed under a guard."""

from typing import Any

import attrs
from tests.core.stores.transactional.conftest import API, SqliteSession, overtaken

from sp00ky_core.gate.breaker import Breaker, BreakerChange, BreakerState
from sp00ky_core.stores.transactional.fleet.breaker import change_breaker
from sp00ky_core.stores.transactional.schema.definition import BREAKERS

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
