"""Signs of life: one row a runner, which is forgotten after a day."""

from __future__ import annotations

from tests.core.stores.transactional.conftest import SqliteSession

from sp00ky_core.ports import RunnerInfo
from sp00ky_core.stores.transactional.fleet.heartbeat import beats, runners


async def test_a_row_of_somebody_else_s_hand_is_read(session: SqliteSession) -> None:
    await session.execute("INSERT INTO sp00ky_runner (id) VALUES ('x')")
    assert (await beats(session))["x"].info == RunnerInfo()
    assert [each.info for each in await runners(session)] == [RunnerInfo()]
