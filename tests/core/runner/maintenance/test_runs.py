"""Runs are written down, cut off at their deadline, and deleted when they are old."""

import asyncio

import pytest
from tests.core.scheduler.conftest import FAILED, Bench

from sp00ky_conformance.store.harness import eventually
from sp00ky_core.errors import RunUnreadable
from sp00ky_core.job.job import JobStatus
from sp00ky_core.ports import JobQuery, RunQuery, RunStatus, ScheduleRun
from sp00ky_core.runner.maintenance.scheduler import everything

WITH_DEADLINE = "{tick: {every: 60s, backend: api, route: /a, deadline: 90s%s}}"


async def stored_statuses(bench: Bench) -> list[str]:
    return [run.status.value for run in await bench.store.runs(RunQuery())]


async def test_the_runs_of_all_schedules_are_read_at_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"s{n}" for n in range(5)]
    one = "{every: 60s, backend: api, route: /a, concurrency: allow}"
    outbox = bench.outbox("{" + ", ".join(f"{name}: {one}" for name in names) + "}")
    await outbox.migrate()
    reads, runs = list[RunQuery](), bench.store.runs

    async def counted(query: RunQuery) -> list[ScheduleRun]:
        reads.append(query)
        found: list[ScheduleRun] = await runs(query)
        return found

    monkeypatch.setattr(bench.store, "runs", counted)
    for name in names:
        await outbox.schedules.trigger(name)
    assert reads == []  # what ran before makes no difference
    await bench.deliver()
    await bench.services(outbox).upkeep.close_runs()
    assert len(reads) == 1
    assert await stored_statuses(bench) == ["success"] * 5


async def test_a_runner_closes_runs_of_its_own_schedules_and_all_before_jobs_are_pruned(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = "{every: 60s, backend: api, route: /a}"
    outbox = bench.outbox(f"{{a: {one}, b: {one}}}")
    await outbox.migrate()
    for name in ("a", "b"):
        await outbox.schedules.trigger(name)
    await bench.deliver()
    monkeypatch.setattr("sp00ky_core.runner.maintenance.runs.INTERVAL", 0.0)
    upkeep = bench.services(outbox, lambda _: (1, 2)).upkeep
    task = asyncio.create_task(upkeep.run())
    assert await eventually(lambda: _has_closed(bench, {"a": "running", "b": "success"}))
    task.cancel()
    await upkeep.close_runs()
    assert await _has_closed(bench, {"a": "success", "b": "success"})


async def _has_closed(bench: Bench, statuses: dict[str, str]) -> bool:
    return statuses == {run.schedule: run.status.value for run in await bench.store.runs(RunQuery())}


async def test_a_run_past_its_deadline_is_killed(bench: Bench) -> None:
    outbox = bench.outbox(WITH_DEADLINE % "")
    await outbox.migrate()
    (run,) = await outbox.schedules.trigger("tick")
    upkeep = bench.services(outbox).upkeep
    bench.clock.move(89)
    await upkeep.close_runs()
    assert (await outbox.get(str(run.job_id))).status is JobStatus.PENDING
    bench.clock.move(1)
    await upkeep.close_runs()
    assert (await outbox.get(str(run.job_id))).status is JobStatus.FAILED
    (found,) = await bench.store.runs(RunQuery())
    assert (found.status, (found.error or {})["code"]) == (RunStatus.KILLED, "deadline_exceeded")
    assert bench.witness.settled == [(run.job_id, "deadline_exceeded: its schedule's deadline has passed")]


async def test_retention_says_by_when_a_run_has_ended_where_its_schedule_does_not(bench: Bench) -> None:
    outbox = bench.outbox(
        "{mine: {every: 60s, backend: api, route: /a, deadline: 0},"
        " other: {every: 60s, backend: api, route: /a}}"
        "\nretention: {runDeadline: 90s}"
    )
    await outbox.migrate()
    runs = [(await outbox.schedules.trigger(name))[0] for name in ("mine", "other")]
    bench.clock.move(90)
    await bench.services(outbox).upkeep.close_runs()
    jobs = [await outbox.get(str(run.job_id)) for run in runs]
    assert [job.status for job in jobs] == [JobStatus.PENDING, JobStatus.FAILED]


async def test_a_run_of_a_later_version_stops_no_upkeep(bench: Bench) -> None:
    names = ("later", "tick")
    definition = "{every: 60s, backend: api, route: /a, history: 1}"
    outbox = bench.outbox(f"{{{', '.join(f'{name}: {definition}' for name in names)}}}")
    await outbox.migrate()
    for name in names:
        for _ in range(2):
            await outbox.schedules.trigger(name)
            await bench.deliver()
            await bench.services(outbox).upkeep.close_runs()
            bench.clock.move(1)
    whole = bench.store.runs

    async def runs(query: RunQuery) -> list[ScheduleRun]:
        if query.schedule != "tick":
            raise RunUnreadable(schedule="later", fired_at=bench.clock.now, key="", problem="what?")
        return await whole(query)  # type: ignore[no-any-return]

    for name in names:
        await outbox.schedules.trigger(name)
    await bench.deliver()
    bench.store.runs = runs
    upkeep = bench.services(outbox).upkeep
    await upkeep.close_runs()
    await upkeep._prune_all_schedules(everything)
    bench.store.runs = whole
    found = [(run.schedule, run.status.value) for run in await bench.store.runs(RunQuery())]
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
    bench: Bench, history: str, left: list[list[str]]
) -> None:
    """After a second, 3 h and 30 d less a second; other jobs go by ``retention`` meanwhile."""
    outbox = bench.outbox(
        WITH_DEADLINE % f", concurrency: allow, history: {history}"
        + "\nretention: {runFailed: 1d, success: 1h, failed: 1h}"
    )
    await outbox.migrate()
    for outcome in (None, FAILED):
        await outbox.schedules.trigger("tick")
        await bench.deliver(*filter(None, [outcome]))
        bench.clock.move(1)
    for seconds, expected in zip((0, 3 * 3_600, 30 * 86_400 - 3 * 3_600 - 3), left, strict=True):
        bench.clock.move(seconds)
        upkeep = bench.services(outbox).upkeep
        spared = await upkeep.close_runs()
        assert list(spared) == ["tick"]
        await upkeep._prune_all_schedules(everything)
        await bench.store.prune(spared=spared)
        assert sorted(await stored_statuses(bench)) == expected
        assert sorted(job.status.value for job in await bench.store.find(JobQuery())) == expected
