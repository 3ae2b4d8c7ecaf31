"""The row of a backend with limits is locked, read and written."""

from datetime import timedelta

import attrs
import pytest
from tests.core.stores.transactional.conftest import API, NOW, SqliteSession

from sp00ky_core.config import RateConfig
from sp00ky_core.stores.transactional.connection.session import Row
from sp00ky_core.stores.transactional.fleet.limit import lock_control, read_allowance, spend
from sp00ky_core.stores.transactional.schema.definition import CONTROLS

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
