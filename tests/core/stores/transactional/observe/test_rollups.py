"""Minutes are folded into hours, each once."""

from datetime import timedelta

from tests.core.stores.transactional.conftest import SqliteSession, overtaken

from sp00ky_core.ports import Rollup, RollupQuery
from sp00ky_core.stores.transactional.observe.rollups import fold_rollups, read_rollups, write_rollups
from sp00ky_core.stores.transactional.schedules.definition import ROLLUPS


async def test_a_minute_that_another_transaction_has_folded_is_counted_once(session: SqliteSession) -> None:
    old = session.at - timedelta(days=3)
    minutes = [
        Rollup(minute=old + timedelta(minutes=n), runner_id="r", backend="api", outcome="success", count=1)
        for n in range(2)
    ]
    await write_rollups(session, minutes)
    other = "UPDATE sp00ky_rollup SET runner_id = '' WHERE minute = (SELECT min(minute) FROM sp00ky_rollup)"
    overtaken(session, ROLLUPS, other)
    assert await fold_rollups(session, limit=9) == 1
    (total,) = await read_rollups(session, RollupQuery(since=old))
    assert total.count == 2
