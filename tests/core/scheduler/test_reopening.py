"""The run of a job that is redriven goes on, and ends as its job does."""

from __future__ import annotations

import attrs
import pytest
from tests.core.scheduler.conftest import FAILED, Bench

from sp00ky_core.errors import StoreUnavailable
from sp00ky_core.job import JobStatus
from sp00ky_core.ports import JobFilter, RunQuery, RunStatus

TICK = "{tick: {every: 60s, backend: api, route: /a, quarantineAfter: 1, deadline: 90s}}"


async def stored_statuses(bench: Bench) -> list[RunStatus]:
    return [run.status for run in await bench.store.runs(RunQuery())]


@pytest.mark.parametrize("by_filter", [False, True])
async def test_a_redriven_jobs_run_goes_on(bench: Bench, by_filter: bool) -> None:
    outbox = bench.outbox(TICK)
    await outbox.migrate()
    (run,) = await outbox.schedules.trigger("tick")
    await bench.deliver(FAILED)
    upkeep = bench.services(outbox).upkeep
    await upkeep.close_runs()
    assert await stored_statuses(bench) == [RunStatus.FAILED]
    if by_filter:
        await outbox.redrive(filter=JobFilter(backend="api"))
    else:
        await outbox.redrive(str(run.job_id))
    (reopened,) = await bench.store.runs(RunQuery())
    assert reopened == attrs.evolve(run, finished_at=bench.clock.now)
    bench.clock.move(1)
    (skipped,) = await outbox.schedules.trigger("tick")
    assert (skipped.error or {})["code"] == "concurrency_skip"
    await bench.deliver()
    await upkeep.close_runs()
    assert await stored_statuses(bench) == [RunStatus.SKIPPED, RunStatus.SUCCESS]
    assert (await outbox.schedules.get("tick")).quarantined == ()


@pytest.mark.parametrize("closed", [False, True])
async def test_no_deadline_counts_for_a_run_that_goes_on(bench: Bench, closed: bool) -> None:
    outbox = bench.outbox(TICK)
    await outbox.migrate()
    (run,) = await outbox.schedules.trigger("tick")
    await bench.deliver(FAILED)
    upkeep = bench.services(outbox).upkeep
    if closed:
        await upkeep.close_runs()
    bench.clock.move(3_600)
    await outbox.redrive(str(run.job_id))
    await upkeep.close_runs()
    assert (await outbox.get(str(run.job_id))).status is JobStatus.PENDING
    await bench.deliver(FAILED)
    await upkeep.close_runs()
    (ended,) = await bench.store.runs(RunQuery())
    assert (ended.status, ended.finished_at) == (RunStatus.FAILED, bench.clock.now)


async def test_jobs_are_redriven_also_where_no_run_can_be_read(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = bench.outbox(TICK)
    await outbox.migrate()
    (run,) = await outbox.schedules.trigger("tick")
    await bench.deliver(FAILED)

    async def away(query: RunQuery) -> None:
        raise StoreUnavailable(store="memory://", problem="gone")

    monkeypatch.setattr(bench.store, "runs", away)
    (result,) = await outbox.redrive(str(run.job_id))
    assert result.fate.value == "redriven"
    assert "schedules' runs don't say that their jobs are pending again" in caplog.text
