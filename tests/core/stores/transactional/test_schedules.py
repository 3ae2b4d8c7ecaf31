"""Write one change of a schedule, all of it or nothing."""

from functools import partial

import pytest
from tests.core.stores.transactional.conftest import BY_BACKEND, NOW, SqliteSession

from sp00ky_core.errors import RowRefused
from sp00ky_core.job.job import NewJob
from sp00ky_core.ports import RunStatus, ScheduleChange, ScheduleRun, Spawn, StoredSchedule
from sp00ky_core.schedules.fire import job_key
from sp00ky_core.stores.transactional.schedules import Changing, insert_spawns
from sp00ky_core.stores.transactional.schema import SCHEDULE_RUNS

TICK = StoredSchedule(name="tick", definition={"every": 60}, hash="h")


def spawn(key: str, path: str = "/a") -> Spawn:
    run = ScheduleRun(schedule="tick", fired_at=NOW, key=key)
    return Spawn(job=NewJob(backend="api", path=path), job_key=job_key("tick", NOW, key), run=run)


async def write(
    session: SqliteSession, schedule: StoredSchedule = TICK, *, apart: bool = False, **parts: object
) -> list[ScheduleRun] | None:
    change = ScheduleChange(schedule=schedule, **parts)  # type: ignore[arg-type]
    return await Changing(partial(insert_spawns, tables=BY_BACKEND), change, apart).write(session)


async def test_a_job_that_is_refused_is_written_apart(session: SqliteSession) -> None:
    trigger = (
        "CREATE TRIGGER no BEFORE INSERT ON job WHEN NEW.path = '/no' BEGIN SELECT RAISE(ABORT, 'no!'); END"
    )
    await session.execute(trigger)
    spawns = [spawn("a"), spawn("b", "/no"), spawn("c")]
    with pytest.raises(RowRefused):
        async with session.savepoint():
            await write(session, spawns=spawns)
    runs = await write(session, spawns=spawns, apart=True)
    assert runs is not None
    assert [run.status for run in runs] == [RunStatus.RUNNING, RunStatus.FAILED, RunStatus.RUNNING]
    assert runs[1].error == {"code": "row_refused", "reason": "no!"}
    assert await session.count(SCHEDULE_RUNS) == 3
