"""Runs are written down, cut off at their deadline, and deleted when they are old."""

import pytest
from tests.schedules.bench import FAILED, Bench

from sp00ky_core.job.job import JobStatus
from sp00ky_core.ports import JobQuery, Spared
from sp00ky_schedules import Schedules
from sp00ky_schedules.errors import RunUnreadable
from sp00ky_schedules.model.records import RunQuery, RunStatus, ScheduleRun
from sp00ky_schedules.tables import SCHEDULE_RUNS, ScheduleTables

WITH_DEADLINE = "{tick: {every: 60s, backend: api, route: /a, deadline: 90s%s}}"


async def stored_statuses(timer: Bench) -> list[str]:
    return [run.status.value for run in await timer.tables.runs(RunQuery())]


async def test_a_runner_closes_runs_of_its_own_schedules_and_all_before_jobs_are_pruned(
    timer: Bench,
) -> None:
    one = "{every: 60s, backend: api, route: /a}"
    outbox = timer.outbox(f"{{a: {one}, b: {one}}}")
    await outbox.migrate()
    for name in ("a", "b"):
        await outbox.extension(Schedules).trigger(name)
    await timer.deliver()
    upkeep = timer.services(outbox, lambda name, _: name == "b").upkeep
    await upkeep.look()
    assert await _has_closed(timer, {"a": "running", "b": "success"})
    await upkeep.close_runs()
    assert await _has_closed(timer, {"a": "success", "b": "success"})


async def _has_closed(timer: Bench, statuses: dict[str, str]) -> bool:
    return statuses == {run.schedule: run.status.value for run in await timer.tables.runs(RunQuery())}


async def test_a_run_past_its_deadline_is_killed(timer: Bench) -> None:
    outbox = timer.outbox(WITH_DEADLINE % "")
    await outbox.migrate()
    (run,) = await outbox.extension(Schedules).trigger("tick")
    upkeep = timer.services(outbox).upkeep
    timer.clock.move(89)
    await upkeep.close_runs()
    assert (await outbox.get(str(run.job_id))).status is JobStatus.PENDING
    timer.clock.move(1)
    await upkeep.close_runs()
    assert (await outbox.get(str(run.job_id))).status is JobStatus.FAILED
    (found,) = await timer.tables.runs(RunQuery())
    assert (found.status, (found.error or {})["code"]) == (RunStatus.KILLED, "deadline_exceeded")
    assert timer.witness.settled == [(run.job_id, "deadline_exceeded: its schedule's deadline has passed")]


async def test_retention_says_by_when_a_run_has_ended_where_its_schedule_does_not(
    timer: Bench,
) -> None:
    outbox = timer.outbox(
        "{mine: {every: 60s, backend: api, route: /a, deadline: 0},"
        " other: {every: 60s, backend: api, route: /a}}"
        "\nretention: {runDeadline: 90s}"
    )
    await outbox.migrate()
    runs = [(await outbox.extension(Schedules).trigger(name))[0] for name in ("mine", "other")]
    timer.clock.move(90)
    await timer.services(outbox).upkeep.close_runs()
    jobs = [await outbox.get(str(run.job_id)) for run in runs]
    assert [job.status for job in jobs] == [JobStatus.PENDING, JobStatus.FAILED]


async def test_a_run_of_a_later_version_stops_no_upkeep(
    timer: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("later", "tick")
    definition = "{every: 60s, backend: api, route: /a, history: 1}"
    outbox = timer.outbox(f"{{{', '.join(f'{name}: {definition}' for name in names)}}}")
    await outbox.migrate()
    for name in names:
        for _ in range(2):
            await outbox.extension(Schedules).trigger(name)
            await timer.deliver()
            await timer.services(outbox).upkeep.close_runs()
            timer.clock.move(1)
    whole = ScheduleTables.runs

    async def runs(tables: ScheduleTables, query: RunQuery) -> list[ScheduleRun]:
        if query.schedule != "tick":
            raise RunUnreadable(schedule="later", fired_at=timer.clock.now, key="", problem="what?")
        return await whole(tables, query)

    for name in names:
        await outbox.extension(Schedules).trigger(name)
    await timer.deliver()
    monkeypatch.setattr(ScheduleTables, "runs", runs)
    upkeep = timer.services(outbox).upkeep
    await upkeep.close_runs()
    await upkeep.prune()
    monkeypatch.undo()
    found = [(run.schedule, run.status.value) for run in await timer.tables.runs(RunQuery())]
    assert sorted(found) == [
        ("later", "running"),
        ("later", "success"),
        ("later", "success"),
        ("tick", "success"),
    ]


@pytest.mark.parametrize(
    ("history", "left"),
    [
        ("failures-only", [["failed"], ["failed"], []]),
        ("{success: 2h, failed: 30d}", [["failed", "success"], ["failed"], ["failed"]]),
        ("all", [["failed", "success"], ["failed", "success"], []]),
    ],
)
async def test_a_history_says_how_long_runs_and_jobs_are_kept(
    timer: Bench, history: str, left: list[list[str]]
) -> None:
    """After a second, 3 h and 30 d less a second; other jobs go by ``retention`` meanwhile."""
    outbox = timer.outbox(
        WITH_DEADLINE % f", concurrency: allow, history: {history}"
        + "\nretention: {runFailed: 1d, success: 1h, failed: 1h}"
    )
    await outbox.migrate()
    for outcome in (None, FAILED):
        await outbox.extension(Schedules).trigger("tick")
        await timer.deliver(*filter(None, [outcome]))
        timer.clock.move(1)
    for seconds, expected in zip((0, 3 * 3_600, 30 * 86_400 - 3 * 3_600 - 3), left, strict=True):
        timer.clock.move(seconds)
        upkeep = timer.services(outbox).upkeep
        spared = await upkeep.close_runs()
        assert list(spared) == ["tick"]
        await upkeep.prune()
        await timer.store.prune(spared=[Spared(SCHEDULE_RUNS, "job_id", "schedule", tuple(spared))])
        assert sorted(await stored_statuses(timer)) == expected
        assert sorted(job.status.value for job in await timer.store.find(JobQuery())) == expected
