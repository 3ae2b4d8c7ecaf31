"""Write one change of a schedule, all of it or nothing."""

from __future__ import annotations

from functools import partial

import attrs
import pytest
from tests.core.stores.transactional.conftest import BY_BACKEND, NOW, SqliteSession

from sp00ky_core.errors import RowRefused
from sp00ky_core.job import NewJob
from sp00ky_core.ports import RunStatus, ScheduleChange, ScheduleRun, Spawn, StoredSchedule
from sp00ky_core.schedules.fire import job_key
from sp00ky_core.schedules.rows import run_of, schedule_of
from sp00ky_core.stores.transactional.schedules.change import Changing, insert
from sp00ky_core.stores.transactional.schedules.definition import SCHEDULE_RUNS, SCHEDULES

TICK = StoredSchedule(name="tick", definition={"every": 60}, hash="h")


def spawn(key: str, path: str = "/a") -> Spawn:
    run = ScheduleRun(schedule="tick", fired_at=NOW, key=key)
    return Spawn(job=NewJob(backend="api", path=path), job_key=job_key("tick", NOW, key), run=run)


async def write(
    session: SqliteSession, schedule: StoredSchedule = TICK, *, apart: bool = False, **parts: object
) -> list[ScheduleRun] | None:
    change = ScheduleChange(schedule=schedule, **parts)  # type: ignore[arg-type]
    return await Changing(partial(insert, tables=BY_BACKEND), change, apart).write(session)


async def test_a_row_is_made_once_and_changed_under_its_revision(session: SqliteSession) -> None:
    assert await write(session) == []
    assert await write(session) is None
    (row,) = await session.select(SCHEDULES)
    stored = schedule_of(row)
    assert stored == attrs.evolve(TICK, revision=1)
    assert await write(session, attrs.evolve(stored, paused=True)) == []
    assert await write(session, attrs.evolve(stored, paused=False), spawns=[spawn("a")]) is None
    assert await session.count(SCHEDULE_RUNS) == 0


async def test_ids_of_jobs_are_sp00kys(session: SqliteSession) -> None:
    (run,) = await write(session, spawns=[spawn("a")]) or []
    assert run.job_id == f"job:sch_{job_key('tick', NOW, 'a').hex}"
    (row,) = await session.select(SCHEDULE_RUNS)
    assert run_of(row) == run


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


async def test_runs_are_replaced_or_inserted(session: SqliteSession) -> None:
    (run,) = await write(session, spawns=[spawn("a")]) or []
    ended = attrs.evolve(run, status=RunStatus.SUCCESS, finished_at=NOW)
    skipped = ScheduleRun(schedule="tick", fired_at=NOW, key="b", status=RunStatus.SKIPPED)
    stored = attrs.evolve(TICK, revision=1)
    assert await write(session, stored, runs=[ended, skipped]) == []
    rows = await session.select(SCHEDULE_RUNS, order=("key",))
    assert [run_of(row) for row in rows] == [ended, skipped]
