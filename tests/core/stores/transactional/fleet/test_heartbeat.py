"""Signs of life: one row a runner, which is forgotten after a day."""

from __future__ import annotations

from tests.core.stores.transactional.conftest import NOW, SqliteSession

from sp00ky_core.ports import RunnerBeat, RunnerInfo
from sp00ky_core.stores.transactional.fleet.heartbeat import beat, beats, drain, remove, runners

INFO = RunnerInfo(version="1.2", documents={"api": "abc"}, in_flight={"api": 2}, slots={"api": 9})


async def test_each_runner_s_last_beat(session: SqliteSession) -> None:
    await beat(session, "a", INFO)
    session.pass_time(seconds=2)
    found = await beat(session, "b", RunnerInfo())
    assert found["a"] == RunnerBeat(at=NOW, info=INFO)
    assert (await beat(session, "a", INFO))["a"].at == session.at
    assert set(await beats(session)) == {"a", "b"}


async def test_a_runner_that_is_long_gone_is_forgotten(session: SqliteSession) -> None:
    await beat(session, "a", INFO)
    session.pass_time(days=1)
    assert set(await beat(session, "b", INFO)) == {"b"}


async def test_a_drain_that_is_asked_for_stays(session: SqliteSession) -> None:
    assert not await drain(session, "a")
    await beat(session, "a", INFO)
    await beat(session, "b", INFO)
    assert await drain(session, "a")
    for _ in range(2):
        found = await beat(session, "a", INFO)
        assert (found["a"].info.draining, found["b"].info.draining) == (True, False)
    assert (await beat(session, "b", RunnerInfo(draining=True)))["b"].info.draining


async def test_the_youngest_runner_comes_first(session: SqliteSession) -> None:
    for each in "acb":
        await beat(session, each, INFO)
        session.pass_time(seconds=5)
    await beat(session, "a", INFO)
    records = await runners(session)
    assert [(each.id, each.silent_for) for each in records] == [("b", 5.0), ("c", 10.0), ("a", 0.0)]
    assert (records[2].started_at, records[2].beat_at, records[2].info) == (NOW, session.at, INFO)
    await remove(session, "c")
    assert [each.id for each in await runners(session)] == ["b", "a"]


async def test_a_row_of_somebody_else_s_hand_is_read(session: SqliteSession) -> None:
    await session.execute("INSERT INTO sp00ky_runner (id) VALUES ('x')")
    assert (await beats(session))["x"].info == RunnerInfo()
    assert [each.info for each in await runners(session)] == [RunnerInfo()]
